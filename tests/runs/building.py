"""A house that builds environments from an index of its own, and collects their builds."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from kumo.clock import utc_now
from kumo.environments import service
from kumo.environments.building.builder import BuilderLoop
from kumo.environments.builds import service as builds
from kumo.environments.models import Build, Environment
from kumo.environments.needs.definition import EnvironmentDefinition
from kumo.runs.collector import Collector
from kumo.runs.preparation import WAITS_FOR_BUILD, Preparation
from kumo.variables.resolution import Resolver
from tests.environments.package_index import PackageIndex
from tests.runs.conftest import House


class BuildingHouse:
    """A house with a builder and a collector, and with an index to build from."""

    def __init__(self, house: House, index: PackageIndex) -> None:
        self.house = house
        self.index = index
        self.settings = house.settings.model_copy(update={"package_index_url": index.url, "unused_build_days": 14})
        self.builder = BuilderLoop(house.database, self.settings, utc_now, house.vault, house.interpreters)
        self.collector = Collector(house.database, self.settings, self.builder, utc_now)
        self.preparation = Preparation(self.settings, house.interpreters, Resolver(house.database, house.vault))

    async def build(self, *packages: str, name: str = "etl") -> int:
        """An environment with these packages, built; its id."""
        async with self.house.database.write() as session:
            found = await session.scalar(select(Environment).where(Environment.name == name))
            definition = EnvironmentDefinition(name=name, packages=packages)
            if found is None:
                found = await service.create(session, definition, None, utc_now())
            else:
                await service.change(session, found.id, definition, None, seen_version=None, now=utc_now())
        await self.build_all()
        return found.id

    async def build_all(self) -> None:
        while await self.builder.step(utc_now()):
            pass

    async def collect(self, after: timedelta = timedelta(days=15)) -> int:
        return await self.collector.step(utc_now() + after)

    async def wait_for_build(self, run_id: int) -> None:
        async def waits() -> bool:
            return (await self.house.run(run_id)).reason == WAITS_FOR_BUILD

        await self.house.step_until(waits)

    async def states(self) -> list[str]:
        async with self.house.database.read() as session:
            return list((await session.scalars(select(Build.state).order_by(Build.id))).all())

    async def first_build(self) -> Build:
        async with self.house.database.read() as session:
            return (await session.scalars(select(Build).order_by(Build.id))).all()[0]

    async def activate(self, environment_id: int, number: int) -> None:
        async with self.house.database.write() as session:
            environment = await service.get(session, environment_id, for_update=True)
            build_id = (await session.scalars(select(Build.id).order_by(Build.id))).all()[number]
            await builds.activate(session, environment, build_id, is_there=True)

    def directories(self) -> set[str]:
        return {entry.name for entry in (self.settings.home / "builds").iterdir()}
