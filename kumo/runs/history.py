"""What runs have to do with the states of projects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.errors import Conflict
from kumo.projects.models import Project, Snapshot
from kumo.projects.trash import IN_TRASH
from kumo.runs.models import Run
from kumo.runs.states import OPEN

MOST_COUNTED = 1000  # counting further would take longer the more runs there are


class StillRunning(Conflict):
    """A run of the project goes, and would lose what it works with."""

    def __init__(self, project_name: str, run_id: int) -> None:
        super().__init__(f"Run {run_id} of project {project_name!r} is not over. Stop it or wait, then purge again.")


async def run_counts(session: AsyncSession, snapshot_ids: Sequence[int]) -> dict[int, int]:
    """How many runs each of these states has had; `MOST_COUNTED` also where there are more."""
    counts = {}
    for snapshot_id in snapshot_ids:
        first = select(Run.id).where(Run.snapshot_id == snapshot_id).limit(MOST_COUNTED).subquery()
        counts[snapshot_id] = await session.scalar(select(func.count()).select_from(first)) or 0
    return counts


async def open_run(session: AsyncSession, project_id: int) -> int | None:
    """A run of a project that is not over, if there is one."""
    return await session.scalar(select(Run.id).where(Run.state.in_(OPEN), Run.project_id == project_id).limit(1))


async def to_purge(session: AsyncSession, deleted_before: datetime) -> Sequence[int]:
    """The projects that have been in the trash for long enough, and have no run that is not over."""
    going = select(Run.id).where(Run.state.in_(OPEN), Run.project_id == Project.id).exists()
    query = select(Project.id).where(*IN_TRASH, Project.deleted_at < deleted_before, ~going)
    return (await session.scalars(query)).all()


async def has_open_run(session: AsyncSession, tree_hash: str) -> bool:
    """Whether a run that is not over works in this state, or is about to."""
    of_tree = select(Snapshot.id).where(Snapshot.tree_hash == tree_hash)
    going = select(Run.id).where(Run.state.in_(OPEN), Run.snapshot_id.in_(of_tree))
    return await session.scalar(going.limit(1)) is not None


async def needs_directory(session: AsyncSession, tree_hash: str, used_since: datetime) -> bool:
    """Whether a living project is in this state, a run that is not over works in it, or one has lately."""
    of_tree = select(Snapshot.id).where(Snapshot.tree_hash == tree_hash)
    present = select(Project.id).where(Project.deleted_at.is_(None), Project.snapshot_id.in_(of_tree))
    if await session.scalar(present.limit(1)) is not None:
        return True
    if await has_open_run(session, tree_hash):
        return True
    last = select(func.max(Run.id)).where(Run.snapshot_id == Snapshot.id).correlate(Snapshot).scalar_subquery()
    lately = (
        select(Run.id)
        .join(Snapshot, and_(Snapshot.tree_hash == tree_hash, Run.id == last))
        .where(or_(Run.ended_at >= used_since, Run.queued_at >= used_since))
    )
    return await session.scalar(lately.limit(1)) is not None
