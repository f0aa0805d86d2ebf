"""Directories of builds that nothing uses go; those that anything may use stay."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.clock import utc_now
from kumo.environments import service
from kumo.environments.builds import service as builds
from kumo.environments.models import Build, Environment
from kumo.environments.needs.definition import EnvironmentDefinition
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.environments.states import BuildState
from kumo.runs import service as runs
from kumo.runs.collector import Collector
from kumo.runs.models import Run
from kumo.runs.open_runs import COLUMNS, OpenRun
from kumo.runs.preparation import Ready
from kumo.runs.states import RunState
from tests.runs.building import BuildingHouse


async def test_a_generation_that_is_no_longer_used_goes_after_the_grace_time(building: BuildingHouse) -> None:
    await building.build("water==1.0")
    first = await building.first_build()
    await building.build("water==2.0")
    assert await building.collect(timedelta(days=13)) == 0
    assert await building.states() == ["ready", "ready"]
    assert await building.collect() == 1
    assert await building.states() == ["collected", "ready"]
    assert first.lock_hash not in building.directories()
    assert len(building.directories()) == 1
    assert await building.collect() == 0


async def test_the_generation_that_people_went_back_to_stays(building: BuildingHouse) -> None:
    environment_id = await building.build("water==1.0")
    await building.build("water==2.0")
    await building.activate(environment_id, 0)
    await building.collect()
    assert await building.states() == ["ready", "collected"]


async def test_a_directory_that_another_environment_uses_stays(building: BuildingHouse) -> None:
    await building.build("water==1.0")
    await building.build("water==1.0", name="other")
    await building.build("water==2.0")
    assert await building.collect() == 0
    assert await building.states() == ["collected", "ready", "ready"]
    assert len(building.directories()) == 2


async def test_the_builds_of_a_deleted_environment_go(building: BuildingHouse) -> None:
    environment_id = await building.build("water")
    async with building.house.database.write() as session:
        await service.remove(session, await service.get(session, environment_id), utc_now())
    assert await building.collect() == 1
    assert building.directories() == set()


async def test_a_run_that_goes_keeps_its_build(building: BuildingHouse) -> None:
    house = building.house
    environment_id = await building.build("water==1.0")
    run_id = await house.request(await house.add_task("python waits.py", environment_id=environment_id))
    await house.reach(run_id, RunState.RUNNING)
    await building.build("water==2.0")
    await building.collect()
    assert await building.states() == ["ready", "ready"]
    await house.stop(run_id)
    await house.finish(run_id)
    await building.collect()
    assert await building.states() == ["collected", "ready"]


async def test_an_exact_repetition_that_waits_keeps_its_build(building: BuildingHouse) -> None:
    house = building.house
    environment_id = await building.build("water==1.0")
    run_id = await house.request(await house.add_task("python works.py", environment_id=environment_id))
    await house.finish(run_id)
    await building.build("water==2.0")
    async with house.database.write() as session:
        again = await runs.rerun(session, run_id, exact=True, actor="ada", now=utc_now())
    await building.collect()
    assert await building.states() == ["ready", "ready"]
    await house.stop(again.id)
    await building.collect()
    assert await building.states() == ["collected", "ready"]


async def test_the_build_of_what_a_project_declares_stays_while_its_runs_wait(building: BuildingHouse) -> None:
    house = building.house
    async with house.database.write() as session:
        spec = EnvironmentSpec(requirements=("water",))
        await builds.build_for_project(session, house.project_id, spec, utc_now())
    await building.build_all()
    run_id = await house.request(await house.add_task("python works.py"))
    await building.collect()
    assert await building.states() == ["ready"]
    await house.stop(run_id)
    await building.collect()
    assert await building.states() == ["collected"]
    async with house.database.write() as session:
        again = await builds.build_for_project(session, house.project_id, spec, utc_now())
    assert again.state == BuildState.QUEUED


async def test_a_use_by_a_run_counts_from_then(building: BuildingHouse) -> None:
    house = building.house
    environment_id = await building.build("water==1.0")
    await house.finish(await house.request(await house.add_task("python works.py", environment_id=environment_id)))
    assert (await building.first_build()).used_at is not None
    await building.build("water==2.0")
    async with house.database.write() as session:
        build = (await session.scalars(select(Build).order_by(Build.id))).all()[0]
        build.ended_at = utc_now() - timedelta(days=100)
    assert await building.collect(timedelta(days=13)) == 0
    assert await building.collect() == 1


async def test_a_run_that_is_repeated_exactly_gets_its_collected_build_again(building: BuildingHouse) -> None:
    house = building.house
    environment_id = await building.build("water==1.0")
    run_id = await house.request(await house.add_task("python works.py", environment_id=environment_id))
    await house.finish(run_id)
    await building.build("water==2.0")
    assert await building.collect() == 1
    async with house.database.write() as session:
        again = await runs.rerun(session, run_id, exact=True, actor="ada", now=utc_now())
    await building.wait_for_build(again.id)
    await building.build_all()
    (ended,) = await house.finish(again.id)
    assert (ended.state, ended.build_id) == ("succeeded", (await building.first_build()).id)


async def test_a_build_whose_directory_somebody_has_removed_is_made_again_before_the_run(
    building: BuildingHouse,
) -> None:
    house = building.house
    environment_id = await building.build("water==1.0")
    task = await house.add_task("python works.py", environment_id=environment_id)
    shutil.rmtree(building.settings.home / "builds")
    run_id = await house.request(task)
    await building.wait_for_build(run_id)
    await building.build_all()
    (run,) = await house.finish(run_id)
    assert run.state == "succeeded"


async def test_what_no_table_knows_goes_too_and_what_is_new_stays(building: BuildingHouse) -> None:
    await building.build("water")
    unknown = building.settings.home / "builds" / ("f" * 64)
    unknown.mkdir()
    assert await building.collect(timedelta(0)) == 0
    assert await building.collect() == 1
    assert not unknown.exists()


async def read_open(session: AsyncSession, run_id: int) -> OpenRun:
    """A run as the loops read it."""
    return OpenRun._make((await session.execute(select(*COLUMNS).where(Run.id == run_id))).one())


# --- races -----------------------------------------------------------------------------------------------------------


async def test_a_run_that_takes_a_build_first_keeps_the_collector_from_it(building: BuildingHouse) -> None:
    """Its environment is given another build, and that one is collected, while the claim is under way."""
    house = building.house
    environment_id = await building.build("water==1.0")
    await building.build("water==2.0")
    await building.activate(environment_id, 0)
    run_id = await house.request(await house.add_task("python works.py", environment_id=environment_id))
    async with house.database.read() as session:
        await building.preparation.learn(house.database, await read_open(session, run_id))

    async def activate_and_collect() -> None:
        await building.activate(environment_id, 1)
        await building.collect()

    async with house.database.write() as session:
        run = await runs.get(session, run_id)
        ready = await building.preparation.prepare(session, await read_open(session, run_id), utc_now())
        assert isinstance(ready, Ready)
        meanwhile = asyncio.create_task(activate_and_collect())
        await asyncio.wait({meanwhile}, timeout=0.3)
        assert not meanwhile.done()
        run.state, run.build_id = RunState.STARTING, ready.build_id
    await meanwhile
    assert await building.states() == ["ready", "ready"]
    async with house.database.write() as session:
        (await runs.get(session, run_id)).state = RunState.FAILED


async def test_a_run_whose_build_was_collected_just_before_waits_until_it_is_made_again(
    building: BuildingHouse,
) -> None:
    house = building.house
    environment_id = await building.build("water==1.0")
    await building.build("water==2.0")
    await building.collect()
    async with house.database.write() as session:  # as a restored database may have it
        environment = await service.get(session, environment_id, for_update=True)
        environment.active_build_id = (await session.scalars(select(Build.id).order_by(Build.id))).all()[0]
    run_id = await house.request(await house.add_task("python works.py", environment_id=environment_id))
    await building.wait_for_build(run_id)
    assert await building.states() == ["queued", "ready"]
    await building.build_all()
    (run,) = await house.finish(run_id)
    assert run.state == "succeeded"


async def test_builds_that_find_an_equal_directory_while_it_is_collected_end_ready(building: BuildingHouse) -> None:
    """Rounds of building the same and collecting it at once: a ready row always has its directory."""
    collector = Collector(
        building.house.database,
        building.settings.model_copy(update={"unused_build_days": 0}),
        building.builder,
        utc_now,
    )
    for number in range(3):
        environment_id = await building.build("water==1.0", name=f"round {number}")
        async with building.house.database.write() as session:
            await service.remove(session, await service.get(session, environment_id), utc_now())
            definition = EnvironmentDefinition(name=f"next {number}", packages=("water==1.0",))
            await service.create(session, definition, None, utc_now())
        later = utc_now() + timedelta(seconds=1)
        await asyncio.gather(building.builder.step(utc_now()), collector.step(later), collector.step(later))
        async with building.house.database.read() as session:
            ready = await session.scalars(select(Build.lock_hash).where(Build.state == BuildState.READY))
            assert set(ready.all()) <= building.directories()
        async with building.house.database.write() as session:
            found = await session.scalar(select(Environment).where(Environment.name == f"next {number}"))
            assert found is not None
            await service.remove(session, found, utc_now())
