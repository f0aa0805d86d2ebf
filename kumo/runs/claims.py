"""Which queued runs start: the highest priority first, as far as there are places for them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Boolean, Integer, Table, and_, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.projects.models import Project
from kumo.runs.models import Run
from kumo.runs.moves import Claim, give_up, start
from kumo.runs.open_runs import COLUMNS, OpenRun
from kumo.runs.preparation import WAITS_FOR_BUILD, Impossible, Preparation, ProjectOfRun, Ready, Waits
from kumo.runs.states import ACTIVE, RunState
from kumo.runs.tally import Ended
from kumo.tasks.models import Pool

_LARGEST_BATCH = 500

# Written down once: SQLAlchemy spends more time on making a statement anew than the database on executing it.
_runs = cast(Table, Run.__table__)
_projects = cast(Table, Project.__table__)
_pools = cast(Table, Pool.__table__)
_GOING_OF_TASKS = (
    select(
        _runs.c.task_id,
        _runs.c.pool_id,
        func.count(),
        func.max(_runs.c.max_parallel),
        func.coalesce(func.max(_pools.c.slots), 0),
    )
    .outerjoin(_pools, _pools.c.id == _runs.c.pool_id)
    .where(_runs.c.state.in_(ACTIVE))
    .group_by(_runs.c.task_id, _runs.c.pool_id)
)
_NOTE_REASON = update(_runs).where(_runs.c.id == bindparam("b_id")).values(reason=bindparam("b_reason"))
_NEXT = (
    select(*COLUMNS, _projects.c.name, _projects.c.output_dir, _pools.c.name, _pools.c.slots)
    .join(_projects, _projects.c.id == _runs.c.project_id)
    .outerjoin(_pools, _pools.c.id == _runs.c.pool_id)
    .where(
        _runs.c.state == RunState.QUEUED,
        or_(
            bindparam("b_look_at_all", type_=Boolean),
            and_(
                _runs.c.reason.is_distinct_from(WAITS_FOR_BUILD),
                _runs.c.task_id.not_in(bindparam("b_full_tasks", expanding=True)),
                func.coalesce(_runs.c.pool_id, 0).not_in(bindparam("b_full_pools", expanding=True)),
            ),
        ),
    )
    .order_by(_runs.c.priority.desc(), _runs.c.id)
    .limit(bindparam("b_limit", type_=Integer))
    # Whoever holds one just now is stopping it, or it has its turn in the next round: nobody waits here.
    .with_for_update(of=_runs, skip_locked=True)
)


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A claimed run on its way to a runner."""

    run: OpenRun
    project: ProjectOfRun
    ready: Ready

    def to_claim(self) -> Claim:
        """What is stored of it."""
        ready = self.ready
        return Claim(
            run=self.run,
            build_id=ready.build_id,
            interpreter=str(ready.interpreter),
            variable_versions=ready.variables.versions,
        )


@dataclass(kw_only=True)
class Claimed:
    """What has come of one look at the queue."""

    launches: list[Launch] = field(default_factory=list)
    ends: list[Ended] = field(default_factory=list)  # of runs that cannot be started at all
    unknown: list[OpenRun] = field(default_factory=list)  # to be learnt about first


@dataclass(kw_only=True)
class _Places:
    """Who holds a place now, while claims are made."""

    free: int
    of_task: Counter[int] = field(default_factory=Counter)
    of_pool: Counter[int] = field(default_factory=Counter)
    # As many of their runs are going as may.
    full_tasks: list[int] = field(default_factory=list)
    full_pools: list[int] = field(default_factory=list)

    def wait_for(self, run: OpenRun, pool_name: str | None, pool_slots: int | None) -> str | None:
        """What keeps the run from starting; None when it may."""
        if run.max_parallel is not None and self.of_task[run.task_id] >= run.max_parallel:
            return "Waits for an earlier run of the same task to end."
        if run.pool_id is not None and pool_slots is not None and self.of_pool[run.pool_id] >= pool_slots:
            return f"Waits for a free slot of the pool {pool_name!r}."
        if self.free <= 0:
            return "Waits for a free place; as many runs are going as this machine may run at once."
        return None

    def count(self, task_id: int, pool_id: int | None, runs: int = 1) -> None:
        """Give some places away."""
        self.free -= runs
        self.of_task[task_id] += runs
        if pool_id is not None:
            self.of_pool[pool_id] += runs


async def claim_queued(
    session: AsyncSession, preparation: Preparation, now: datetime, *, most: int, look_at_all: bool
) -> Claimed:
    """Move queued runs to starting, as far as no more than `most` of all runs go.

    No more are looked at than there are places, and none that is known to wait for something else; a look at all
    finds out what runs wait for. A run of which too little is known yet stays in the queue, and is noted as
    unknown: finding out is too slow for a transaction.
    """
    claimed = Claimed()
    places = await _places(session, most)
    if not look_at_all and places.free <= 0:
        return claimed
    values = {
        "b_limit": _LARGEST_BATCH if look_at_all else min(places.free, _LARGEST_BATCH),
        "b_look_at_all": look_at_all,
        "b_full_tasks": places.full_tasks,
        "b_full_pools": places.full_pools,
    }
    reasons: list[dict[str, Any]] = []
    for *columns, project_name, output_dir, pool_name, pool_slots in (await session.execute(_NEXT, values)).all():
        run = OpenRun._make(columns)
        reason = places.wait_for(run, pool_name, pool_slots)
        if reason is None:
            if not preparation.knows(run):
                claimed.unknown.append(run)
                continue
            match await preparation.prepare(session, run, now):
                case Ready() as ready:
                    places.count(run.task_id, run.pool_id)
                    project = ProjectOfRun(name=project_name, output_dir=output_dir)
                    claimed.launches.append(Launch(run=run, project=project, ready=ready))
                    continue
                case Impossible() as impossible:
                    claimed.ends += await give_up(session, run, RunState.QUEUED, impossible.reason, now)
                    continue
                case Waits() as waits:
                    reason = waits.reason
        if reason != run.reason and (look_at_all or reason == WAITS_FOR_BUILD):
            reasons.append({"b_id": run.id, "b_reason": reason})
            announce(session, "run", run.id)
    if reasons:
        await session.execute(_NOTE_REASON, reasons)
    await start(session, [launch.to_claim() for launch in claimed.launches])
    return claimed


async def _places(session: AsyncSession, most: int) -> _Places:
    places = _Places(free=most)
    for task_id, pool_id, going, max_parallel, slots in await session.execute(_GOING_OF_TASKS):
        places.count(task_id, pool_id, going)
        if max_parallel is not None and places.of_task[task_id] >= max_parallel:
            places.full_tasks.append(task_id)
        if pool_id is not None and places.of_pool[pool_id] >= slots:
            places.full_pools.append(pool_id)
    return places
