"""Pools: named limits that tasks share."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.errors import Conflict, Detail, NotFound
from kumo.tasks.models import Pool, Task

_MOST_NAMED = 20


async def create(session: AsyncSession, *, name: str, slots: int, now: datetime) -> Pool:
    """Make a pool; `Conflict` when the name is taken."""
    pool = Pool(name=name, slots=slots, created_at=now)
    session.add(pool)
    await _flush(session, name)
    return pool


async def change(
    session: AsyncSession, pool_id: int, *, name: str | None, slots: int | None, seen_version: int | None
) -> Pool:
    """Rename or resize a pool. Runs that go on go on, also when there are more of them now than slots."""
    pool = await get(session, pool_id, for_update=True)
    if seen_version is not None and seen_version != pool.version:
        message = f"Pool {pool_id} was changed meanwhile, to version {pool.version}. Load it again, then change it."
        raise Conflict(message, details=(Detail(field="version", message=message),))
    pool.name = pool.name if name is None else name
    pool.slots = pool.slots if slots is None else slots
    pool.version += 1
    await _flush(session, pool.name)
    announce(session, "queue", 0)  # runs that waited for a slot may start now
    return pool


async def remove(session: AsyncSession, pool_id: int) -> None:
    """Delete a pool; `Conflict`, naming them, while tasks are in it."""
    pool = await get(session, pool_id, for_update=True)
    names = (
        await session.scalars(
            select(Task.name)
            .where(Task.pool_id == pool_id, Task.deleted_at.is_(None))
            .order_by(Task.name)
            .limit(_MOST_NAMED)
        )
    ).all()
    if names:
        raise Conflict(
            f"Pool {pool.name!r} is used by tasks: {', '.join(names)}. Take them out of it first.",
            details=tuple(Detail(field="task", message=name) for name in names),
        )
    await session.delete(pool)


async def get(session: AsyncSession, pool_id: int, *, for_update: bool = False) -> Pool:
    """One pool, or `NotFound`."""
    pool = await session.get(Pool, pool_id, with_for_update=for_update or None)
    if pool is None:
        raise NotFound(f"Pool {pool_id} does not exist.")
    return pool


async def _flush(session: AsyncSession, name: str) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        message = f"A pool named {name!r} exists already. Choose another name."
        raise Conflict(message, details=(Detail(field="name", message=message),)) from error
