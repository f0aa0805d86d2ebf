"""Reads the ledger of a task: its slots, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Table, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.runs.models import Run
from kumo.schedules.decisions import DownTime, Skip
from kumo.schedules.models import Slot
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
) -> Sequence[Slot]:
    """The slots due in [begin, end) and before another one, the latest first; one more than the limit, if there is."""
    conditions: list[ColumnElement[bool]] = [Slot.task_id == task_id]
    if begin is not None:
        conditions.append(Slot.due_at >= begin)
    if end is not None:
        conditions.append(Slot.due_at < end)
    if before is not None:
        due_at, slot_id = before
        conditions += [Slot.due_at <= due_at, or_(Slot.due_at < due_at, Slot.id < slot_id)]
    query = select(Slot).where(*conditions).order_by(Slot.due_at.desc(), Slot.id.desc()).limit(limit + 1)
    return (await session.scalars(query)).all()


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
    inside = await session.execute(
        select(_slots.c.reason, func.sum(_slots.c.count))
        .where(
            _slots.c.task_id == task_id,
            _slots.c.due_at >= begin,
            _slots.c.due_at < end,
            _slots.c.first_due_at >= begin,
        )
        .group_by(_slots.c.reason)
    )
    for reason, count in inside.all():
        tally.count(reason, int(count))
    # A gap that is one row may reach over either end. Looked for no further ahead than a summary is long.
    crossing = await session.execute(
        select(_slots.c.reason, _slots.c.first_due_at, _slots.c.due_at, _slots.c.count).where(
            _slots.c.task_id == task_id,
            _slots.c.count > 1,
            _slots.c.due_at < end + LONGEST_SUMMARY,
            or_(
                and_(_slots.c.due_at >= begin, _slots.c.first_due_at < begin),
                and_(_slots.c.due_at >= end, _slots.c.first_due_at < end),
            ),
            _slots.c.due_at >= begin,
        )
    )
    for reason, first, last, count in crossing.all():
        tally.count(reason, counted_within(first, last, int(count), begin, end))
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
    """When runs of the clock's slots began, the latest of them."""
    query = (
        select(Run.started_at)
        .join(Slot, Slot.run_id == Run.id)
        .where(
            Slot.task_id == task_id,
            Slot.due_at >= begin,
            Slot.due_at < end,
            Run.cause_type == "slot",
            Run.started_at.is_not(None),
        )
        .order_by(Slot.due_at.desc())
        .limit(_MOST_MOMENTS)
    )
    return [started_at for started_at in await session.scalars(query) if started_at is not None]


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
