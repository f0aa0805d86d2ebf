"""Runs in a Python that somebody else looks after, with what it holds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kumo.clock import utc_now
from kumo.environments import service
from kumo.environments.interpreters import registry
from kumo.environments.models import Build
from kumo.environments.needs.definition import EnvironmentDefinition
from tests.runs.building import BuildingHouse

REAL = os.path.realpath(sys.executable)


def programs_of_somebody(folder: Path) -> Path:
    """A directory with a Python of another name, and a program beside it."""
    folder.mkdir()
    for name, text in (("python3.own", f'exec "{REAL}" "$@"'), ("their-tool", "echo their tool")):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return folder / "python3.own"


async def environment_of(building: BuildingHouse, path: Path) -> int:
    async with building.house.database.write() as session:
        row = await registry.add(session, path, utc_now())
        definition = EnvironmentDefinition(name="theirs", interpreter_id=row.id, interpreter_path=str(path))
        return (await service.create(session, definition, None, utc_now())).id


async def test_a_run_finds_that_python_as_python_and_the_programs_beside_it(
    building: BuildingHouse, tmp_path: Path
) -> None:
    house = building.house
    path = programs_of_somebody(tmp_path / "their programs")
    environment_id = await environment_of(building, path)
    await building.build_all()
    build = await building.first_build()
    assert (build.state, build.interpreter_path) == ("ready", str(path))
    assert "pip" in {package["name"] for package in build.packages or []}
    for command in ("python works.py", "their-tool"):
        run_id = await house.request(await house.add_task(command, environment_id=environment_id))
        (run,) = await house.finish(run_id)
        assert (run.state, run.build_id) == ("succeeded", build.id)


async def test_when_that_python_is_gone_the_run_says_so(building: BuildingHouse, tmp_path: Path) -> None:
    house = building.house
    path = programs_of_somebody(tmp_path / "theirs")
    environment_id = await environment_of(building, path)
    await building.build_all()
    path.unlink()
    run_id = await house.request(await house.add_task("python works.py", environment_id=environment_id))
    await building.wait_for_build(run_id)
    await building.build_all()
    (run,) = await house.finish(run_id)
    assert run.state == "failed"
    assert run.reason == f"Its environment could not be built: {path} does not exist on the server."
    async with house.database.read() as session:
        build = await session.get(Build, (await building.first_build()).id)
    assert build is not None
    assert build.state == "failed"
