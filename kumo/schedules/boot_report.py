"""What the last down time did: which moments were missed, and which are caught up. Read from the ledger."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Integer, Table, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.runs.models import Run
from kumo.runs.service import move_run
from kumo.runs.states import RunState
from kumo.runs.tally import Ended, note_ends
from kumo.schedules.decisions import DownTime, Skip
from kumo.schedules.models import Slot
from kumo.schedules.uptimes import last_down_time
from kumo.tasks.models import Task

# What was missed is handled at once after the start; a hundred thousand triggers may take minutes.
_HANDLED_WITHIN = timedelta(minutes=15)

_slots = cast(Table, Slot.__table__)
_NEXT_SLOT = (
    select(_slots.c.id, _slots.c.created_at)
    .where(_slots.c.id >= bindparam("b_id", type_=Integer))
    .order_by(_slots.c.id)
    .limit(1)
)


@dataclass(kw_only=True)
class TaskReport:
    """What a down time did to one task."""

    task_id: int
    task_name: str
    missed: int = 0
    caught_up: int = 0
    run_ids: list[int] = field(default_factory=list)
    queued_run_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class BootReport:
    """What the last down time did; no time where there was none yet."""

    down: DownTime | None
    tasks: list[TaskReport]


async def boot_report(session: AsyncSession) -> BootReport:
    """What the last down time did to each task, the most missed first."""
    down = await last_down_time(session)
    if down is None:
        return BootReport(down=None, tasks=[])
    tasks: dict[int, TaskReport] = {}
    for row in await _handled_late(session, down):
        task = tasks.setdefault(row.task_id, TaskReport(task_id=row.task_id, task_name=row.name))
        if row.reason == Skip.MISSED:
            task.missed += row.moments
        elif row.outcome == "run":
            task.caught_up += 1
            if row.run_id is not None:
                task.run_ids.append(row.run_id)
            if row.state == RunState.QUEUED:
                task.queued_run_ids.append(row.run_id)
    affected = [task for task in tasks.values() if task.missed or task.caught_up]
    return BootReport(
        down=down, tasks=sorted(affected, key=lambda task: (-task.missed, -task.caught_up, task.task_name))
    )


async def purge(session: AsyncSession, task_ids: Collection[int] | None, *, actor: str, now: datetime) -> list[int]:
    """Stop the runs that are caught up and still wait in the queue, of some tasks or all, and say which."""
    report = await boot_report(session)
    wanted = [task for task in report.tasks if task_ids is None or task.task_id in task_ids]
    stopped: list[int] = []
    ends: list[Ended] = []
    reason = f"Caught up after the server was down, and taken out of the queue by {actor}."
    for run_id in sorted(run_id for task in wanted for run_id in task.queued_run_ids):
        run = await session.get(Run, run_id)
        if run is not None and await move_run(
            session, run_id, RunState.QUEUED, RunState.STOPPED, ended_at=now, reason=reason
        ):
            stopped.append(run_id)
            ends.append(Ended.of(run, RunState.STOPPED, now))
            announce(session, "run", run_id)
    await note_ends(session, ends)
    return stopped


async def _handled_late(session: AsyncSession, down: DownTime) -> Sequence[Any]:
    """The slots of moments that came while the server was down.

    Found by their ids, which grow with the time: the cost does not grow with the history, nor with the tasks.
    """
    first = await _first_slot_since(session, down.end_at)
    if first is None:
        return []
    after = await _first_slot_since(session, down.end_at + _HANDLED_WITHIN)
    query = (
        select(Slot.task_id, Task.name, Slot.outcome, Slot.reason, Slot.count.label("moments"), Slot.run_id, Run.state)
        .join(Task, Task.id == Slot.task_id)
        .outerjoin(Run, Run.id == Slot.run_id)
        .where(Slot.id >= first, Slot.due_at <= down.end_at)
        .order_by(Slot.id)
    )
    return (await session.execute(query if after is None else query.where(Slot.id < after))).all()


async def _first_slot_since(session: AsyncSession, moment: datetime) -> int | None:
    """The id of the first slot that was stored at or after a moment, by halving."""
    last = await session.scalar(select(func.max(_slots.c.id)))
    low, high = 1, (last or 0) + 1
    while low < high:
        middle = (low + high) // 2
        row = (await session.execute(_NEXT_SLOT, {"b_id": middle})).first()
        if row is None or row.created_at >= moment:
            high = middle
        else:
            low = row.id + 1
    found: int | None = await session.scalar(select(func.min(_slots.c.id)).where(_slots.c.id >= low))
    return found
