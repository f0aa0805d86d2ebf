"""Tasks that follow others: no task may come to follow itself, and none is deleted while others follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.errors import Conflict, InvalidInput
from kumo.tasks.models import Task, TriggerRow, is_listed
from kumo.tasks.uses import UsedByTasks

_LOCK = 0x6B756D6F  # "kumo": the advisory lock of those who change who follows whom
_MOST_DETAILS = 20


async def check_upstream(session: AsyncSession, task: Task, upstream: Mapping[int, int]) -> None:
    """Refuse to let a task follow others that do not exist, or that follow it already, directly or by others.

    `upstream` are the ids of those others, by the position of the trigger that names them. On PostgreSQL only one
    transaction at a time changes who follows whom, since two could close a cycle together.
    """
    await _be_alone(session)
    query = select(Task.id).where(Task.id.in_(set(upstream.values())), is_listed())
    # Held, so that none is deleted before this is stored.
    existing = set(await session.scalars(query.order_by(Task.id).with_for_update(read=True, key_share=True)))
    for position, task_id in upstream.items():
        where = f"triggers.{position}.task_id"
        if task_id not in existing:
            raise InvalidInput.at(where, f"Task {task_id} does not exist.")
        if (cycle := await _way_to(session, task_id, task.id)) is not None:
            names = await _names(session, cycle)
            ring = " after ".join(repr(names[each]) for each in [task.id, *cycle])
            message = f"Task {task.name!r} would follow itself: {ring}. Take one of these triggers away."
            raise InvalidInput.at(where, message)


async def refuse_followed(session: AsyncSession, task: Task) -> None:
    """Raise `UsedByTasks` when other tasks follow this one, which is about to be deleted."""
    query = (
        select(Task.name, func.count().over())
        .where(Task.id.in_(select(TriggerRow.task_id).where(TriggerRow.upstream_task_id == task.id)))
        .order_by(Task.name)
        .limit(_MOST_DETAILS)
    )
    rows = (await session.execute(query)).all()
    if rows:
        names = [name for name, _count in rows]
        raise UsedByTasks(f"Task {task.name!r}", names, count=rows[0][1], instead="give {} another trigger")


async def _be_alone(session: AsyncSession) -> None:
    if session.get_bind().dialect.name != "postgresql":
        return  # SQLite has one writer
    # Tried, not waited for: whoever holds it may be waiting for the task that is being changed here.
    if not await session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
        raise Conflict("Somebody else changes which task follows which just now. Try again in a moment.")


async def _way_to(session: AsyncSession, start: int, goal: int) -> list[int] | None:
    """The tasks from `start` to `goal`, each following the next; None when there is no such way."""
    came_from: dict[int, int | None] = {start: None}
    reached = [start]
    while reached and goal not in came_from:
        query = select(TriggerRow.task_id, TriggerRow.upstream_task_id).where(
            TriggerRow.task_id.in_(reached), TriggerRow.upstream_task_id.is_not(None)
        )
        reached = []
        for follower, followed in (await session.execute(query)).all():
            if followed is not None and followed not in came_from:
                came_from[followed] = follower
                reached.append(followed)
    if goal not in came_from:
        return None
    way = [goal]
    while (before := came_from[way[-1]]) is not None:
        way.append(before)
    return way[::-1]


async def _names(session: AsyncSession, task_ids: Sequence[int]) -> dict[int, str]:
    rows = await session.execute(select(Task.id, Task.name).where(Task.id.in_(task_ids)))
    return dict(rows.all())
