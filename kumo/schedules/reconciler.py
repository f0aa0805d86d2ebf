"""Sees that every trigger that should come due will: an active task whose trigger waits for nothing would be silent.

The scheduler moves a trigger on in the same transaction that handles its moment, so this finds nothing, unless
somebody has changed the database by hand, or the clock was set far back: then triggers wait for moments that lie
further ahead than their next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import BindParameter, Integer, RowMapping, Table, bindparam, select, update

from kumo.db.base import UtcDateTime
from kumo.db.changes import announce
from kumo.db.session import Database
from kumo.schedules.decisions import rearmed
from kumo.tasks.models import Task, TriggerRow
from kumo.tasks.triggers import CLOCK_TYPES, from_settings

log = structlog.get_logger(__name__)

_PAGE = 500
# A minute's share of all triggers: the whole table is gone through in some hours, and at once when the clock was set.
_PAGES_A_TURN = 10

_triggers = cast(Table, TriggerRow.__table__)
_tasks = cast(Table, Task.__table__)
_IDS: BindParameter[Any] = bindparam("b_ids", expanding=True)
_ARMABLE = (
    select(_triggers.c.id, _triggers.c.task_id, _triggers.c.type, _triggers.c.settings, _triggers.c.next_due_at)
    .join(_tasks, _tasks.c.id == _triggers.c.task_id)
    .where(_tasks.c.active, _triggers.c.type.in_(CLOCK_TYPES))
)
_PAGE_OF = (
    _ARMABLE.where(_triggers.c.id > bindparam("b_after", type_=Integer))
    .order_by(_triggers.c.id)
    .limit(bindparam("b_limit", type_=Integer))
)
_IDLE = _PAGE_OF.where(_triggers.c.next_due_at.is_(None))
_HOLD = select(_tasks.c.id).where(_tasks.c.id.in_(_IDS)).order_by(_tasks.c.id).with_for_update(skip_locked=True)
_STILL = _ARMABLE.where(_triggers.c.id.in_(_IDS)).with_for_update(of=_triggers)
_ARM = (
    update(_triggers)
    .where(_triggers.c.id == bindparam("b_id"))
    .values(next_due_at=bindparam("b_next_due_at", type_=UtcDateTime))
)


class Reconciler:
    """Arms triggers again that wait for nothing, or for a moment that is too far."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after_idle = 0
        self._after_all = 0

    async def step(self, now: datetime, *, thorough: bool = False) -> int:
        """Look at the triggers that wait for nothing, and at some of the others or all, and say how many were armed."""
        armed, self._after_idle = await self._go_through(_IDLE, self._after_idle, _PAGES_A_TURN, now)
        if thorough:
            found, self._after_all = await self._go_through(_PAGE_OF, 0, None, now)
        else:
            found, self._after_all = await self._go_through(_PAGE_OF, self._after_all, 1, now)
        return armed + found

    async def _go_through(self, query: Any, after: int, pages: int | None, now: datetime) -> tuple[int, int]:
        """Look at some pages behind one trigger, or all; how many were armed, and where to go on next time."""
        armed = 0
        while pages is None or pages > 0:
            async with self._database.read() as session:
                rows = (await session.execute(query, {"b_after": after, "b_limit": _PAGE})).mappings().all()
            wrong = [(row, moment) for row in rows if (moment := _rearmed(row, now)) is not None]
            if wrong:
                armed += await self._arm(wrong)
            if len(rows) < _PAGE:
                return armed, 0
            after = rows[-1]["id"]
            pages = None if pages is None else pages - 1
            await asyncio.sleep(0)  # others may go on between two pages
        return armed, after

    async def _arm(self, wrong: Sequence[tuple[RowMapping, datetime]]) -> int:
        """Arm those that are as they were found, and whose tasks nobody holds: these have their turn in a minute."""
        async with self._database.write() as session:
            tasks = {row["task_id"] for row, _moment in wrong}
            held = set(await session.scalars(_HOLD, {"b_ids": list(tasks)}))
            rows = (await session.execute(_STILL, {"b_ids": [row["id"] for row, _moment in wrong]})).mappings()
            present = {row["id"]: row for row in rows}
            still = [(row, moment) for row, moment in wrong if row["task_id"] in held and present.get(row["id"]) == row]
            if not still:
                return 0
            await session.execute(_ARM, [{"b_id": row["id"], "b_next_due_at": moment} for row, moment in still])
            for row, moment in still:
                log.warning(
                    "a trigger was armed again",
                    task_id=row["task_id"],
                    trigger_id=row["id"],
                    waited_for=None if row["next_due_at"] is None else row["next_due_at"].isoformat(),
                    waits_for=moment.isoformat(),
                )
                announce(session, "schedule", row["task_id"])
        return len(still)


def _rearmed(row: RowMapping, now: datetime) -> datetime | None:
    return rearmed(from_settings(row["type"], row["settings"], seed=row["id"]), row["next_due_at"], now)


def was_set_back(wall: timedelta, monotonic: timedelta) -> bool:
    """Whether the clock was set back while so much time passed by it, and so much in fact."""
    return monotonic - wall > timedelta(seconds=5)
