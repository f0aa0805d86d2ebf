"""The loop that turns due moments into slots and runs.

It sleeps until shortly before the next moment, or until a task changes, and looks what will be due, so that nothing but
storing is left to do when the moment comes. A step stores, for each trigger that is due, its slots, their runs and the
trigger's next moment in one transaction: a crash leaves a moment either unhandled or handled, and the unique slot keeps
it from being handled twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, cast

import structlog
from sqlalchemy import BindParameter, Integer, RowMapping, Table, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.clock import Clock
from kumo.db.base import UtcDateTime
from kumo.db.changes import Subscription
from kumo.db.prepared import Prepared
from kumo.db.session import Database
from kumo.runs.models import Run
from kumo.runs.states import OPEN
from kumo.schedules.decisions import PUNCTUAL, Overlap, most_looked_at
from kumo.schedules.models import Slot
from kumo.schedules.reconciler import Reconciler, was_set_back
from kumo.schedules.service import RULE_COLUMNS, Rules, decide, make_slots
from kumo.schedules.uptimes import RENEWED_EVERY, Heartbeat, last_seen_at
from kumo.tasks.models import Task, TriggerRow
from kumo.tasks.triggers import due_between, from_settings

log = structlog.get_logger(__name__)

# The wall clock may be set while we sleep, and somebody wants to know that we live.
_LONGEST_SLEEP = RENEWED_EVERY
_RECONCILE_EVERY = timedelta(seconds=60)
_BATCH = 200
# Of those that come at one moment, so many are stored and started before the next ones: the first wait for few.
_FEW = 10
# Somebody holds what is due, for milliseconds.
_SHORTEST_SLEEP = timedelta(milliseconds=5)
# Long enough to find what is due; so short that it rarely changes meanwhile.
_LOOK_AHEAD = timedelta(milliseconds=20)

_triggers = cast(Table, TriggerRow.__table__)
_tasks = cast(Table, Task.__table__)
_slots = cast(Table, Slot.__table__)
_runs = cast(Table, Run.__table__)
_NOW = bindparam("b_now", type_=UtcDateTime)
_IDS: BindParameter[Any] = bindparam("b_ids", expanding=True)

_WITH_RULES = select(
    _triggers.c.id, _triggers.c.type, _triggers.c.settings, _triggers.c.next_due_at, *RULE_COLUMNS
).join(_tasks, _tasks.c.id == _triggers.c.task_id)
_DUE = (
    _WITH_RULES.where(_triggers.c.next_due_at <= _NOW)
    .order_by(_triggers.c.next_due_at, _tasks.c.priority.desc(), _triggers.c.id)
    .limit(bindparam("b_limit", type_=Integer))
)
_STILL = _WITH_RULES.where(_triggers.c.id.in_(_IDS), _triggers.c.next_due_at <= _NOW).with_for_update(of=_triggers)
_HOLD_TASKS = (
    select(_tasks.c.id)
    .where(_tasks.c.id.in_(_IDS))
    .order_by(_tasks.c.id)
    .with_for_update(key_share=True, skip_locked=True)
)
_OPEN_RUNS = select(_runs.c.id, _runs.c.task_id).where(_runs.c.task_id.in_(_IDS), _runs.c.state.in_(OPEN))
_HOLD_RUNS = _OPEN_RUNS.order_by(_runs.c.id).with_for_update(skip_locked=True)
_HANDLED = select(_slots.c.trigger_id, _slots.c.due_at).where(
    _slots.c.trigger_id.in_(_IDS),
    _slots.c.due_at >= bindparam("b_from", type_=UtcDateTime),
    _slots.c.due_at <= _NOW,
)
_MOVE_ON = Prepared(
    update(_triggers).where(_triggers.c.id == bindparam("b_id")).values(next_due_at=bindparam("b_next_due_at"))
)
_EARLIEST = select(func.min(_triggers.c.next_due_at))


Queueing = Callable[[], AbstractAsyncContextManager[AsyncSession]]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Due:
    """A trigger that is due, with the moments that have come and the next one: all that takes time to find out."""

    row: RowMapping
    rules: Rules
    moments: list[datetime]
    left_out: int
    next_due_at: datetime | None


class Scheduler:
    """Handles each trigger when its moment has come."""

    def __init__(self, database: Database, clock: Clock, queueing: Queueing | None = None) -> None:
        """`queueing` gives the transactions in which runs are queued: the supervisor's, which also start them."""
        self._database = database
        self._clock = clock
        self._queueing = queueing or database.write
        self._heartbeat = Heartbeat(database)
        self._reconciler = Reconciler(database)

    async def forever(self) -> None:
        """Handle what is due, sleep until the next moment, and so on until cancelled."""
        with self._database.changes.subscribe("schedule") as subscription:
            # The clock may have been set back while nobody was there to see it.
            thorough = await self._was_alive_after(self._clock())
            reconciled_at = (self._clock(), monotonic())
            try:
                while True:
                    now = self._clock()
                    await self._heartbeat.beat(now)
                    while await self.step(now) >= _BATCH:
                        now = self._clock()
                    passed = timedelta(seconds=monotonic() - reconciled_at[1])
                    thorough = thorough or was_set_back(now - reconciled_at[0], passed)
                    if thorough or passed >= _RECONCILE_EVERY:
                        await self._reconciler.step(now, thorough=thorough)
                        thorough, reconciled_at = False, (now, monotonic())
                    await self._wait(subscription)
            finally:
                # Only so that a down time is told exactly, where the server was told to end; it may be too late for it.
                with suppress(Exception):
                    await self._heartbeat.beat(self._clock(), at_once=True)

    async def step(self, now: datetime) -> int:
        """Handle one batch of triggers that are due, the longest due first, and say how many there were.

        1. Find what is due, and which moments have come; after a long time without Kumo that is much to compute, so it
           is done outside the transaction.
        2. In one transaction, see that nobody has changed these triggers meanwhile, store slots and runs, move on.
        """
        return await self._store(await self._find(now), now)

    async def _find(self, until: datetime) -> list[_Due]:
        async with self._database.read() as session:
            rows = (await session.execute(_DUE, {"b_now": until, "b_limit": _BATCH})).mappings().all()
        if rows and until - rows[0]["next_due_at"] > PUNCTUAL:
            return await asyncio.to_thread(_look_at, rows, until)
        return _look_at(rows, until)

    async def _store(self, found: Sequence[_Due], now: datetime) -> int:
        if not found:
            return 0
        async with self._queueing() as session:
            due = await _still_due(session, found, now, is_sqlite=self._database.is_sqlite)
            if due:
                await _handle(session, due, now)
        return len(due)

    async def _wait(self, subscription: Subscription) -> None:
        """Wait until a trigger changes, or for the next moment, and store what is due then.

        Whatever changes after it was found is left to the next step: `_still_due` does not let it through.
        """
        async with self._database.read() as session:
            next_due_at = await session.scalar(_EARLIEST)
        if next_due_at is None:
            await subscription.wait(_LONGEST_SLEEP.total_seconds())
            return
        if next_due_at <= self._clock():
            await subscription.wait(_SHORTEST_SLEEP.total_seconds())
            return
        early = next_due_at - _LOOK_AHEAD
        if await self._changed_before(early, subscription) or self._clock() < early:
            return
        found = await self._find(next_due_at)
        if await self._changed_before(next_due_at, subscription):
            return
        now = self._clock()
        if now >= next_due_at:
            for first in range(0, len(found), _FEW):
                await self._store(found[first : first + _FEW], now)

    async def _changed_before(self, moment: datetime, subscription: Subscription) -> bool:
        """Sleep until a moment, or as long as it is wise to; True as soon as a trigger changes."""
        left: timedelta = min(moment - self._clock(), _LONGEST_SLEEP)
        return left > timedelta() and bool(await subscription.wait(left.total_seconds()))

    async def _was_alive_after(self, now: datetime) -> bool:
        async with self._database.read() as session:
            seen_at = await last_seen_at(session)
        return seen_at is not None and seen_at > now


