"""Deleting what tasks use, which is refused as long as they do.

It stands here because projects and environments know nothing of tasks. The row to be deleted is locked before the tasks
are looked up: whoever gives it to a task meanwhile waits, and then finds it deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.environments import service as environments
from kumo.errors import Conflict, Detail
from kumo.projects import service as projects
from kumo.tasks.models import Task

_MOST_DETAILS = 20
_MOST_IN_A_SENTENCE = 3


class UsedByTasks(Conflict):
    """Tasks use what was to be deleted."""

    def __init__(self, used: str, names: Sequence[str], *, count: int, instead: str) -> None:
        """`names` are those of the first tasks, `count` is how many there are, `instead` a way to keep them all."""
        task, it = ("task", "it") if count == 1 else ("tasks", "them")
        super().__init__(
            f"{used} is used by the {task} {_listed(names, count)}. Delete {it} or {instead.format(it)} first.",
            details=tuple(Detail(field="task", message=name) for name in names),
        )


async def delete_project(session: AsyncSession, project_id: int, now: datetime) -> None:
    """Delete a project, or raise `UsedByTasks`."""
    project = await projects.find_project(session, project_id, for_update=True)
    await _refuse_used(session, Task.project_id == project_id, f"Project {project.name!r}", "move {}")
    await projects.delete_project(session, project, now=now)


async def delete_environment(session: AsyncSession, environment_id: int, now: datetime) -> None:
    """Delete an environment, or raise `UsedByTasks`."""
    environment = await environments.get(session, environment_id, for_update=True)
    used = f"Environment {environment.name!r}"
    await _refuse_used(session, Task.environment_id == environment_id, used, "give {} another environment")
    await environments.remove(session, environment, now)


async def _refuse_used(session: AsyncSession, uses_it: ColumnElement[bool], used: str, instead: str) -> None:
    query = select(Task.name, func.count().over()).where(uses_it, Task.deleted_at.is_(None))
    rows = (await session.execute(query.order_by(Task.name).limit(_MOST_DETAILS))).all()
    if rows:
        raise UsedByTasks(used, [name for name, _count in rows], count=rows[0][1], instead=instead)


def _listed(names: Sequence[str], count: int) -> str:
    """'a' · 'a' and 'b' · 'a', 'b' and 'c' · 'a', 'b' and 3 more."""
    quoted = [repr(name) for name in names]
    if count == 1:
        return quoted[0]
    if count > _MOST_IN_A_SENTENCE:
        quoted = [*quoted[: _MOST_IN_A_SENTENCE - 1], f"{count - _MOST_IN_A_SENTENCE + 1:,} more"]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"
