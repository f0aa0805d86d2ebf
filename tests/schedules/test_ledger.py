"""What the ledger of a task says together, and what a down time did."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event, update

from kumo.runs.models import Run
from kumo.runs.states import RunState
from kumo.schedules import ledger
from kumo.schedules.boot_report import BootReport, boot_report, purge
from kumo.schedules.decisions import DownTime, Skip
from kumo.schedules.ledger import Summary
from kumo.schedules.uptimes import Heartbeat
from kumo.tasks.models import Task
from kumo.tasks.triggers import After, Cron
from tests.databases import on_one_database
from tests.schedules.conftest import Schedule

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
EVERY_FIVE_MINUTES = Cron(expression="*/5 * * * *", timezone="Europe/Berlin")


def at(**units: float) -> datetime:
    return NOON + timedelta(**units)


async def summary_of(schedule: Schedule, task: Task, begin: datetime, end: datetime) -> Summary:
    async with schedule.database.read() as session:
        return await ledger.summarise(session, task.id, begin, end)


async def report_of(schedule: Schedule) -> BootReport:
    async with schedule.database.read() as session:
        return await boot_report(session)


async def live(schedule: Schedule, heart: Heartbeat, hours: int) -> None:
    """Let some hours pass while the server is there, and every run end at once."""
    for _ in range(hours * 60):
        await schedule.pass_time(minutes=1)
        await heart.beat(schedule.clock())
        async with schedule.database.write() as session:
            open_ones = update(Run).where(Run.started_at.is_(None))
            await session.execute(open_ones.values(state=RunState.SUCCEEDED, started_at=schedule.clock()))


async def test_the_summary_adds_up(schedule: Schedule) -> None:
    task = await schedule.add_task(EVERY_FIVE_MINUTES, catch_up="latest")
    await live(schedule, Heartbeat(schedule.database), 1)
    schedule.clock.advance(minutes=31)
    restarted = Heartbeat(schedule.database)
    await restarted.beat(schedule.clock())
    await live(schedule, restarted, 1)
    found = await summary_of(schedule, task, NOON, at(hours=24))
    # 30 moments until 14:31; 13:05 to 13:25 were missed, 13:30 was run late.
    assert (found.tally.expected, found.tally.ran, dict(found.tally.skipped)) == (30, 25, {"missed": 5})
    assert found.down == [DownTime(begin_at=at(hours=1), end_at=at(hours=1, minutes=31))]
    assert found.where.key == "Europe/Berlin"
    assert found.cadence.configured_seconds == found.cadence.real_seconds == 300
    async with schedule.database.read() as session:
        slots = await ledger.page_of_slots(session, task.id, begin=None, end=None, before=None, limit=100)
        down = await ledger.down_times_of(session, slots)
    (missed,) = [slot for slot in slots if slot.reason == "missed"]
    assert down == {missed.id: found.down}


async def test_a_gap_over_the_edge_of_a_window_is_counted_on_both_sides(schedule: Schedule) -> None:
    task = await schedule.add_task(EVERY_FIVE_MINUTES, catch_up="skip")
    await schedule.pass_time(hours=2, minutes=3)
    windows = [(NOON, at(hours=1)), (at(hours=1), at(hours=1, minutes=30)), (at(hours=1, minutes=30), at(hours=9))]
    counted = [(await summary_of(schedule, task, *window)).tally.expected for window in windows]
    assert counted == [11, 6, 7]


async def test_a_task_that_cannot_keep_up_is_pointed_out(schedule: Schedule) -> None:
    task = await schedule.add_task(EVERY_FIVE_MINUTES, overlap="skip")
    for number in range(12):
        await schedule.pass_time(minutes=5)
        if number % 3 == 0:
            (run,) = [run for run in await schedule.runs() if run.state == "queued"]
            async with schedule.database.write() as session:
                stored = await session.get_one(Run, run.id)
                stored.state, stored.started_at = RunState.RUNNING, schedule.clock()
        if number % 3 == 2:
            await schedule.end_runs()
    found = await summary_of(schedule, task, NOON, at(hours=2))
    assert (found.tally.ran, found.tally.skipped["overlap"]) == (4, 8)
    assert (found.cadence.configured_seconds, found.cadence.real_seconds) == (300, 900)
    assert found.cadence.warning(found.tally, "en") == (
        "It is due every 5 minutes, but its runs began every 15 minutes. "
        "8 skipped because earlier runs were still going."
    )


async def test_what_is_caught_up_says_nothing_of_the_cadence(schedule: Schedule) -> None:
    task = await schedule.add_task(EVERY_FIVE_MINUTES, catch_up="all", catch_up_window_seconds=86_400, overlap="allow")
    heart = Heartbeat(schedule.database)
    await live(schedule, heart, 1)
    schedule.clock.advance(minutes=200)
    await live(schedule, heart, 1)
    found = await summary_of(schedule, task, NOON, at(hours=24))
    assert found.tally.ran == found.tally.expected == 64
    assert found.cadence.real_seconds == 300


async def test_what_follows_events_has_no_cadence(schedule: Schedule) -> None:
    first = await schedule.add_task(name="first")
    second = await schedule.add_task(After(task_id=first.id), name="second")
    found = await summary_of(schedule, second, NOON, at(hours=1))
    assert (found.cadence.configured_seconds, found.cadence.real_seconds, found.tally.expected) == (None, None, 0)


@on_one_database
async def test_what_is_rare_is_found_and_counted_along_an_index(schedule: Schedule) -> None:
    """However many slots there are: the plans of SQLite say which indexes it goes along."""
    task = await schedule.add_task(EVERY_FIVE_MINUTES)
    asked: list[tuple[str, Any]] = []
    engine = schedule.database._reader.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    async with schedule.database.read() as session:
        await ledger.page_of_slots(session, task.id, begin=NOON, end=None, before=None, limit=50, reasons=[None, *Skip])
        await ledger.summarise(session, task.id, NOON, at(hours=1))
    with closing(sqlite3.connect(str(schedule.database.url.database))) as connection:
        plans = [
            " ".join(detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {statement}", given))
            for statement, given in asked
            if "FROM slots" in statement or "JOIN slots" in statement
        ]
    assert len(plans) > 10
    for plan in plans:
        assert "ix_slots_reason (task_id=? AND reason=? AND due_at>?" in plan or "ix_slots_gaps" in plan
        assert "TEMP B-TREE" not in plan


# --- the boot report -------------------------------------------------------------------------------------------------


async def test_there_is_nothing_to_report_before_the_first_down_time(schedule: Schedule) -> None:
    assert await report_of(schedule) == BootReport(down=None, tasks=[])
    await Heartbeat(schedule.database).beat(NOON)
    assert await report_of(schedule) == BootReport(down=None, tasks=[])


async def test_the_report_says_what_was_missed_and_what_is_caught_up(schedule: Schedule) -> None:
    every = await schedule.add_task(EVERY_FIVE_MINUTES, name="every", catch_up="all", overlap="queue")
    skipped = await schedule.add_task(Cron(expression="0 * * * *"), name="skipped", catch_up="skip")
    await schedule.add_task(Cron(expression="0 0 * * *"), name="untouched")
    await live(schedule, Heartbeat(schedule.database), 1)
    schedule.clock.advance(hours=2, minutes=2)
    await Heartbeat(schedule.database).beat(schedule.clock())
    await schedule.pass_time()
    await schedule.pass_time(minutes=3)  # 15:05 is no moment of the down time
    report = await report_of(schedule)
    assert report.down == DownTime(begin_at=at(hours=1), end_at=at(hours=3, minutes=2))
    first, second = report.tasks
    assert (first.task_name, first.missed, first.caught_up) == ("every", 12, 12)
    assert len(first.run_ids) == 12
    assert first.queued_run_ids == first.run_ids
    assert (second.task_name, second.missed, second.caught_up, second.run_ids) == ("skipped", 2, 0, [])
    await schedule.set_state(first.run_ids[0], "running")
    async with schedule.database.write() as session:
        assert await purge(session, {skipped.id}, actor="ada", now=schedule.clock()) == []
    async with schedule.database.write() as session:
        assert await purge(session, {every.id}, actor="ada", now=schedule.clock()) == first.run_ids[1:]
    stopped = [run for run in await schedule.runs() if run.state == "stopped"]
    assert [run.id for run in stopped] == first.run_ids[1:]
    (reason,) = {run.reason for run in stopped}
    assert reason == "Caught up after the server was down, and taken out of the queue by ada."
    assert [run.state for run in await schedule.runs()][-1] == "queued"  # 15:05, which is punctual
    after = await report_of(schedule)
    assert (after.tasks[0].caught_up, after.tasks[0].queued_run_ids) == (12, [])


async def test_the_report_is_about_the_last_down_time_alone(schedule: Schedule) -> None:
    await schedule.add_task(EVERY_FIVE_MINUTES, catch_up="skip")
    await live(schedule, Heartbeat(schedule.database), 1)
    for hours in (1, 2):
        schedule.clock.advance(hours=hours, minutes=2)
        heart = Heartbeat(schedule.database)
        await heart.beat(schedule.clock())
        await schedule.pass_time()
        assert [task.missed for task in (await report_of(schedule)).tasks] == [12 * hours]
        await live(schedule, heart, 1)
    assert [task.missed for task in (await report_of(schedule)).tasks] == [24]
