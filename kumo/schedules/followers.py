"""Slots of triggers that follow the runs of other tasks, made in the transaction that ends these runs.

The rules are those of every slot: a paused task makes none, blackouts and overlap count, and an end that became known
late, because the server was down, is caught up as the following task says.

A run that a person stopped before it began is no end that anybody follows: nothing has happened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import BindParameter, RowMapping, Table, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.base import UtcDateTime
from kumo.runs.states import FAILURES, RunState
from kumo.runs.tally import Ended
from kumo.schedules.models import Slot
from kumo.schedules.service import RULE_COLUMNS, Moment, Rules, decide, make_slots
from kumo.tasks.models import Task, TriggerRow
from kumo.tasks.triggers import Outcome

_triggers = cast(Table, TriggerRow.__table__)
_tasks = cast(Table, Task.__table__)
_slots = cast(Table, Slot.__table__)
_IDS: BindParameter[Any] = bindparam("b_ids", expanding=True)

# Asked whenever runs end; most tasks are followed by none.
_FOLLOWERS = select(_triggers.c.task_id).where(_triggers.c.upstream_task_id.in_(_IDS))
_HOLD_TASKS = select(_tasks.c.id).where(_tasks.c.id.in_(_IDS)).order_by(_tasks.c.id).with_for_update(key_share=True)
_FOLLOWING = (
    select(_triggers.c.id, _triggers.c.upstream_task_id, _triggers.c.settings, *RULE_COLUMNS)
    .join(_tasks, _tasks.c.id == _triggers.c.task_id)
    .where(_triggers.c.upstream_task_id.in_(_IDS), _tasks.c.active)
    .order_by(_triggers.c.id)
)
_TAKEN = select(_slots.c.trigger_id, _slots.c.due_at).where(
    _slots.c.trigger_id.in_(_IDS),
    _slots.c.due_at >= bindparam("b_from", type_=UtcDateTime),
    _slots.c.due_at <= bindparam("b_to", type_=UtcDateTime),
)
_TICK = timedelta(microseconds=1)
_FAR = timedelta(milliseconds=10)


async def follow(session: AsyncSession, ends: Sequence[Ended], now: datetime) -> None:
    """Make the slots, and the runs, of all triggers that follow these ends of runs."""
    upstream = list({end.task_id for end in ends})
    followers = (await session.scalars(_FOLLOWERS, {"b_ids": upstream})).all()
    if not followers:
        return
    # Held, so that nobody else adds runs to them between the look at those that are open and ours.
    await session.execute(_HOLD_TASKS, {"b_ids": list(set(followers))})
    rows = (await session.execute(_FOLLOWING, {"b_ids": upstream})).mappings().all()
    moments_of = _moments(rows, ends)
    taken = await _taken(session, moments_of)
    moments: list[Moment] = []
    for row in rows:
        own = _told_apart(row["id"], moments_of[row["id"]], taken)
        moments += decide(Rules.of(row), row["id"], own, now, cause="after")
    moments.sort(key=lambda moment: (moment.at, -moment.rules.priority, moment.trigger_id))
    await make_slots(session, moments, now)


def counts(on: Outcome, state: RunState) -> bool:
    """Whether an end in this state is one that the trigger waits for."""
    if on == "end":
        return True
    return state in FAILURES if on == "failure" else state is RunState.SUCCEEDED


def _moments(rows: Sequence[RowMapping], ends: Sequence[Ended]) -> Mapping[int, list[datetime]]:
    found: dict[int, list[datetime]] = defaultdict(list)
    for row in rows:
        for end in ends:
            if end.task_id == row["upstream_task_id"] and counts(row["settings"]["on"], end.state):
                found[row["id"]].append(end.at)
    return found


async def _taken(session: AsyncSession, moments_of: Mapping[int, Sequence[datetime]]) -> set[tuple[int, datetime]]:
    moments = {moment for moments in moments_of.values() for moment in moments}
    if not moments:
        return set()
    # Some further than the last: a slot that is moved apart must not meet one that was moved earlier.
    values = {"b_ids": list(moments_of), "b_from": min(moments), "b_to": max(moments) + _FAR}
    return set((await session.execute(_TAKEN, values)).all())


def _told_apart(
    trigger_id: int, moments: Sequence[datetime], taken: Collection[tuple[int, datetime]]
) -> list[datetime]:
    """The moments in order, those of runs that ended in the same microsecond moved apart: each end has its slot."""
    found: set[datetime] = set()
    for moment in sorted(moments):
        free = moment
        while free in found or (trigger_id, free) in taken:
            free += _TICK
        found.add(free)
    return sorted(found)
