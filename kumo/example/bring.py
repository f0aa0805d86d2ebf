"""Bringing the example: a project with its environment, a task every 20 seconds and one by hand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.projects.editing import Workshop, create_from_directory
from kumo.projects.models import Project
from kumo.projects.store.snapshots import SnapshotStore
from kumo.settings import Settings
from kumo.tasks import service as tasks
from kumo.tasks.service import TaskDefinition, TriggerWish
from kumo.tasks.triggers import Interval

_FILES = Path(__file__).parent / "project"


async def bring_example(database: Database, settings: Settings, now: datetime) -> None:
    """Bring the example to an installation that never had a project; does nothing elsewhere."""
    async with database.read() as session:
        if await session.scalar(select(Project.id).limit(1)) is not None:
            return
    shop = Workshop(
        database=database, store=SnapshotStore(settings.home), settings=settings, clock=utc_now, user_id=None
    )
    project, _snapshot = await create_from_directory(
        shop, name="example", description="Comes with Kumo; delete it when you have seen it.", directory=_FILES
    )
    every_20_seconds = TriggerWish(id=None, trigger=Interval(seconds=20, start_at=now))
    async with database.write() as session:
        await tasks.create(
            session,
            TaskDefinition(
                name="weather",
                description="Runs every 20 seconds and prints in colour.",
                project_id=project.id,
                command="python weather.py",
                tags=("example",),
                timeout_seconds=60,
            ),
            [every_20_seconds],
            now,
        )
        await tasks.create(
            session,
            TaskDefinition(
                name="count",
                description="Counts for two minutes; start it by hand, watch it, stop it.",
                project_id=project.id,
                command="python count.py",
                tags=("example",),
            ),
            [],
            now,
        )
