"""The builds of an environment over time: numbered, gone back to, cancelled, compared."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from kumo.db.session import Database
from kumo.environments.building.builder import BuilderLoop
from kumo.environments.models import Build
from kumo.environments.states import BuildState
from kumo.settings import Settings
from tests.environments.asking import create, error
from tests.environments.building.test_building import processes_in
from tests.environments.conftest import Projects
from tests.environments.package_index import PackageIndex
from tests.fakes import ManualClock


@pytest.fixture
async def two_generations(http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock) -> list[dict[str, Any]]:
    """An environment that held water 1.0, and now holds 2.0: its builds, the first one first."""
    created = await create(http, packages=["water==1.0"])
    await builder.step(clock())
    await http.patch(f"/environments/{created['id']}", json={"packages": ["water==2.0", "steam"]})
    await builder.step(clock())
    listed = (await http.get(f"/environments/{created['id']}/builds")).json()["items"]
    return list(reversed(listed))


def path_of(build: dict[str, Any]) -> str:
    return f"/environments/{build['environment_id']}/builds/{build['id']}"


async def environment_of(http: httpx.AsyncClient, build: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await http.get(f"/environments/{build['environment_id']}")).json()
    return found


@asynccontextmanager
async def building(builder: BuilderLoop, clock: ManualClock, index: PackageIndex) -> AsyncIterator[asyncio.Task[int]]:
    """A step of the builder that is under way, and waits for the index."""
    index.asked.clear()
    index.held.clear()
    step = asyncio.create_task(builder.step(clock()))
    assert await asyncio.to_thread(index.asked.wait, 20)
    try:
        yield step
    finally:
        index.held.set()
        await step


async def test_builds_are_numbered_for_each_environment(
    http: httpx.AsyncClient, two_generations: list[dict[str, Any]], projects: Projects
) -> None:
    assert [build["generation"] for build in two_generations] == [1, 2]
    other = await create(http, name="other")
    assert other["latest_build"]["generation"] == 1
    shown = (await http.get(path_of(two_generations[0]))).json()
    assert shown == two_generations[0]


# --- going back ------------------------------------------------------------------------------------------------------


async def test_an_earlier_generation_is_used_until_the_next_one_is_ready(
    http: httpx.AsyncClient, two_generations: list[dict[str, Any]], builder: BuilderLoop, clock: ManualClock
) -> None:
    first, second = two_generations
    assert (await environment_of(http, first))["active_build"]["id"] == second["id"]
    went_back = (await http.post(f"{path_of(first)}/activate")).json()
    assert (went_back["active_build"]["id"], went_back["latest_build"]["id"]) == (first["id"], second["id"])
    assert went_back["wanted_build"] is None
    assert await builder.step(clock()) == 0
    assert (await environment_of(http, first))["active_build"]["id"] == first["id"]

    await http.post(f"/environments/{first['environment_id']}/build")
    assert (await environment_of(http, first))["wanted_build"]["generation"] == 3
    await builder.step(clock())
    assert (await environment_of(http, first))["active_build"]["generation"] == 3


async def test_who_goes_back_while_something_is_built_stays_there(
    http: httpx.AsyncClient,
    two_generations: list[dict[str, Any]],
    builder: BuilderLoop,
    clock: ManualClock,
    package_index: PackageIndex,
) -> None:
    first = two_generations[0]
    await http.patch(f"/environments/{first['environment_id']}", json={"packages": ["snow"]})
    async with building(builder, clock, package_index):
        await http.post(f"{path_of(first)}/activate")
    after = await environment_of(http, first)
    assert (after["latest_build"]["generation"], after["latest_build"]["state"]) == (3, "ready")
    assert after["active_build"]["id"] == first["id"]


async def test_a_generation_whose_directory_is_gone_is_made_again_and_then_used(
    http: httpx.AsyncClient,
    two_generations: list[dict[str, Any]],
    builder: BuilderLoop,
    clock: ManualClock,
    build_settings: Settings,
    package_index: PackageIndex,
) -> None:
    first, second = two_generations
    shutil.rmtree(build_settings.home / "builds" / first["lock_hash"])
    package_index.add_wheel("water", "3.0")
    waits = (await http.post(f"{path_of(first)}/activate")).json()
    assert (waits["active_build"]["id"], waits["wanted_build"]["id"]) == (second["id"], first["id"])
    await builder.step(clock())
    after = await environment_of(http, first)
    assert (after["active_build"]["id"], after["wanted_build"]) == (first["id"], None)
    assert after["active_build"]["lock_hash"] == first["lock_hash"]


async def test_what_was_never_made_cannot_be_activated(
    http: httpx.AsyncClient, two_generations: list[dict[str, Any]], builder: BuilderLoop, clock: ManualClock
) -> None:
    environment_id = two_generations[0]["environment_id"]
    await http.patch(f"/environments/{environment_id}", json={"packages": ["ice"]})
    await builder.step(clock())
    failed = (await environment_of(http, two_generations[0]))["latest_build"]
    refused = error(await http.post(f"{path_of(failed)}/activate"), 409)
    assert refused["message"].startswith("Generation 3 failed and holds nothing.")
    other = await create(http, name="other")
    mixed = f"/environments/{other['id']}/builds/{failed['id']}/activate"
    assert error(await http.post(mixed), 404)["code"] == "not_found"


async def test_an_edit_that_declares_the_same_leaves_people_where_they_went_back_to(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock, projects: Projects
) -> None:
    project_id = await projects.create({"requirements.txt": "water==1.0\n"})
    created = await create(http, project_id=project_id)
    await builder.step(clock())
    first = (await environment_of(http, {"environment_id": created["id"]}))["active_build"]
    await projects.change(project_id, {"requirements.txt": "water==2.0\n"})
    await builder.step(clock())
    await http.post(f"{path_of(first)}/activate")
    await projects.change(project_id, {"requirements.txt": "water==2.0\n", "main.py": "print(1)\n"})
    assert await builder.step(clock()) == 0
    assert (await environment_of(http, first))["active_build"]["id"] == first["id"]
    await projects.change(project_id, {"requirements.txt": "water==1.0\n"})
    await builder.step(clock())
    await projects.change(project_id, {"requirements.txt": "water==2.0\n"})
    await builder.step(clock())
    assert (await environment_of(http, first))["active_build"]["generation"] == 3


# --- cancelling ------------------------------------------------------------------------------------------------------


async def test_a_build_that_waits_is_cancelled_at_once(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock
) -> None:
    first = (await create(http))["latest_build"]
    second = (await create(http, name="other"))["latest_build"]
    assert (first["queue_position"], second["queue_position"]) == (1, 2)
    cancelled = (await http.post(f"/builds/{first['id']}/cancel")).json()
    assert (cancelled["state"], cancelled["error"]) == ("cancelled", "Cancelled by ada.")
    assert cancelled["queue_position"] is None
    assert (await http.get(path_of(second))).json()["queue_position"] == 1
    over = error(await http.post(f"{path_of(first)}/cancel"), 409)
    assert over["message"] == f"Build {first['id']} is over already: it is cancelled."
    assert await builder.step(clock()) == 1
    assert (await http.get(path_of(first))).json()["state"] == "cancelled"


async def test_a_build_that_is_being_made_ends_with_its_processes(
    http: httpx.AsyncClient,
    two_generations: list[dict[str, Any]],
    builder: BuilderLoop,
    clock: ManualClock,
    build_settings: Settings,
    package_index: PackageIndex,
) -> None:
    environment_id = two_generations[1]["environment_id"]
    changed = (await http.patch(f"/environments/{environment_id}", json={"packages": ["snow"]})).json()
    async with building(builder, clock, package_index) as step:
        asked = (await http.post(f"{path_of(changed['latest_build'])}/cancel")).json()
        assert asked["is_being_cancelled"] is True
        # The index answers nothing meanwhile: only the cancellation can end it.
        async with asyncio.timeout(20):
            assert await asyncio.shield(step) == 1
    ended = (await http.get(path_of(changed["latest_build"]))).json()
    assert (ended["state"], ended["error"]) == ("cancelled", "Cancelled by ada.")
    log = (await http.get(f"{path_of(ended)}/log")).text
    assert log.splitlines()[-1] == "Cancelled by ada."
    assert ended["log_bytes"] == len(log.encode())
    assert processes_in(build_settings.home) == []
    assert list((build_settings.home / "builds").glob(".*")) == []
    assert (await environment_of(http, ended))["active_build"]["id"] == two_generations[1]["id"]


async def test_a_cancellation_outlives_the_server(
    http: httpx.AsyncClient, builder: BuilderLoop, database: Database
) -> None:
    waiting = (await create(http))["latest_build"]
    async with database.write() as session:
        build = await session.get(Build, waiting["id"])
        assert build is not None
        build.state = BuildState.BUILDING
    await http.post(f"{path_of(waiting)}/cancel")
    await builder.recover()
    assert (await http.get(path_of(waiting))).json()["state"] == "cancelled"


# --- locks and differences -------------------------------------------------------------------------------------------


async def test_the_lock_of_a_build_can_be_read_and_downloaded(
    http: httpx.AsyncClient, two_generations: list[dict[str, Any]]
) -> None:
    second = two_generations[1]
    lock = await http.get(f"{path_of(second)}/lock")
    assert "water==2.0 \\\n    --hash=sha256:" in lock.text
    assert lock.headers["content-disposition"] == f'attachment; filename="build-{second["id"]}.lock.txt"'
    assert (await http.get(f"/builds/{second['id']}/lock")).text == lock.text
    waiting = (await create(http, name="other"))["latest_build"]
    none_yet = error(await http.get(f"{path_of(waiting)}/lock"), 404)
    assert none_yet["message"].startswith(f"Build {waiting['id']} has no lock, because it is queued.")


async def test_what_changed_between_two_builds_is_told(
    http: httpx.AsyncClient, two_generations: list[dict[str, Any]]
) -> None:
    first, second = two_generations
    forth = (await http.get(f"{path_of(second)}/changes")).json()
    assert forth == {
        "build_id": second["id"],
        "against": first["id"],
        "python": None,
        "added": [{"name": "steam", "version": "1.0"}],
        "removed": [],
        "changed": [{"name": "water", "before": "1.0", "after": "2.0", "is_upgrade": True}],
    }
    back = (await http.get(f"/builds/{first['id']}/changes", params={"against": second["id"]})).json()
    assert back["removed"] == [{"name": "steam", "version": "1.0"}]
    assert back["changed"] == [{"name": "water", "before": "2.0", "after": "1.0", "is_upgrade": False}]
    alone = (await http.get(f"{path_of(first)}/changes")).json()
    assert (alone["against"], alone["added"]) == (None, [{"name": "water", "version": "1.0"}])
    unknown = error(await http.get(f"{path_of(first)}/changes", params={"against": 999}), 422)
    assert unknown["details"][0]["field"] == "against"


async def test_the_same_wish_of_a_new_environment_is_not_resolved_again(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock
) -> None:
    first = await create(http, name="first", packages=["water"])
    await builder.step(clock())
    second = await create(http, name="second", packages=["water"])
    await builder.step(clock())
    await http.post(f"/environments/{second['id']}/build")
    await builder.step(clock())
    clock.advance(minutes=11)
    await create(http, name="third", packages=["water"])
    await builder.step(clock())
    logs = [(await http.get(f"/builds/{number}/log")).text for number in (1, 2, 3, 4)]
    took = "Taking the lock of build 1, which asked for the same just now"
    assert [took in log for log in logs] == [False, True, False, False]
    hashes = {(await http.get(f"/builds/{number}")).json()["lock_hash"] for number in (1, 2, 3, 4)}
    assert len(hashes) == 1
    assert (await http.get(f"/environments/{first['id']}")).json()["active_build"]["id"] == 1


@pytest.mark.parametrize("of_the_first", [["index_credentials"], []])
async def test_what_an_index_answers_to_a_password_is_not_for_others(
    http: httpx.AsyncClient,
    builder: BuilderLoop,
    clock: ManualClock,
    package_index: PackageIndex,
    of_the_first: list[str],
) -> None:
    credentials = [{"url": package_index.url, "username": "ada", "password": "a-long-password"}]
    for name in ("first", "second"):
        given = {field: credentials for field in of_the_first if name == "first"}
        await create(http, name=name, packages=["water"], index_url=package_index.url, **given)
        await builder.step(clock())
    log = (await http.get("/builds/2/log")).text
    assert ("Taking the lock" in log) is not bool(of_the_first)


async def test_a_directory_of_wheels_for_all_environments_is_looked_at_each_time(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock, tmp_path: Path
) -> None:
    builder._settings = builder._settings.model_copy(update={"package_wheel_folder": str(tmp_path)})
    for name in ("first", "second"):
        await create(http, name=name, packages=["water"])
        await builder.step(clock())
    assert (await http.get("/builds/2")).json()["state"] == "ready"
    assert "Taking the lock" not in (await http.get("/builds/2/log")).text