def _look_at(rows: Sequence[RowMapping], now: datetime) -> list[_Due]:
    found = []
    for row in rows:
        trigger = from_settings(row["type"], row["settings"], seed=row["id"])
        rules = Rules.of(row)
        moments: list[datetime] = []
        left_out = 0
        # A paused task makes no slots: that it is not due is what pausing means.
        if rules.active:
            most = most_looked_at(rules.catch_up, has_blackouts=bool(rules.blackouts))
            moments, left_out = due_between(trigger, row["next_due_at"], now, most)
        next_due_at = trigger.next_after(now)
        found.append(_Due(row=row, rules=rules, moments=moments, left_out=left_out, next_due_at=next_due_at))
    return found


async def _still_due(session: AsyncSession, found: Sequence[_Due], now: datetime, *, is_sqlite: bool) -> list[_Due]:
    """Those of the triggers that are as they were found, held until the transaction ends.

    On PostgreSQL whatever somebody else holds just now is left for the next step, so that the scheduler never waits
    while it holds something: whoever changes a task, or ends a run, may hold one and wait for the other.
    """
    if not is_sqlite:
        held = await _hold_tasks(session, {each.rules.task_id: each.rules for each in found})
        found = [each for each in found if each.rules.task_id in held]
    rows = (await session.execute(_STILL, {"b_ids": [each.row["id"] for each in found], "b_now": now})).mappings()
    present = {row["id"]: row for row in rows}
    return [each for each in found if present.get(each.row["id"]) == each.row]


async def _hold_tasks(session: AsyncSession, rules: dict[int, Rules]) -> Collection[int]:
    """Lock tasks, and the open runs that they may replace, as far as nobody else has."""
    held = set((await session.scalars(_HOLD_TASKS, {"b_ids": list(rules)})).all())
    if replacing := [task_id for task_id in held if rules[task_id].overlap is Overlap.REPLACE]:
        open_runs = (await session.execute(_OPEN_RUNS, {"b_ids": replacing})).all()
        free = set((await session.scalars(_HOLD_RUNS, {"b_ids": replacing})).all())
        held -= {task_id for run_id, task_id in open_runs if run_id not in free}
    return held


async def _handle(session: AsyncSession, due: Sequence[_Due], now: datetime) -> None:
    """Give every moment up to now its slot, and move the triggers on."""
    handled = await _handled(session, due, now)
    moments = [
        moment
        for each in due
        for moment in decide(
            each.rules,
            each.row["id"],
            [moment for moment in each.moments if (each.row["id"], moment) not in handled],
            now,
            left_out=each.left_out,
            first_at=each.row["next_due_at"],
        )
    ]
    # A run that is queued first goes first: the longest due, and then the higher priority.
    moments.sort(key=lambda moment: (moment.at, -moment.rules.priority, moment.trigger_id))
    await make_slots(session, moments, now)
    await _MOVE_ON.execute(session, [{"b_id": each.row["id"], "b_next_due_at": each.next_due_at} for each in due])


async def _handled(session: AsyncSession, due: Sequence[_Due], now: datetime) -> set[tuple[int, datetime]]:
    """Moments that have their slot already: the clock was set back, and the trigger changed or resumed after that."""
    values: dict[str, Any] = {
        "b_ids": [each.row["id"] for each in due],
        "b_from": min(each.row["next_due_at"] for each in due),
        "b_now": now,
    }
    return set((await session.execute(_HANDLED, values)).all())
