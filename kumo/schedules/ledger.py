"""Reads the ledger of a task: its slots, and what they say together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Table, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.runs.models import Run
from kumo.schedules.decisions import PUNCTUAL, DownTime, Skip
from kumo.schedules.models import IS_GAP, Slot
from kumo.schedules.summary import Cadence, Tally, cadence, counted_within
from kumo.schedules.uptimes import down_times
from kumo.tasks import service as tasks
from kumo.tasks.models import TriggerRow
from kumo.tasks.time_zones import zone
from kumo.tasks.trigger_rows import trigger_of
from kumo.tasks.triggers import CLOCK_TYPES, Cron, due_between

LONGEST_SUMMARY = timedelta(days=31)
_MOST_MOMENTS = 200
_TICK = timedelta(microseconds=1)

_slots = cast(Table, Slot.__table__)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What became of the moments of a time."""

    tally: Tally
    down: list[DownTime]
    cadence: Cadence
    where: ZoneInfo


async def page_of_slots(  # noqa: PLR0913 - which part of the ledger
    session: AsyncSession,
    task_id: int,
    *,
    begin: datetime | None,
    end: datetime | None,
    before: tuple[datetime, int] | None,
    limit: int,
    reasons: Collection[Skip | None] | None = None,
) -> Sequence[Slot]:
    """The slots due in [begin, end) and before another one, the latest first; one more than the limit, if there is.

    Of all, or of those skipped for some reasons; None among the reasons stands for those that ran. Each reason is
    looked for by itself, along its index: however rare it is, nothing else is read.
    """
    conditions: list[ColumnElement[bool]] = [Slot.task_id == task_id]
    if begin is not None:
        conditions.append(Slot.due_at >= begin)
    if end is not None:
        conditions.append(Slot.due_at < end)
    if before is not None:
        due_at, slot_id = before
        conditions += [Slot.due_at <= due_at, or_(Slot.due_at < due_at, Slot.id < slot_id)]
    latest_first = (Slot.due_at.desc(), Slot.id.desc())
    if reasons is None:
        return (await session.scalars(select(Slot).where(*conditions).order_by(*latest_first).limit(limit + 1))).all()
    found: list[Slot] = []
    for reason in reasons:
        # Ordered by the reason too, though it is always the same: PostgreSQL would not see in "IS NULL" that the index
        # has the order that is asked for.
        query = select(Slot).where(*conditions, Slot.reason == reason).order_by(Slot.reason.desc(), *latest_first)
        found += await session.scalars(query.limit(limit + 1))
    return sorted(found, key=lambda slot: (slot.due_at, slot.id), reverse=True)[: limit + 1]


async def down_times_of(session: AsyncSession, slots: Sequence[Slot]) -> dict[int, list[DownTime]]:
    """For each slot that was missed the times when the server was down."""
    missed = [slot for slot in slots if slot.reason == Skip.MISSED]
    if not missed:
        return {}
    first, last = min(slot.first_due_at for slot in missed), max(slot.due_at for slot in missed)
    down = await down_times(session, first, last)
    return {slot.id: [each for each in down if each.touches(slot.first_due_at, slot.due_at)] for slot in missed}


async def summarise(session: AsyncSession, task_id: int, begin: datetime, end: datetime) -> Summary:
    """What became of the moments in [begin, end)."""
    rows = (await tasks.triggers_of(session, [task_id]))[task_id]
    return Summary(
        tally=await _tally(session, task_id, begin, end),
        down=await _down(session, task_id, begin, end),
        cadence=cadence(_due(rows, begin, end), await _starts(session, task_id, begin, end)),
        where=next((zone(each.timezone) for each in map(trigger_of, rows) if isinstance(each, Cron)), zone("UTC")),
    )


async def _tally(session: AsyncSession, task_id: int, begin: datetime, end: datetime) -> Tally:
    tally = Tally()
    for reason in (None, *Skip):
        rows = await session.scalar(
            select(func.count())
            .select_from(_slots)
            .where(
                _slots.c.task_id == task_id,
                _slots.c.reason == reason,
                _slots.c.due_at >= begin,
                _slots.c.due_at < end,
            )
        )
        tally.count(reason, rows or 0)
    # Each row counts as one so far. A gap is many moments, and may reach over either end: how far beyond the later one
    # is looked for no further than a summary is long.
    gaps = await session.execute(
        select(_slots.c.reason, _slots.c.first_due_at, _slots.c.due_at, _slots.c.count).where(
            _slots.c.task_id == task_id,
            IS_GAP,
            _slots.c.due_at >= begin,
            _slots.c.due_at < end + LONGEST_SUMMARY,
            _slots.c.first_due_at < end,
        )
    )
    for reason, first, last, count in gaps.all():
        is_counted = begin <= last < end
        tally.count(reason, counted_within(first, last, int(count), begin, end) - is_counted)
    return tally


async def _down(session: AsyncSession, task_id: int, begin: datetime, end: datetime) -> list[DownTime]:
    """The times when the server was down, as far as something was missed in them."""
    gaps = await session.execute(
        select(_slots.c.first_due_at, _slots.c.due_at).where(
            _slots.c.task_id == task_id,
            _slots.c.due_at >= begin,
            _slots.c.due_at < end,
            _slots.c.reason == Skip.MISSED,
        )
    )
    missed = [(first, last) for first, last in gaps.all()]
    if not missed:
        return []
    down = await down_times(session, min(first for first, _ in missed), max(last for _, last in missed))
    return [each for each in down if any(each.touches(first, last) for first, last in missed)]


async def _starts(session: AsyncSession, task_id: int, begin: datetime, end: datetime) -> Sequence[datetime]:
    """When runs of the clock's slots began, the latest of them.

    Without those that are caught up: they begin all together when the server is back.
    """
    query = (
        select(Run.started_at, Slot.due_at, Slot.created_at)
        .join(Slot, Slot.run_id == Run.id)
        .where(
            Slot.task_id == task_id,
            Slot.reason.is_(None),  # so that what was skipped is not read
            Slot.due_at >= begin,
            Slot.due_at < end,
            Run.cause_type == "slot",
            Run.started_at.is_not(None),
        )
        .order_by(Slot.reason.desc(), Slot.due_at.desc())
        .limit(_MOST_MOMENTS)
    )
    rows = (await session.execute(query)).all()
    return [started_at for started_at, due_at, stored_at in rows if started_at and stored_at - due_at <= PUNCTUAL]


def _due(rows: Sequence[TriggerRow], begin: datetime, end: datetime) -> list[datetime]:
    """The latest moments of all clock triggers in [begin, end), as the triggers are now."""
    found: set[datetime] = set()
    listed_from = begin
    for row in rows:
        if row.type not in CLOCK_TYPES:
            continue
        trigger = trigger_of(row)
        first = trigger.next_after(begin - _TICK)
        if first is None or first >= end:
            continue
        moments, left_out = due_between(trigger, first, end - _TICK, _MOST_MOMENTS)
        found.update(moments)
        if left_out:
            listed_from = max(listed_from, moments[0])
    return sorted(moment for moment in found if moment >= listed_from)
