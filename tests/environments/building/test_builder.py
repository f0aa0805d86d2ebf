"""The loop that carries out builds: order, outcomes, crashes, projects that change."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from kumo.db.session import Database
from kumo.environments import service
from kumo.environments.building.builder import BuilderLoop
from kumo.environments.builds import service as builds
from kumo.environments.builds.log import build_log_path
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.models import Build, Environment
from kumo.environments.needs.definition import EnvironmentDefinition
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.environments.states import BuildState
from kumo.environments.tools.uv_failures import FULL_DISK
from kumo.secrets import Vault
from kumo.settings import Settings
from tests.environments.conftest import NOW, Projects
from tests.environments.package_index import PackageIndex
from tests.fakes import ManualClock
from tests.rights import mounted


async def create(database: Database, clock: ManualClock, *packages: str, name: str = "etl") -> int:
    async with database.write() as session:
        definition = EnvironmentDefinition(name=name, packages=packages)
        return (await service.create(session, definition, None, clock())).id


async def create_following(database: Database, clock: ManualClock, project_id: int) -> int:
    async with database.write() as session:
        definition = EnvironmentDefinition(name="etl", project_id=project_id)
        return (await service.create(session, definition, None, clock())).id


async def environment(database: Database, environment_id: int) -> Environment:
    async with database.read() as session:
        return await service.get(session, environment_id)


async def all_builds(database: Database) -> list[Build]:
    async with database.read() as session:
        return list((await session.scalars(select(Build).order_by(Build.id))).all())


async def build_for(database: Database, environment_id: int) -> Build:
    async with database.write() as session:
        environment = await service.get(session, environment_id)
        build = await builds.build_for_environment(session, environment, NOW)
    assert build is not None
    return build


def versions(build: Build) -> dict[str, str]:
    return {package["name"]: package["version"] for package in build.packages or []}


async def test_a_new_environment_is_built_and_used(
    database: Database, builder: BuilderLoop, clock: ManualClock, build_settings: Settings
) -> None:
    environment_id = await create(database, clock, "snow")
    assert (await build_for(database, environment_id)).state == BuildState.QUEUED
    with database.changes.subscribe("build", "environment") as subscription:
        assert await builder.step(clock()) == 1
        assert {change.kind for change in await subscription.wait(1)} == {"build", "environment"}
    build = await build_for(database, environment_id)
    assert build.state == BuildState.READY
    assert (await environment(database, environment_id)).active_build_id == build.id
    assert versions(build) == {"snow": "1.0", "water": "1.0"}
    tool = builds.bin_directory(build, build_settings) / "snow-tool"
    assert subprocess.run([tool], capture_output=True, text=True, check=True).stdout == "snow 1.0\n"
    log = build_log_path(build_settings.home, build.id).read_bytes()
    assert log.startswith(b"Ready: 2 packages on Python ")
    assert build.log_bytes == len(log)
    assert await builder.step(clock()) == 0


async def test_a_failed_build_says_why_and_the_one_before_goes_on_being_used(
    database: Database, builder: BuilderLoop, clock: ManualClock, build_settings: Settings
) -> None:
    environment_id = await create(database, clock, "water")
    await builder.step(clock())
    first = await build_for(database, environment_id)
    async with database.write() as session:
        wrong = EnvironmentDefinition(name="etl", packages=("ice",))
        await service.change(session, environment_id, wrong, None, seen_version=1, now=clock())
    await builder.step(clock())
    changed = await environment(database, environment_id)
    assert changed.active_build_id == first.id
    assert (await build_for(database, environment_id)).id == first.id
    failed = (await all_builds(database))[-1]
    assert failed.id == changed.latest_build_id
    assert failed.state == BuildState.FAILED
    assert failed.error == "No package named “ice” is on the package index."
    assert failed.ended_at is not None
    first_line = build_log_path(build_settings.home, failed.id).read_text().splitlines()[0]
    assert first_line.rstrip() == failed.error


async def test_an_older_build_that_ends_later_is_not_used(
    database: Database, builder: BuilderLoop, clock: ManualClock
) -> None:
    environment_id = await create(database, clock, "water==1.0")
    async with database.write() as session:
        newer = EnvironmentDefinition(name="etl", packages=("water==2.0",))
        await service.change(session, environment_id, newer, None, seen_version=None, now=clock())
    await builder.step(clock())
    assert (await environment(database, environment_id)).active_build_id is None
    await builder.step(clock())
    one, two = await all_builds(database)
    assert (one.state, two.state) == (BuildState.READY, BuildState.READY)
    assert (await environment(database, environment_id)).active_build_id == two.id


async def test_two_equal_environments_share_one_directory(
    database: Database, builder: BuilderLoop, clock: ManualClock, build_settings: Settings
) -> None:
    await create(database, clock, "snow", name="one")
    await create(database, clock, "snow", name="two")
    assert sum(await asyncio.gather(builder.step(clock()), builder.step(clock()))) == 2
    one, two = await all_builds(database)
    assert (one.state, two.state) == (BuildState.READY, BuildState.READY)
    assert one.lock_hash == two.lock_hash
    assert len(list((build_settings.home / "builds").iterdir())) == 1


async def test_what_was_being_built_when_the_server_was_killed_is_built_again(
    database: Database, builder: BuilderLoop, clock: ManualClock, build_settings: Settings
) -> None:
    environment_id = await create(database, clock, "snow")
    async with database.write() as session:
        build = (await session.scalars(select(Build))).one()
        assert await builds.move_build(session, build.id, source=BuildState.QUEUED, target=BuildState.BUILDING)
    (build_settings.home / "builds" / ".tmp-left" / "venv").mkdir(parents=True)
    assert await builder.step(clock()) == 0
    await builder.recover()
    assert await builder.step(clock()) == 1
    assert (await build_for(database, environment_id)).state == BuildState.READY
    assert list((build_settings.home / "builds").glob(".*")) == []


async def test_a_build_whose_directory_is_gone_is_made_again_from_its_lock(
    database: Database,
    builder: BuilderLoop,
    clock: ManualClock,
    build_settings: Settings,
    package_index: PackageIndex,
) -> None:
    environment_id = await create(database, clock, "water")
    await builder.step(clock())
    before = await build_for(database, environment_id)
    shutil.rmtree(build_settings.home / "builds")
    package_index.add_wheel("water", "3.0")
    await builder.recover()
    assert (await build_for(database, environment_id)).state == BuildState.QUEUED
    await builder.step(clock())
    after = await build_for(database, environment_id)
    assert (after.id, after.state, after.lock_hash) == (before.id, BuildState.READY, before.lock_hash)
    assert builds.bin_directory(after, build_settings).is_dir()


async def test_the_loop_hears_of_a_build_at_once(database: Database, builder: BuilderLoop, clock: ManualClock) -> None:
    working = asyncio.create_task(builder.forever())
    try:
        with database.changes.subscribe("environment") as subscription:
            environment_id = await create(database, clock, "water")
            async with asyncio.timeout(20):
                while (await environment(database, environment_id)).active_build_id is None:
                    await subscription.wait(1)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def test_a_defect_fails_the_build_instead_of_repeating_for_ever(
    database: Database, builder: BuilderLoop, clock: ManualClock
) -> None:
    environment_id = await create(database, clock, "water")
    async with database.write() as session:
        build = (await session.scalars(select(Build))).one()
        build.spec = {"unknown": 1}
    for _ in range(2):
        outcome = await asyncio.gather(builder.step(clock()), return_exceptions=True)
        assert isinstance(outcome[0], TypeError)
    assert await builder.step(clock()) == 0
    failed = await build_for(database, environment_id)
    assert failed.state == BuildState.FAILED
    assert failed.error is not None
    assert "Something went wrong inside Kumo" in failed.error


# --- projects --------------------------------------------------------------------------------------------------------


async def test_an_environment_of_a_project_follows_the_project(
    database: Database, builder: BuilderLoop, clock: ManualClock, projects: Projects
) -> None:
    project_id = await projects.create({"requirements.txt": "water==1.0\n"})
    environment_id = await create_following(database, clock, project_id)
    while await builder.step(clock()):
        pass
    assert versions(await build_for(database, environment_id)) == {"water": "1.0"}
    count = len(await all_builds(database))

    await projects.change(project_id, {"requirements.txt": "water==1.0\n", "main.py": "print(1)\n"})
    assert await builder.step(clock()) == 0
    assert len(await all_builds(database)) == count

    await projects.change(project_id, {"requirements.txt": "water==2.0\n"})
    assert await builder.step(clock()) == 1
    assert versions(await build_for(database, environment_id)) == {"water": "2.0"}


async def test_a_project_that_declares_nonsense_is_the_reason_why_its_next_runs_cannot_start(
    database: Database, builder: BuilderLoop, clock: ManualClock, projects: Projects
) -> None:
    project_id = await projects.create({"requirements.txt": "water\n"})
    environment_id = await create_following(database, clock, project_id)
    while await builder.step(clock()):
        pass
    used = await build_for(database, environment_id)
    await projects.change(project_id, {"requirements.txt": "water\n-e .\n"})
    assert await builder.step(clock()) == 0
    latest = (await all_builds(database))[-1]
    assert latest.state == BuildState.FAILED
    assert latest.error is not None
    assert latest.error.startswith("requirements.txt, line 2: “-e .”")
    assert (await build_for(database, environment_id)).id == latest.id
    assert (await environment(database, environment_id)).active_build_id == used.id

    await projects.change(project_id, {"requirements.txt": "water\n"})
    assert await builder.step(clock()) == 0
    assert (await build_for(database, environment_id)).id == used.id


async def test_a_run_after_an_upload_waits_until_its_environment_has_what_is_declared_now(
    database: Database, builder: BuilderLoop, clock: ManualClock, projects: Projects
) -> None:
    project_id = await projects.create({"requirements.txt": "water==1.0\n"})
    environment_id = await create_following(database, clock, project_id)
    while await builder.step(clock()):
        pass
    await projects.change(project_id, {"requirements.txt": "water==2.0\n"})
    async with database.read() as session:
        assert await builds.is_behind_its_project(session, await service.get(session, environment_id))
    await builder.follow_projects(clock())
    async with database.read() as session:
        assert not await builds.is_behind_its_project(session, await service.get(session, environment_id))
    assert (await build_for(database, environment_id)).state == BuildState.QUEUED
    await builder.step(clock())
    assert versions(await build_for(database, environment_id)) == {"water": "2.0"}


async def test_asking_again_for_the_same_lets_runs_go_on_meanwhile(
    database: Database, builder: BuilderLoop, clock: ManualClock, projects: Projects
) -> None:
    project_id = await projects.create({"requirements.txt": "water\n"})
    environment_id = await create_following(database, clock, project_id)
    while await builder.step(clock()):
        pass
    used = await build_for(database, environment_id)
    async with database.write() as session:
        found = await service.get(session, environment_id, for_update=True)
        await builds.request_build(
            session, found, EnvironmentSpec.from_json(used.spec), snapshot_id=found.snapshot_id, now=clock()
        )
    assert (await build_for(database, environment_id)).id == used.id


async def test_runs_of_a_project_share_its_build_and_a_failure_is_retried_after_a_minute(
    database: Database, builder: BuilderLoop, clock: ManualClock, projects: Projects, package_index: PackageIndex
) -> None:
    project_id = await projects.create({})
    spec = EnvironmentSpec(requirements=("ice",))

    async def ask() -> Build:
        async with database.write() as session:
            return await builds.build_for_project(session, project_id, spec, clock())

    first = await ask()
    assert (await ask()).id == first.id
    await builder.step(clock())
    clock.advance(seconds=59)
    assert (await ask()).id == first.id
    assert (await ask()).state == BuildState.FAILED
    clock.advance(seconds=1)
    package_index.add_wheel("ice", "1.0")
    again = await ask()
    assert (again.id, again.state, again.error) == (first.id, BuildState.QUEUED, None)
    await builder.step(clock())
    clock.advance(seconds=timedelta(days=1).total_seconds())
    assert (await ask()).state == BuildState.READY


# --- a full disk -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    with mounted(tmp_path / "small", "2m") as disk:
        yield disk


async def test_a_full_disk_fails_the_build_and_nothing_else(
    database: Database,
    build_settings: Settings,
    clock: ManualClock,
    vault: Vault,
    interpreters: Interpreters,
    small_disk: Path,
) -> None:
    settings = build_settings.model_copy(update={"home": small_disk})
    builder = BuilderLoop(database, settings, clock, vault, interpreters)
    environment_id = await create(database, clock, "water==1.0")
    await builder.step(clock())
    used = await build_for(database, environment_id)
    assert used.state == BuildState.READY

    (small_disk / "ballast").write_bytes(bytes(1 << 20))
    with suppress(OSError), (small_disk / "more ballast").open("wb") as more:
        while True:
            more.write(bytes(4096))
            more.flush()
    async with database.write() as session:
        definition = EnvironmentDefinition(name="etl", packages=("snow", "water"))
        await service.change(session, environment_id, definition, None, seen_version=None, now=clock())
    await builder.step(clock())
    failed = (await all_builds(database))[-1]
    assert (failed.state, failed.error) == (BuildState.FAILED, FULL_DISK)
    assert (await build_for(database, environment_id)).id == used.id
    assert [path.name for path in (small_disk / "builds").iterdir()] == [used.lock_hash]

    (small_disk / "ballast").unlink()
    (small_disk / "more ballast").unlink()
    async with database.write() as session:
        found = await service.get(session, environment_id, for_update=True)
        await service.request_build(session, found, None, clock())
    await builder.step(clock())
    assert versions(await build_for(database, environment_id)) == {"snow": "1.0", "water": "1.0"}
