"""When the server was alive, so that a missed slot can say why it was missed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.base import UtcDateTime
from kumo.db.session import Database
from kumo.schedules.decisions import DownTime
from kumo.schedules.models import Uptime

RENEWED_EVERY = timedelta(seconds=30)
# Nobody has looked for so long: the machine slept, or nothing could be stored.
_LONGEST_SILENCE = timedelta(seconds=120)

_uptimes = cast(Table, Uptime.__table__)
_BEGIN = insert(_uptimes).returning(_uptimes.c.id)
_RENEW = update(_uptimes).where(_uptimes.c.id == bindparam("b_id")).values(seen_at=bindparam("b_seen_at"))
_lives = select(
    func.lag(_uptimes.c.seen_at, type_=UtcDateTime).over(order_by=_uptimes.c.id).label("begin_at"),
    _uptimes.c.started_at.label("end_at"),
).subquery()
_DOWN = (
    select(_lives.c.begin_at, _lives.c.end_at)
    .where(
        _lives.c.begin_at < _lives.c.end_at,
        _lives.c.begin_at <= bindparam("b_to", type_=UtcDateTime),
        _lives.c.end_at >= bindparam("b_from", type_=UtcDateTime),
    )
    .order_by(_lives.c.end_at)
)


class Heartbeat:
    """Writes down that the server is alive: a row for each life, renewed every half minute."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._row_id: int | None = None
        self._seen_at: datetime | None = None

    async def beat(self, now: datetime, *, at_once: bool = False) -> None:
        """Renew this life when it is time to; begin another one after a long silence, or when the clock was set back.

        A life that is no longer in the table began before its rows were cleared, and begins anew.
        """
        if self._seen_at is not None and timedelta(0) <= now - self._seen_at < RENEWED_EVERY and not at_once:
            return
        async with self._database.write() as session:
            goes_on = self._seen_at is not None and timedelta(0) <= now - self._seen_at <= _LONGEST_SILENCE
            if not goes_on or not await self._renew(session, now):
                values = {"started_at": now, "seen_at": now}
                self._row_id = (await session.execute(_BEGIN, values)).scalar_one()
        self._seen_at = now

    async def _renew(self, session: AsyncSession, now: datetime) -> bool:
        renewed = await session.execute(_RENEW, {"b_id": self._row_id, "b_seen_at": now})
        return bool(renewed.rowcount)  # type: ignore[attr-defined]  # of every update


async def down_times(session: AsyncSession, first: datetime, last: datetime) -> list[DownTime]:
    """The times, in order, in which the server was down somewhere between two moments."""
    rows = await session.execute(_DOWN, {"b_from": first, "b_to": last})
    return [DownTime(begin_at=begin_at, end_at=end_at) for begin_at, end_at in rows.all()]


async def last_down_time(session: AsyncSession) -> DownTime | None:
    """The time before the present life; None in the first one."""
    row = (await session.execute(select(_lives).order_by(_lives.c.end_at.desc()).limit(1))).first()
    if row is None or row.begin_at is None or row.begin_at > row.end_at:
        return None
    return DownTime(begin_at=row.begin_at, end_at=row.end_at)


async def last_seen_at(session: AsyncSession) -> datetime | None:
    """The latest moment at which a server is known to have been alive."""
    found: datetime | None = await session.scalar(select(func.max(_uptimes.c.seen_at)))
    return found
