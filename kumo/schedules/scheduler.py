"""The loop that turns due moments into slots and runs.

It sleeps until the next moment, or until a task changes. A step stores, for each trigger that is due, its slots, their
runs and the trigger's next moment in one transaction: a crash leaves a moment either unhandled or handled, and the
unique slot keeps it from being handled twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.clock import Clock
from kumo.db.changes import announce
from kumo.db.session import Database
from kumo.errors import Conflict
from kumo.runs.service import Cause, count_open, request_run
from kumo.schedules.decisions import MOST_CAUGHT_UP, CatchUp, Due, Plan, Skip, plan
from kumo.schedules.models import Slot
from kumo.tasks.models import Task, TriggerRow
from kumo.tasks.triggers import due_between, from_settings

log = structlog.get_logger(__name__)

_LONGEST_SLEEP = timedelta(seconds=60)  # the wall clock may be set while we sleep
_BATCH = 200


class Scheduler:
    """Handles each trigger when its moment has come."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def forever(self) -> None:
        """Handle what is due, sleep until the next moment, and so on until cancelled."""
        with self._database.changes.subscribe("schedule") as subscription:
            while True:
                now = self._clock()
                while await self.step(now):
                    now = self._clock()
                await subscription.wait(await self._seconds_to_sleep())

    async def step(self, now: datetime) -> int:
        """Handle one batch of triggers that are due, the longest due first, and say how many there were."""
        async with self._database.read() as session:
            if await session.scalar(select(TriggerRow.id).where(TriggerRow.next_due_at <= now).limit(1)) is None:
                return 0
        async with self._database.write() as session:
            rows = await session.execute(
                select(TriggerRow, Task)
                .join(Task, Task.id == TriggerRow.task_id)
                .where(TriggerRow.next_due_at <= now)
                .order_by(TriggerRow.next_due_at, Task.priority.desc(), TriggerRow.id)
                .limit(_BATCH)
                .with_for_update(of=TriggerRow)
            )
            due = rows.all()
            for trigger, task in due:
                await self._handle(session, trigger, task, now)
        return len(due)

    async def _handle(self, session: AsyncSession, row: TriggerRow, task: Task, now: datetime) -> None:
        """Give every moment of one trigger up to now its slot, and move the trigger on."""
        trigger = from_settings(row.type, row.settings)
        assert row.next_due_at is not None
        if task.active:
            moments, left_out = due_between(trigger, row.next_due_at, now, MOST_CAUGHT_UP)
            decided = plan(
                moments,
                left_out,
                catch_up=CatchUp(task.catch_up),
                window=timedelta(seconds=task.catch_up_window_seconds),
                now=now,
            )
            await self._fill(session, row, task, decided, now)
        # A paused task makes no slots: that it is not due is what pausing means.
        row.next_due_at = trigger.next_after(now)

    async def _fill(self, session: AsyncSession, row: TriggerRow, task: Task, decided: Plan, now: datetime) -> None:
        first_missed = row.next_due_at
        missed = decided.missed_before
        for due in decided.due:
            if not due.run:
                missed += 1
                continue
            await self._run_or_skip(session, row, task, due, now)
        if missed:
            missed_moments = [due.at for due in decided.due if not due.run]
            last = missed_moments[-1] if missed_moments else decided.due[0].at
            first = first_missed if decided.missed_before else missed_moments[0]
            assert first is not None
            session.add(_slot(row, last, now, first_due_at=first, count=missed, reason=Skip.MISSED))
            log.warning("slots were missed", task_id=task.id, trigger_id=row.id, count=missed)

    async def _run_or_skip(self, session: AsyncSession, row: TriggerRow, task: Task, due: Due, now: datetime) -> None:
        if task.overlap == "skip" and await count_open(session, task.id) >= task.max_parallel:
            session.add(_slot(row, due.at, now, reason=Skip.OVERLAP))
            announce(session, "task", task.id)
            return
        try:
            run = await request_run(session, task, Cause(type="slot", trigger_id=row.id, due_at=due.at), now)
        except Conflict:
            session.add(_slot(row, due.at, now, reason=Skip.NO_FILES))
            return
        session.add(_slot(row, due.at, now, run_id=run.id))

    async def _seconds_to_sleep(self) -> float:
        async with self._database.read() as session:
            next_due_at = await session.scalar(select(func.min(TriggerRow.next_due_at)))
        if next_due_at is None:
            return _LONGEST_SLEEP.total_seconds()
        left: timedelta = next_due_at - self._clock()
        return min(max(left, timedelta(0)), _LONGEST_SLEEP).total_seconds()


def _slot(  # noqa: PLR0913 - the ledger's columns
    row: TriggerRow,
    due_at: datetime,
    now: datetime,
    *,
    first_due_at: datetime | None = None,
    count: int = 1,
    reason: Skip | None = None,
    run_id: int | None = None,
) -> Slot:
    return Slot(
        task_id=row.task_id,
        trigger_id=row.id,
        due_at=due_at,
        first_due_at=first_due_at or due_at,
        count=count,
        outcome="run" if run_id is not None else "skipped",
        reason=reason,
        run_id=run_id,
        created_at=now,
    )
