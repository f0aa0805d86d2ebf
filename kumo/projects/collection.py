"""Which states of projects may go, and the removal of their rows. What the sweep of the store relies on is in 0018."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, ColumnElement, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.base import Base
from kumo.projects.models import Project, Snapshot


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """A state is beyond these when both say so."""

    keep_count: int  # of the newest states of each project
    replaced_before: datetime  # when the next state took its place


async def collectable(session: AsyncSession, bounds: Bounds, *, limit: int) -> list[int]:
    """States that may go, the oldest first. Those of projects in the trash stay as they are."""
    ages = (
        select(
            Snapshot.id.label("id"),
            func.row_number()
            .over(partition_by=Snapshot.project_id, order_by=Snapshot.id.desc())
            .label("number"),  # the newest one is 1
            func.lag(Snapshot.created_at)
            .over(partition_by=Snapshot.project_id, order_by=Snapshot.id.desc())
            .label("replaced_at"),
        )
        .join(Project, Project.id == Snapshot.project_id)
        .where(Project.deleted_at.is_(None))
        .subquery()
    )
    beyond = select(ages.c.id).where(ages.c.number > bounds.keep_count, ages.c.replaced_at < bounds.replaced_before)
    purged = select(Project.id).where(Project.purged_at.is_not(None))
    query = (
        select(Snapshot.id)
        .where(or_(and_(Snapshot.id.in_(beyond), _is_free()), and_(Snapshot.project_id.in_(purged), ~_is_used())))
        .order_by(Snapshot.id)
        .limit(limit)
    )
    return list(await session.scalars(query))


async def remove(session: AsyncSession, snapshot_ids: Sequence[int]) -> int:
    """Remove the states of these that are still free, and say how many.

    They are locked before it is looked who uses them: on PostgreSQL, whoever begins to use one waits for this
    transaction and then finds that it is gone.
    """
    of_these = Snapshot.id.in_(snapshot_ids)
    await session.execute(select(Snapshot.id).where(of_these).order_by(Snapshot.id).with_for_update())
    purged = select(Project.id).where(Project.purged_at.is_not(None))
    may_go = or_(_is_free(), and_(Snapshot.project_id.in_(purged), ~_is_used()))
    removed = await session.scalars(delete(Snapshot).where(of_these, may_go).returning(Snapshot.id))
    return len(removed.all())


def _is_free() -> ColumnElement[bool]:
    """What nobody has pinned, no project is in, and nothing uses."""
    present = select(Project.id).where(Project.snapshot_id == Snapshot.id, Project.id == Snapshot.project_id).exists()
    return and_(Snapshot.pinned.is_(False), ~present, ~_is_used())


def _is_used() -> ColumnElement[bool]:
    """Whatever refers to a state by a foreign key keeps it: runs, and what domains above this one may add."""
    return or_(*(select(column).where(column == Snapshot.id).exists() for column in _referring()))


def _referring() -> list[Column[int]]:
    table = Snapshot.metadata.tables[Snapshot.__tablename__]
    return [
        foreign_key.parent
        for other in Base.metadata.sorted_tables
        for foreign_key in other.foreign_keys
        if foreign_key.column.table is table
    ]
