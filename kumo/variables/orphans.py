"""Deleting the variables of purged projects and deleted tasks, which the domains below cannot do themselves."""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.session import Database
from kumo.projects.models import Project
from kumo.tasks.models import Task
from kumo.variables.models import Variable

_INTERVAL_SECONDS: Final = 3600

_ORPHANED = or_(
    Variable.project_id.in_(select(Project.id).where(Project.purged_at.is_not(None))),
    Variable.task_id.in_(select(Task.id).where(Task.deleted_at.is_not(None))),
)


async def forever(database: Database) -> None:
    """Look every hour; nobody sees or is given them meanwhile."""
    while True:
        await remove_orphans(database)
        await asyncio.sleep(_INTERVAL_SECONDS)


async def remove_orphans(database: Database) -> bool:
    """Delete them, and say whether there were any."""
    async with database.read() as session:
        if not await _any(session):
            return False
    async with database.write() as session:
        await session.execute(delete(Variable).where(_ORPHANED))
    return True


async def _any(session: AsyncSession) -> bool:
    return await session.scalar(select(Variable.id).where(_ORPHANED).limit(1)) is not None
