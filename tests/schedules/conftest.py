"""Tasks whose triggers come due when a test lets the time pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from kumo.db.session import Database
from kumo.projects.models import Project, Snapshot
from kumo.runs.models import Run
from kumo.schedules.models import Slot, Uptime
from kumo.schedules.scheduler import Scheduler
from kumo.tasks import service as tasks
from kumo.tasks.models import Task, TriggerRow
from kumo.tasks.service import TaskDefinition, TriggerWish
from kumo.tasks.triggers import Trigger
from tests.fakes import ManualClock


class Schedule:
    """One project, tasks in it, the scheduler, and what it has made of them."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock
        self.scheduler = Scheduler(database, clock)

    async def add_project(self, *, name: str = "etl", files: bool = True) -> int:
        async with self.database.write() as session:
            project = Project(name=name, description="", created_at=self.clock(), updated_at=self.clock())
            session.add(project)
            await session.flush()
            if files:
                snapshot = Snapshot(
                    project_id=project.id,
                    tree_hash="0" * 64,
                    message="Created",
                    file_count=1,
                    size_bytes=1,
                    created_at=self.clock(),
                )
                session.add(snapshot)
                await session.flush()
                project.snapshot_id = snapshot.id
        return project.id

    async def add_task(self, *triggers: Trigger, project_id: int | None = None, **fields: Any) -> Task:
        values: dict[str, Any] = {"name": "nightly", "command": "python main.py"}
        values["project_id"] = project_id or await self.add_project(name=f"project of {fields.get('name', 'nightly')}")
        wishes = [TriggerWish(id=None, trigger=trigger) for trigger in triggers]
        async with self.database.write() as session:
            return await tasks.create(session, TaskDefinition(**values | fields), wishes, self.clock())

    async def change(self, task: Task, triggers: Sequence[TriggerWish] | None = None, **changes: Any) -> Task:
        async with self.database.write() as session:
            return await tasks.change(session, task.id, changes, triggers, seen_version=None, now=self.clock())

    async def pass_time(self, **units: float) -> None:
        """Let time pass, and have the scheduler do what it does then."""
        self.clock.advance(**units)
        while await self.scheduler.step(self.clock()):
            pass

    async def triggers(self, task: Task) -> list[TriggerRow]:
        async with self.database.read() as session:
            return (await tasks.triggers_of(session, [task.id]))[task.id]

    async def slots(self) -> list[Slot]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Slot).order_by(Slot.due_at, Slot.trigger_id)))

    async def told(self) -> list[tuple[datetime, str, str | None, int]]:
        """The ledger in short."""
        return [(slot.due_at, slot.outcome, slot.reason, slot.count) for slot in await self.slots()]

    async def runs(self) -> list[Run]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Run).order_by(Run.id)))

    async def run_loop_until(
        self, condition: Callable[[], Awaitable[object]], *, end_at: datetime | None = None
    ) -> None:
        """Run a new scheduler's loop until something holds, and end it as the server does, at a given moment."""
        loop = asyncio.create_task(Scheduler(self.database, self.clock).forever())
        try:
            async with asyncio.timeout(20):
                while not await condition():
                    await asyncio.sleep(0.01)
        finally:
            self.clock.now = end_at or self.clock.now
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)

    async def count_uptimes(self, at_least: int = 1) -> bool:
        async with self.database.read() as session:
            return (await session.scalar(select(func.count()).select_from(Uptime)) or 0) >= at_least

    async def set_state(self, run_id: int, state: str) -> None:
        async with self.database.write() as session:
            (await session.get_one(Run, run_id)).state = state

    async def end_runs(self) -> None:
        async with self.database.write() as session:
            for run in await session.scalars(select(Run)):
                run.state = "succeeded"


@pytest.fixture
def schedule(database: Database, clock: ManualClock) -> Schedule:
    """A schedule on both databases, at a Monday noon."""
    return Schedule(database, clock)
