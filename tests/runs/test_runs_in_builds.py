"""Runs start the `python` and the programs of their build, whatever has made it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kumo.clock import utc_now
from kumo.environments import service
from kumo.environments.needs.definition import EnvironmentDefinition
from kumo.projects.service import output_directory
from tests.environments.conda_channel import CondaChannel, environment_yml
from tests.environments.grounds import ground_of
from tests.runs.building import BuildingHouse
from tests.runs.conftest import House

_TELL = """\
import json, os, shutil, sys, snow, water
told = {"prefix": sys.prefix, "water": water.VERSION, "tool": shutil.which("snow-tool"), "variables": dict(os.environ)}
json.dump(told, open(os.path.join(os.environ["OUTPUT_DIR"], "told.json"), "w"))
"""


async def what_a_run_tells(building: BuildingHouse, definition: EnvironmentDefinition) -> dict[str, Any]:
    """Build an environment, run a script in it, and give what that saw."""
    house = building.house
    async with house.database.write() as session:
        environment = await service.create(session, definition, None, utc_now())
    await building.build_all()
    task = await house.add_task(f"python -c '{_TELL}'", environment_id=environment.id, name="tells")
    (ended,) = await house.finish(await house.request(task))
    assert ended.state == "succeeded", ended.reason
    told: dict[str, Any] = json.loads(_outputs(house).joinpath("told.json").read_text())
    return told


def _outputs(house: House) -> Path:
    return output_directory(house.settings, house.project_id, None)


@pytest.mark.parametrize("backend", ["uv", "conda"])
async def test_a_run_has_the_python_the_packages_and_the_programs_of_its_build(
    building: BuildingHouse, backend: str, tmp_path: Path
) -> None:
    with ground_of(backend, tmp_path / "channel") as ground:
        fields = ground.fields("snow")
        if "packages" in fields:
            fields["packages"] = tuple(fields["packages"])
        told = await what_a_run_tells(building, EnvironmentDefinition(name="etl", **fields))
    build = await building.first_build()
    directory = building.settings.home / "builds" / str(build.lock_hash)
    assert (told["prefix"], told["water"]) == (str(directory), "1.0")
    assert told["tool"] == str(directory / "bin" / "snow-tool")


async def test_a_run_finds_what_packages_of_conda_set_when_they_are_activated(
    building: BuildingHouse, tmp_path: Path
) -> None:
    channel = CondaChannel(tmp_path / "channel")
    channel.add_python()
    channel.add_module("water", "1.0")
    channel.add_module("snow", "1.0", code="import os\nos.environ['SNOW_DATA']\n")
    script = 'export SNOW_DATA="$CONDA_PREFIX/share/snow"\necho "hello from a script"\nexport TWO="a\nb"\n'
    files = {"etc/conda/activate.d/snow.sh": script, "etc/conda/env_vars.d/snow.json": '{"SNOW_DEPTH": "7"}'}
    channel.add("snow-data", "1.0", files=files)
    text = environment_yml("python", "snow", "water", "snow-data", channels=[channel.url])
    told = await what_a_run_tells(building, EnvironmentDefinition(name="etl", environment_yml=text))
    variables, prefix = told["variables"], Path(told["prefix"]).resolve()
    assert variables["CONDA_PREFIX"] == str(prefix)
    assert variables["SNOW_DATA"] == f"{prefix}/share/snow"
    assert (variables["SNOW_DEPTH"], variables["TWO"]) == ("7", "a\nb")
    assert variables["HOME"] != str(prefix)
    assert variables["PATH"].startswith(f"{told['prefix']}/bin:")
