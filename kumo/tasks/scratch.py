"""The task that a project's scratch runs belong to; decision 0020 says why they have one.

It holds what all of them have in common. What each executes stands in the run itself.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.projects import service as projects
from kumo.tasks.models import Task
from kumo.tasks.policies import Limits, RateLimit, Retry

_NAME = "scratch"  # shown nowhere; names need not differ between such tasks
_TIMEOUT_SECONDS = 3600.0
_STOP_GRACE_SECONDS = 10.0


async def scratch_task(session: AsyncSession, project_id: int, now: datetime) -> int:
    """The id of the project's scratch task, which is made when there is none yet; `NotFound` without the project."""
    # Locked: of two who come first, one makes the task.
    await projects.find_project(session, project_id, for_update=True)
    found = await session.scalar(select(Task.id).where(_of(project_id)))
    if found is not None:
        return found
    task = Task(
        name=_NAME,
        project_id=project_id,
        command="",
        overlap="allow",
        catch_up="skip",
        catch_up_window_seconds=0,
        timeout_seconds=_TIMEOUT_SECONDS,
        stop_grace_seconds=_STOP_GRACE_SECONDS,
        retry=Retry().to_json(),
        limits=Limits().to_json(),
        rate_limit=RateLimit().to_json(),
        scratch=True,
        created_at=now,
        updated_at=now,
    )
    session.add(task)
    await session.flush()
    return task.id


async def forget(session: AsyncSession, project_id: int, now: datetime) -> None:
    """Delete the scratch task of a project that was deleted: none of its runs can be repeated any more."""
    await session.execute(update(Task).where(_of(project_id)).values(deleted_at=now, active=False))


def _of(project_id: int) -> ColumnElement[bool]:
    return and_(Task.project_id == project_id, Task.scratch, Task.deleted_at.is_(None))
