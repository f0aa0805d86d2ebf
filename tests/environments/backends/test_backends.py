"""What every backend must do: one suite, asked of each of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from kumo.db.session import Database
from kumo.environments.backends.interface import BuildFailed
from kumo.environments.building.builder import BuilderLoop
from kumo.environments.models import Build
from kumo.environments.states import BuildState
from kumo.settings import Settings
from tests.environments import one_build
from tests.environments.asking import create, error
from tests.environments.building.test_building import processes_in, run
from tests.environments.conftest import Workbench
from tests.environments.grounds import Ground, as_json, ground_of
from tests.environments.test_generations import building, environment_of, path_of
from tests.fakes import ManualClock

_CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(params=["uv", "conda"])
def backend(request: pytest.FixtureRequest) -> str:
    """Each of them."""
    name: str = request.param
    return name


@pytest.fixture
def ground(backend: str, tmp_path: Path) -> Iterator[Ground]:
    """Packages for the backend."""
    with ground_of(backend, tmp_path / "channel") as found:
        yield found


def without_python(packages: dict[str, str]) -> dict[str, str]:
    """What was asked for: where Python is a package, it is one more."""
    return {name: version for name, version in packages.items() if name != "python"}


# --- what comes out --------------------------------------------------------------------------------------------------


async def test_a_build_holds_what_was_asked_for_and_what_that_needs(workbench: Workbench, ground: Ground) -> None:
    built = await workbench.build_spec(ground.spec("snow"))
    assert without_python({one.name: one.version for one in built.ready.packages}) == {"snow": "1.0", "water": "1.0"}
    code = "import snow, water, sys; print(water.VERSION, sys.prefix)"
    said = run(workbench, built.ready.lock_hash, "python", "-c", code)
    assert said == f"1.0 {workbench.store.directory(built.ready.lock_hash)}"
    assert workbench.leftovers() == ([] if built.ready.place == "" else [Path(built.ready.place).name])


async def test_programs_work_from_the_directory_that_a_build_ends_up_in(workbench: Workbench, ground: Ground) -> None:
    built = await workbench.build_spec(ground.spec("snow"))
    assert run(workbench, built.ready.lock_hash, "snow-tool").startswith("snow 1.0")


async def test_packages_are_listed_with_their_sizes_and_who_needs_whom(workbench: Workbench, ground: Ground) -> None:
    built = await workbench.build_spec(ground.spec("snow"))
    found = {one.name: one for one in built.ready.packages}
    assert "water" in found["snow"].requires
    assert (found["snow"].is_direct, found["water"].is_direct) == (True, False)
    assert found["snow"].size_bytes > 20


async def test_equal_locks_share_one_directory(workbench: Workbench, ground: Ground) -> None:
    first = await workbench.build_spec(ground.spec("snow"))
    marker = workbench.store.directory(first.ready.lock_hash) / "build.json"
    written = marker.stat().st_mtime_ns
    second = await workbench.build_spec(ground.spec("snow", "water"))
    assert second.ready.lock_hash == first.ready.lock_hash
    assert marker.stat().st_mtime_ns == written
    assert "An equal build is there already" in workbench.log
    assert {one.name: one.is_direct for one in second.ready.packages}["water"]


async def test_equal_builds_at_once_are_made_once(workbench: Workbench, ground: Ground, tmp_path: Path) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    built = await asyncio.gather(*(workbench.build_spec(ground.spec("snow"), log_path=path) for path in logs))
    assert len({one.ready.lock_hash for one in built}) == 1
    assert sum("An equal build is there already" in path.read_text() for path in logs) == 2


async def test_the_same_comes_out_of_a_lock_whatever_is_newer(workbench: Workbench, ground: Ground) -> None:
    first = await workbench.build_spec(ground.spec("snow"))
    workbench.store.abandon(workbench.store.put_aside(first.ready.lock_hash))
    assert workbench.leftovers() == []
    ground.offer("snow", "1.1", requires=["water<2"])
    again = await workbench.build_spec(ground.spec("snow"), lock=first.lock)
    assert (again.lock, again.ready.lock_hash) == (first.lock, first.ready.lock_hash)
    assert run(workbench, again.ready.lock_hash, "python", "-c", "import snow; print(snow.VERSION)") == "1.0"


async def test_a_lock_makes_the_same_in_another_house(
    workbench: Workbench, ground: Ground, index_settings: Settings, tmp_path: Path
) -> None:
    first = await workbench.build_spec(ground.spec("snow"))
    elsewhere = Workbench(index_settings.model_copy(update={"home": tmp_path / "elsewhere"}), workbench.interpreters)
    second = await elsewhere.build_spec(ground.spec("snow"), lock=first.lock)
    assert second.ready.lock_hash == first.ready.lock_hash
    said = run(elsewhere, second.ready.lock_hash, "python", "-c", "import snow; print(snow.__file__)")
    assert said.startswith(str(elsewhere.home))


# --- what goes wrong -------------------------------------------------------------------------------------------------


async def test_an_unknown_package_is_named(workbench: Workbench, ground: Ground) -> None:
    with pytest.raises(BuildFailed, match=r"No (package named|channel .* package) “ice”"):
        await workbench.build_spec(ground.spec("ice"))
    assert workbench.leftovers() == []
    assert "ice" in workbench.log


async def test_a_conflict_is_one_sentence_and_its_explanation_as_it_is(workbench: Workbench, ground: Ground) -> None:
    with pytest.raises(BuildFailed, match=r"No set of versions fits\. .*water") as caught:
        await workbench.build_spec(ground.spec("snow", "steam"))
    assert "\n" not in caught.value.message
    assert caught.value.output is not None
    assert caught.value.output in workbench.log
    assert len(caught.value.output.splitlines()) >= 3


async def test_what_cannot_be_imported_fails_its_build(workbench: Workbench, ground: Ground) -> None:
    ground.offer("ice", "1.0", code="raise ImportError('libGL.so.1: cannot open shared object file')")
    with pytest.raises(BuildFailed, match=r"“ice” was installed, but import ice fails: ImportError: libGL\.so\.1"):
        await workbench.build_spec(ground.spec("ice"))
    assert list((workbench.home / "builds").iterdir()) == []


async def test_what_looks_for_a_program_of_its_build_when_it_is_imported_finds_it(
    workbench: Workbench, ground: Ground
) -> None:
    code = "import shutil\nif shutil.which('water-tool') is None:\n    raise ImportError('no water-tool')\n"
    ground.offer("ice", "1.0", requires=["water<2"], code=code)
    assert (await workbench.build_spec(ground.spec("ice"))).ready.packages


async def test_an_address_that_does_not_answer_is_named(workbench: Workbench, ground: Ground) -> None:
    spec = ground.spec("water")
    host = ground.server.leave()
    with pytest.raises(BuildFailed, match=rf"{host} does not answer"):
        await workbench.build_spec(spec)


async def test_a_cancelled_build_leaves_neither_processes_nor_directories(workbench: Workbench, ground: Ground) -> None:
    ground.server.holds = ground.slow_downloads
    ground.server.held.clear()
    making = asyncio.create_task(workbench.build_spec(ground.spec("snow")))
    assert await asyncio.to_thread(ground.server.asked.wait, 20)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert processes_in(workbench.home) == []
    assert list((workbench.home / "builds").iterdir()) == []


@pytest.mark.parametrize("moment", ["resolving", "installing"])
async def test_a_server_that_is_killed_in_the_middle_leaves_nothing_usable(
    workbench: Workbench, ground: Ground, moment: str
) -> None:
    ground.server.holds = ground.slow_downloads if moment == "installing" else ""
    ground.server.held.clear()
    command = ["-m", one_build.__name__, str(workbench.home), as_json(ground.spec("snow"))]
    server = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=_CHECKOUT)
    assert await asyncio.to_thread(ground.server.asked.wait, 20)
    server.kill()
    await server.wait()
    builds = workbench.home / "builds"
    assert list(builds.glob("[!.]*")) == []
    assert workbench.store.sweep() >= 1
    assert processes_in(workbench.home) == []
    assert list(builds.iterdir()) == []
    ground.server.held.set()
    built = await workbench.build_spec(ground.spec("snow"))
    assert run(workbench, built.ready.lock_hash, "snow-tool").startswith("snow 1.0")


# --- generations -----------------------------------------------------------------------------------------------------


async def two_generations(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock, ground: Ground
) -> list[dict[str, Any]]:
    """An environment that held snow and water 1.0, and now holds steam and water 2.0: its builds in this order."""
    created = await create(http, **ground.fields("snow"))
    await builder.step(clock())
    await http.patch(f"/environments/{created['id']}", json=ground.fields("steam"))
    await builder.step(clock())
    listed = (await http.get(f"/environments/{created['id']}/builds")).json()["items"]
    assert [one["state"] for one in listed] == ["ready", "ready"], listed
    return list(reversed(listed))


async def test_builds_are_compared_gone_back_to_and_made_again(
    http: httpx.AsyncClient,
    builder: BuilderLoop,
    clock: ManualClock,
    ground: Ground,
    backend: str,
    build_settings: Settings,
    database: Database,
) -> None:
    first, second = await two_generations(http, builder, clock, ground)
    assert (await environment_of(http, first))["backend"] == backend
    changes = (await http.get(f"{path_of(second)}/changes")).json()
    assert changes["added"] == [{"name": "steam", "version": "1.0"}]
    assert changes["removed"] == [{"name": "snow", "version": "1.0"}]
    assert changes["changed"] == [{"name": "water", "before": "1.0", "after": "2.0", "is_upgrade": True}]

    back = (await http.post(f"{path_of(first)}/activate")).json()
    assert back["active_build"]["id"] == first["id"]

    # The directory of the other one is collected, and made again from its lock when it is activated.
    assert await builder.discard(second["lock_hash"], _nobody)
    async with database.write() as session:
        build = (await session.scalars(select(Build).where(Build.id == second["id"]))).one()
        build.state = BuildState.COLLECTED
    ground.offer("steam", "1.1", requires=["water>=2"])
    await http.post(f"{path_of(second)}/activate")
    await builder.step(clock())
    forth = (await environment_of(http, second))["active_build"]
    assert (forth["id"], forth["state"], forth["lock_hash"]) == (second["id"], "ready", second["lock_hash"])
    programs = build_settings.home / "builds" / second["lock_hash"] / "bin"
    said = subprocess.run([programs / "steam-tool"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("steam 1.0")


async def _nobody(_lock_hash: str) -> bool:
    return False


async def test_a_build_that_fails_or_is_cancelled_changes_nothing(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock, ground: Ground, build_settings: Settings
) -> None:
    created = await create(http, **ground.fields("water"))
    await builder.step(clock())
    used = (await environment_of(http, {"environment_id": created["id"]}))["active_build"]

    await http.patch(f"/environments/{created['id']}", json=ground.fields("ice"))
    await builder.step(clock())
    after = await environment_of(http, {"environment_id": created["id"]})
    assert (after["latest_build"]["state"], after["active_build"]["id"]) == ("failed", used["id"])

    ground.server.holds = ground.slow_downloads
    changed = (await http.patch(f"/environments/{created['id']}", json=ground.fields("snow"))).json()
    async with building(builder, clock, ground.server) as step:
        await http.post(f"{path_of(changed['latest_build'])}/cancel")
        async with asyncio.timeout(20):
            assert await asyncio.shield(step) == 1
    after = await environment_of(http, changed["latest_build"])
    assert (after["latest_build"]["state"], after["active_build"]["id"]) == ("cancelled", used["id"])
    assert processes_in(build_settings.home) == []
    assert len(list((build_settings.home / "builds").glob("[!.]*"))) == 1
    assert error(await http.post(f"{path_of(after['latest_build'])}/activate"), 409)
