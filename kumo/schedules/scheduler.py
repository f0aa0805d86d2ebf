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
            due = await _due_triggers(session, now)
            handled = await _handled(session, due, now)
            for trigger, task in due:
                await self._handle(session, trigger, task, handled, now)
        return len(due)

    async def _handle(
        self, session: AsyncSession, row: TriggerRow, task: Task, handled: set[tuple[int, datetime]], now: datetime
    ) -> None:
        """Give every moment of one trigger up to now its slot, and move the trigger on."""
        trigger = from_settings(row.type, row.settings, seed=row.id)
        assert row.next_due_at is not None
        if task.active:
            # One more than can run, so that a gap that is too long has a moment to be told by.
            moments, left_out = due_between(trigger, row.next_due_at, now, MOST_CAUGHT_UP + 1)
            decided = plan(
                [moment for moment in moments if (row.id, moment) not in handled],
                left_out,
                catch_up=CatchUp(task.catch_up),
                window=timedelta(seconds=task.catch_up_window_seconds),
                now=now,
            )
            await self._fill(session, row, task, decided, now)
        # A paused task makes no slots: that it is not due is what pausing means.
        row.next_due_at = trigger.next_after(now)

    async def _fill(self, session: AsyncSession, row: TriggerRow, task: Task, decided: Plan, now: datetime) -> None:
        for due in decided.due:
            if due.run:
                await self._run_or_skip(session, row, task, due, now)
        missed = [due.at for due in decided.due if not due.run]
        if missed:
            first = row.next_due_at if decided.missed_before else missed[0]
            count = decided.missed_before + len(missed)
            session.add(_slot(row, missed[-1], now, first_due_at=first, count=count, reason=Skip.MISSED))
            log.warning("slots were missed", task_id=task.id, trigger_id=row.id, count=count)

    async def _run_or_skip(self, session: AsyncSession, row: TriggerRow, task: Task, due: Due, now: datetime) -> None:
        if task.overlap == "skip" and await count_open(session, task.id) >= task.max_parallel:
            session.add(_slot(row, due.at, now, reason=Skip.OVERLAP))
            announce(session, "task", task.id)
            return
        try:
            run = await request_run(session, task.id, Cause(type="slot", trigger_id=row.id, due_at=due.at), now)
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


async def _due_triggers(session: AsyncSession, now: datetime) -> list[tuple[TriggerRow, Task]]:
    """One batch of triggers that are due, with their tasks, the longest due first.

    On PostgreSQL tasks are locked before triggers, and in the order of their ids: whoever changes a task does likewise,
    and would else wait for us while we wait for them.
    """
    found = await session.execute(
        select(TriggerRow.id, TriggerRow.task_id)
        .join(Task, Task.id == TriggerRow.task_id)
        .where(TriggerRow.next_due_at <= now)
        .order_by(TriggerRow.next_due_at, Task.priority.desc(), TriggerRow.id)
        .limit(_BATCH)
    )
    task_of = dict(found.all())
    tasks = await session.scalars(
        select(Task).where(Task.id.in_(set(task_of.values()))).order_by(Task.id).with_for_update(key_share=True)
    )
    task_by_id = {task.id: task for task in tasks}
    triggers = await session.scalars(
        select(TriggerRow).where(TriggerRow.id.in_(task_of), TriggerRow.next_due_at <= now).with_for_update()
    )
    trigger_by_id = {trigger.id: trigger for trigger in triggers}
    return [
        (trigger_by_id[trigger_id], task_by_id[task_id])
        for trigger_id, task_id in task_of.items()
        if trigger_id in trigger_by_id
    ]


async def _handled(
    session: AsyncSession, due: list[tuple[TriggerRow, Task]], now: datetime
) -> set[tuple[int, datetime]]:
    """Moments that have their slot already: the clock was set back, and the trigger changed or resumed after that."""
    if not due:
        return set()
    earliest = min(trigger.next_due_at for trigger, _ in due if trigger.next_due_at is not None)
    rows = await session.execute(
        select(Slot.trigger_id, Slot.due_at).where(
            Slot.trigger_id.in_([trigger.id for trigger, _ in due]), Slot.due_at >= earliest, Slot.due_at <= now
        )
    )
    return {(trigger_id, due_at) for trigger_id, due_at in rows}


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
