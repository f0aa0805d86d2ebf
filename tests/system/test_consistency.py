"""What the database names and the disk lacks, and the reverse, is found and mended."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from kumo.settings import Settings
from tests.runs.asking import add_task, run_to_its_end

LONG_AGO = 1_600_000_000


@pytest.fixture
async def project_id(client: httpx.AsyncClient) -> int:
    project = (await client.post("/projects", json={"name": "etl"})).json()
    for path in ("main.py", "lib/one.py"):
        answer = await client.put(f"/projects/{project['id']}/files/{path}", json={"content": f"print('{path}')\n"})
        assert answer.is_success
    return int(project["id"])


async def found(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    answer = await client.get("/system/consistency")
    assert answer.status_code == 200, answer.text
    assert answer.json()["more"] is False
    return [(each["kind"], each["subject"]) for each in answer.json()["items"]]


async def mended(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    answer = await client.post("/system/consistency/repair")
    assert answer.status_code == 200, answer.text
    return [(each["kind"], each["subject"]) for each in answer.json()["items"]]


async def built(client: httpx.AsyncClient, settings: Settings, environment_id: int) -> tuple[dict[str, Any], Path]:
    """The active build of an environment once its directory is there."""
    async with asyncio.timeout(60):
        while True:
            build = (await client.get(f"/environments/{environment_id}")).json()["active_build"]
            if build is not None and build["state"] == "ready":
                return build, settings.home / "builds" / build["lock_hash"]
            await asyncio.sleep(0.05)


async def test_where_all_is_well_nothing_is_found(client: httpx.AsyncClient, project_id: int) -> None:
    await run_to_its_end(client, await add_task(client, project_id))
    assert await found(client) == []
    assert await mended(client) == []


async def test_a_build_whose_directory_is_gone_is_made_again(client: httpx.AsyncClient, settings: Settings) -> None:
    made = (await client.post("/environments", json={"name": "night", "packages": []})).json()
    build, directory = await built(client, settings, made["id"])
    shutil.rmtree(directory)
    assert await found(client) == [("build_without_directory", str(build["id"]))]
    assert await mended(client) == [("build_without_directory", str(build["id"]))]
    assert (await built(client, settings, made["id"]))[1].is_dir()
    assert await found(client) == []


async def test_directories_that_nobody_knows_are_removed(
    client: httpx.AsyncClient, settings: Settings, project_id: int
) -> None:
    run = await run_to_its_end(client, await add_task(client, project_id))
    build = settings.home / "builds" / ("0" * 64)
    strays = [settings.home / "runs" / "0" / "77" / "1", settings.home / "runs" / "1" / "1234" / "1", build]
    for stray in strays:
        stray.mkdir(parents=True)
    os.utime(build, (LONG_AGO, LONG_AGO))
    (settings.home / "builds" / ("1" * 64)).mkdir()  # so young that somebody may be making it
    strange = [
        ("directory_without_build", build.name),
        ("directory_without_run", "77"),
        ("directory_without_run", "1234"),
    ]
    assert await found(client) == strange
    assert await mended(client) == strange
    assert not any(stray.exists() for stray in strays)
    assert (settings.home / "builds" / ("1" * 64)).is_dir()
    assert (await client.get(f"/runs/{run['id']}/log")).text == "main.py\n"
    assert await found(client) == []


async def test_what_only_a_person_can_mend_is_told_and_left(
    client: httpx.AsyncClient, settings: Settings, project_id: int
) -> None:
    run = await run_to_its_end(client, await add_task(client, project_id))
    shutil.rmtree(settings.home / "runs" / "0" / str(run["id"]))
    for blob in (settings.home / "store" / "objects").rglob("*"):
        if blob.is_file() and blob.read_bytes() == b"print('lib/one.py')\n":
            blob.unlink()
    items = (await client.get("/system/consistency")).json()["items"]
    assert [(each["kind"], each["repair"]) for each in items] == [
        ("run_without_directory", None),
        ("snapshot_without_files", None),
    ]
    assert "the project 'etl' holds: lib/one.py. Upload the project again" in items[1]["message"]
    assert await mended(client) == []
    assert len(await found(client)) == 2


async def test_what_a_script_has_changed_of_its_own_files_is_told_and_laid_out_anew(
    client: httpx.AsyncClient, settings: Settings, project_id: int
) -> None:
    await run_to_its_end(client, await add_task(client, project_id))
    (tree,) = [path for path in (settings.home / "trees").iterdir() if path.is_dir()]
    (tree / "made by the script").write_text("and no concern of anybody")
    assert await found(client) == []
    (tree / "main.py").write_text("print('something else')\n")
    (tree / "lib" / "one.py").unlink()
    (item,) = (await client.get("/system/consistency")).json()["items"]
    assert (item["kind"], item["subject"]) == ("directory_changed", tree.name)
    assert (
        "the project 'etl' work in does not hold any more what the project holds: lib/one.py, main.py."
        in item["message"]
    )
    assert await mended(client) == [("directory_changed", tree.name)]
    assert not tree.exists()
    assert await found(client) == []


async def test_a_folder_that_is_gone_is_one_finding(
    client: httpx.AsyncClient, settings: Settings, project_id: int
) -> None:
    assert project_id
    shutil.rmtree(settings.home / "store" / "objects")
    (item,) = (await client.get("/system/consistency")).json()["items"]
    assert "'etl' holds: /." in item["message"]


async def test_a_long_list_is_cut_and_says_so(
    client: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kumo.system.consistency.MOST_FINDINGS", 2)
    for run_id in range(3):
        (settings.home / "runs" / "0" / str(run_id + 50)).mkdir(parents=True)
    answer = (await client.get("/system/consistency")).json()
    assert ([each["subject"] for each in answer["items"]], answer["more"]) == (["50", "51"], True)
    assert len(await mended(client)) == 3
