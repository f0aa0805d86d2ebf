from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select

from kumo.schedules.decisions import DownTime
from kumo.schedules.models import Uptime
from kumo.schedules.uptimes import Heartbeat, down_times, last_down_time
from tests.schedules.conftest import Schedule

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def at(**units: float) -> datetime:
    return NOON + timedelta(**units)


async def lives(schedule: Schedule) -> list[tuple[datetime, datetime]]:
    async with schedule.database.read() as session:
        rows = await session.execute(select(Uptime.started_at, Uptime.seen_at).order_by(Uptime.id))
        return [(started_at, seen_at) for started_at, seen_at in rows.all()]


async def downs(schedule: Schedule, first: datetime, last: datetime) -> list[tuple[datetime, datetime]]:
    async with schedule.database.read() as session:
        return [(down.begin_at, down.end_at) for down in await down_times(session, first, last)]


async def test_a_life_is_renewed_every_half_minute(schedule: Schedule) -> None:
    heart = Heartbeat(schedule.database)
    for seconds in (0, 10, 29, 30, 45, 61):
        await heart.beat(at(seconds=seconds))
    assert await lives(schedule) == [(NOON, at(seconds=61))]
    await heart.beat(at(seconds=62), at_once=True)
    assert await lives(schedule) == [(NOON, at(seconds=62))]


async def test_each_start_and_each_long_silence_begins_a_life(schedule: Schedule) -> None:
    heart = Heartbeat(schedule.database)
    await heart.beat(NOON)
    await heart.beat(at(hours=1))  # the machine slept
    await Heartbeat(schedule.database).beat(at(hours=2))  # the server was started again
    assert await lives(schedule) == [(NOON, NOON), (at(hours=1),) * 2, (at(hours=2),) * 2]
    assert await downs(schedule, NOON, at(hours=9)) == [(NOON, at(hours=1)), (at(hours=1), at(hours=2))]
    assert await downs(schedule, at(minutes=90), at(minutes=91)) == [(at(hours=1), at(hours=2))]
    assert await downs(schedule, at(hours=3), at(hours=4)) == []
    async with schedule.database.read() as session:
        assert await last_down_time(session) == DownTime(begin_at=at(hours=1), end_at=at(hours=2))


async def test_a_clock_that_is_set_back_is_no_down_time(schedule: Schedule) -> None:
    heart = Heartbeat(schedule.database)
    await heart.beat(NOON)
    await heart.beat(at(hours=-1))
    assert await lives(schedule) == [(NOON, NOON), (at(hours=-1),) * 2]
    assert await downs(schedule, at(days=-1), at(days=1)) == []
    async with schedule.database.read() as session:
        assert await last_down_time(session) is None


async def test_a_life_whose_row_is_gone_begins_anew(schedule: Schedule) -> None:
    heart = Heartbeat(schedule.database)
    await heart.beat(NOON)
    async with schedule.database.write() as session:
        await session.execute(delete(Uptime))
    await heart.beat(at(seconds=30))
    assert await lives(schedule) == [(at(seconds=30), at(seconds=30))]


async def test_the_scheduler_writes_its_end_down(schedule: Schedule) -> None:
    await schedule.run_loop_until(schedule.count_uptimes)
    schedule.clock.advance(seconds=7)
    await schedule.run_loop_until(lambda: schedule.count_uptimes(2), end_at=schedule.clock.now + timedelta(seconds=5))
    (_, first_end), (second_start, second_end) = await lives(schedule)
    assert (first_end, second_start, second_end) == (NOON, at(seconds=7), at(seconds=12))
