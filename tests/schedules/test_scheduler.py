from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from kumo.runs.models import Run
from kumo.runs.service import Cause, request_run
from kumo.schedules.scheduler import Scheduler
from kumo.tasks import service as tasks
from kumo.tasks.policies import Blackout
from kumo.tasks.service import TriggerWish
from kumo.tasks.triggers import Cron, Date, Interval, from_settings
from tests.schedules.conftest import Schedule

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
HOURLY = Cron(expression="0 * * * *")
EVERY_MINUTE = Interval(seconds=60, start_at=NOON + timedelta(minutes=1))


def after_noon(**units: float) -> datetime:
    return NOON + timedelta(**units)


# --- what is due -----------------------------------------------------------------------------------------------------


async def test_nothing_is_made_before_its_moment(schedule: Schedule) -> None:
    await schedule.add_task(HOURLY)
    await schedule.pass_time(minutes=59, seconds=59)
    assert await schedule.slots() == []
    assert await schedule.runs() == []


async def test_a_due_moment_makes_one_slot_and_one_run(schedule: Schedule) -> None:
    task = await schedule.add_task(HOURLY)
    await schedule.pass_time(hours=1)
    (slot,), (run,), (trigger,) = await schedule.slots(), await schedule.runs(), await schedule.triggers(task)
    assert (slot.trigger_id, slot.due_at, slot.outcome, slot.run_id) == (trigger.id, after_noon(hours=1), "run", run.id)
    assert (run.state, run.cause_type, run.trigger_id, run.due_at) == ("queued", "slot", trigger.id, slot.due_at)
    assert trigger.next_due_at == after_noon(hours=2)
    async with schedule.database.read() as session:
        seen = await tasks.get(session, task.id)
    assert (seen.last_run_id, seen.last_run_state) == (run.id, "queued")


async def test_a_second_look_makes_nothing(schedule: Schedule) -> None:
    await schedule.add_task(HOURLY)
    await schedule.pass_time(hours=1)
    await schedule.pass_time(minutes=59)
    assert len(await schedule.slots()) == len(await schedule.runs()) == 1


async def test_schedulers_that_look_at_once_make_one_run(schedule: Schedule) -> None:
    await schedule.add_task(HOURLY)
    now = schedule.clock.advance(hours=1)
    await asyncio.gather(*(Scheduler(schedule.database, schedule.clock).step(now) for _ in range(4)))
    assert len(await schedule.slots()) == len(await schedule.runs()) == 1


async def test_more_triggers_than_a_batch_are_all_handled(schedule: Schedule) -> None:
    project_id = await schedule.add_project()
    for number in range(5):
        triggers = [Cron(expression=f"{minute} {number} * * *") for minute in range(50)]
        await schedule.add_task(*triggers, name=f"task {number}", project_id=project_id, overlap="allow")
    await schedule.pass_time(days=1)
    slots = await schedule.slots()
    assert len(slots) == 250
    assert len({(slot.trigger_id, slot.due_at) for slot in slots}) == 250


async def test_the_longest_due_goes_first_and_then_the_higher_priority(schedule: Schedule) -> None:
    project_id = await schedule.add_project()
    for name, priority, minute in [("low", 0, 5), ("high", 9, 5), ("early", -9, 4)]:
        trigger = Cron(expression=f"{minute} * * * *")
        await schedule.add_task(trigger, name=name, priority=priority, project_id=project_id)
    await schedule.pass_time(minutes=5)
    assert [run.task_name for run in await schedule.runs()] == ["early", "high", "low"]


async def test_a_date_comes_due_once_and_no_more(schedule: Schedule) -> None:
    task = await schedule.add_task(Date(at=after_noon(minutes=1)))
    await schedule.pass_time(minutes=1)
    (trigger,) = await schedule.triggers(task)
    assert trigger.next_due_at is None
    await schedule.pass_time(days=1)
    assert len(await schedule.runs()) == 1


async def test_a_project_without_files_is_a_reason(schedule: Schedule) -> None:
    project_id = await schedule.add_project(files=False)
    await schedule.add_task(HOURLY, project_id=project_id)
    await schedule.pass_time(hours=1)
    assert await schedule.told() == [(after_noon(hours=1), "skipped", "no_files", 1)]
    assert await schedule.runs() == []


async def test_the_loop_wakes_for_a_task_that_is_added(schedule: Schedule) -> None:
    loop = asyncio.create_task(schedule.scheduler.forever())
    try:
        await asyncio.sleep(0)
        schedule.clock.advance(minutes=1)
        with schedule.database.changes.subscribe("run") as heard:
            task = await schedule.add_task(Date(at=after_noon(minutes=2)))
            schedule.clock.advance(minutes=2)
            await schedule.change(task, description="wakes the loop")
            assert await heard.wait(10)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    assert len(await schedule.runs()) == 1


# --- overlap ---------------------------------------------------------------------------------------------------------


async def test_skip_leaves_a_moment_out_while_the_run_before_is_open(schedule: Schedule) -> None:
    await schedule.add_task(HOURLY, overlap="skip")
    await schedule.pass_time(hours=1)
    await schedule.pass_time(hours=1)
    await schedule.end_runs()
    await schedule.pass_time(hours=1)
    assert await schedule.told() == [
        (after_noon(hours=1), "run", None, 1),
        (after_noon(hours=2), "skipped", "overlap", 1),
        (after_noon(hours=3), "run", None, 1),
    ]


async def test_skip_counts_up_to_max_parallel(schedule: Schedule) -> None:
    await schedule.add_task(HOURLY, overlap="skip", max_parallel=2)
    for _ in range(3):
        await schedule.pass_time(hours=1)
    assert [outcome for _, outcome, _, _ in await schedule.told()] == ["run", "run", "skipped"]


@pytest.mark.parametrize(("overlap", "max_parallel"), [("queue", 1), ("allow", None)])
async def test_queue_and_allow_make_each_run(schedule: Schedule, overlap: str, max_parallel: int | None) -> None:
    await schedule.add_task(HOURLY, overlap=overlap)
    for _ in range(3):
        await schedule.pass_time(hours=1)
    assert [run.max_parallel for run in await schedule.runs()] == [max_parallel] * 3


async def test_replace_ends_the_open_runs_and_queues_its_own(schedule: Schedule) -> None:
    task = await schedule.add_task(HOURLY, overlap="replace", max_parallel=2)
    await schedule.pass_time(hours=1)
    await schedule.set_state((await schedule.runs())[0].id, "running")
    async with schedule.database.write() as session:
        waiting = await request_run(session, task.id, Cause(type="manual", actor="ada"), schedule.clock())
    await schedule.pass_time(hours=1)
    going, queued, new = await schedule.runs()
    assert (going.state, going.stop_requested_at) == ("running", schedule.clock())
    assert (queued.id, queued.state, queued.ended_at) == (waiting.id, "stopped", schedule.clock())
    assert queued.reason == "Replaced: its task was due again before it began."
    assert (new.state, new.cause_type, new.max_parallel) == ("queued", "slot", 2)
    assert [outcome for _, outcome, _, _ in await schedule.told()] == ["run", "run"]
    async with schedule.database.read() as session:
        seen = await tasks.get(session, task.id)
    assert (seen.last_run_id, seen.last_run_state) == (new.id, "queued")


async def test_of_moments_that_come_together_only_the_last_one_replaces(schedule: Schedule) -> None:
    await schedule.add_task(HOURLY, Cron(expression="0 */2 * * *"), overlap="replace")
    await schedule.pass_time(hours=2)
    told = await schedule.told()
    assert [(due_at, reason) for due_at, _, reason, _ in told] == [
        (after_noon(hours=1), "missed"),
        (after_noon(hours=2), "overlap"),
        (after_noon(hours=2), None),
    ]
    assert [run.state for run in await schedule.runs()] == ["queued"]


async def test_a_task_that_somebody_holds_is_left_for_the_next_step(schedule: Schedule) -> None:
    if schedule.database.is_sqlite:
        return  # one writer: nobody holds anything while the scheduler writes
    held = await schedule.add_task(HOURLY, name="held")
    await schedule.add_task(HOURLY, name="free")
    replacing = await schedule.add_task(HOURLY, name="replacing", overlap="replace")
    async with schedule.database.write() as session:
        run = await request_run(session, replacing.id, Cause(type="manual", actor="ada"), schedule.clock())
    now = schedule.clock.advance(hours=1)
    async with schedule.database.write() as other:
        await tasks.get(other, held.id, for_update=True)
        await other.execute(select(Run).where(Run.id == run.id).with_for_update())
        async with asyncio.timeout(10):
            assert await schedule.scheduler.step(now) == 1
    assert await schedule.scheduler.step(now) == 2
    assert [slot.outcome for slot in await schedule.slots()] == ["run"] * 3


# --- blackouts -------------------------------------------------------------------------------------------------------

LUNCH = Blackout(start="13:00", end="15:00")


async def test_a_moment_in_a_blackout_is_skipped(schedule: Schedule) -> None:
    await schedule.add_task(HOURLY, blackouts=(LUNCH,))
    for _ in range(4):
        await schedule.pass_time(hours=1)
        await schedule.end_runs()
    assert await schedule.told() == [
        (after_noon(hours=1), "skipped", "blackout", 1),
        (after_noon(hours=2), "skipped", "blackout", 1),
        (after_noon(hours=3), "run", None, 1),
        (after_noon(hours=4), "run", None, 1),
    ]


async def test_what_is_caught_up_lies_outside_of_blackouts(schedule: Schedule) -> None:
    await schedule.add_task(HOURLY, blackouts=(LUNCH,), catch_up="latest", catch_up_window_seconds=86400)
    await schedule.pass_time(days=1, hours=2, minutes=30)
    told = await schedule.told()
    assert told[-2:] == [
        (after_noon(days=1, hours=1), "skipped", "blackout", 1),
        (after_noon(days=1, hours=2), "skipped", "blackout", 1),
    ]
    assert (after_noon(days=1), "run", None, 1) in told
    assert sum(count for *_, count in told) == 26


# --- after a time without Kumo ---------------------------------------------------------------------------------------


async def test_skip_catches_nothing_up(schedule: Schedule) -> None:
    await schedule.add_task(HOURLY, catch_up="skip")
    await schedule.pass_time(hours=5, minutes=30)
    (slot,) = await schedule.slots()
    assert (slot.first_due_at, slot.due_at) == (after_noon(hours=1), after_noon(hours=5))
    assert (slot.count, slot.reason) == (5, "missed")
    assert await schedule.runs() == []


async def test_latest_runs_the_last_one(schedule: Schedule) -> None:
    await schedule.add_task(HOURLY, catch_up="latest", catch_up_window_seconds=3600)
    await schedule.pass_time(hours=5, minutes=30)
    assert await schedule.told() == [
        (after_noon(hours=4), "skipped", "missed", 4),
        (after_noon(hours=5), "run", None, 1),
    ]


async def test_latest_runs_nothing_from_before_its_window(schedule: Schedule) -> None:
    await schedule.add_task(HOURLY, catch_up="latest", catch_up_window_seconds=600)
    await schedule.pass_time(hours=5, minutes=30)
    assert await schedule.told() == [(after_noon(hours=5), "skipped", "missed", 5)]


async def test_all_runs_each_in_its_window(schedule: Schedule) -> None:
    await schedule.add_task(HOURLY, catch_up="all", overlap="queue", catch_up_window_seconds=3 * 3600)
    await schedule.pass_time(hours=5, minutes=30)
    assert await schedule.told() == [
        (after_noon(hours=2), "skipped", "missed", 2),
        (after_noon(hours=3), "run", None, 1),
        (after_noon(hours=4), "run", None, 1),
        (after_noon(hours=5), "run", None, 1),
    ]


async def test_a_month_of_seconds_is_told_at_once(schedule: Schedule) -> None:
    await schedule.add_task(Cron(expression="* * * * * *"), catch_up="latest")
    began = time.process_time()
    await schedule.pass_time(days=30)
    assert time.process_time() - began < 1
    slots = await schedule.slots()
    assert sum(slot.count for slot in slots) == 30 * 86400
    assert slots[0].reason == "missed"
    assert slots[0].first_due_at == after_noon(seconds=1)


@pytest.mark.parametrize("trigger", [EVERY_MINUTE, Cron(expression="* * * * *")])
async def test_all_runs_the_last_hundred_and_tells_of_the_rest(schedule: Schedule, trigger: Interval | Cron) -> None:
    await schedule.add_task(trigger, catch_up="all", overlap="allow", catch_up_window_seconds=7 * 86400)
    await schedule.pass_time(days=1, seconds=45)
    gap, *runs = await schedule.slots()
    assert (gap.first_due_at, gap.due_at, gap.count) == (after_noon(minutes=1), after_noon(minutes=1340), 1340)
    assert [run.due_at for run in runs] == [after_noon(minutes=minute) for minute in range(1341, 1441)]
    assert {run.outcome for run in runs} == {"run"}


# --- pausing and changing --------------------------------------------------------------------------------------------


async def test_a_paused_task_makes_nothing_and_resuming_does_not_make_up_for_it(schedule: Schedule) -> None:
    task = await schedule.add_task(HOURLY, catch_up="all")
    async with schedule.database.write() as session:
        await tasks.set_active(session, task.id, active=False, now=schedule.clock())
    await schedule.pass_time(hours=3, minutes=30)
    async with schedule.database.write() as session:
        await tasks.set_active(session, task.id, active=True, now=schedule.clock())
    await schedule.pass_time(minutes=29)
    assert await schedule.slots() == []
    await schedule.pass_time(minutes=1)
    assert await schedule.told() == [(after_noon(hours=4), "run", None, 1)]


async def test_resuming_makes_up_for_nothing_even_if_nobody_looked_meanwhile(schedule: Schedule) -> None:
    task = await schedule.add_task(HOURLY, active=False, catch_up="all")
    schedule.clock.advance(hours=3, minutes=30)
    await schedule.change(task, active=True)
    await schedule.pass_time()
    assert await schedule.slots() == []


async def test_a_date_that_passes_while_paused_never_comes_due(schedule: Schedule) -> None:
    task = await schedule.add_task(Date(at=after_noon(minutes=1)), active=False)
    await schedule.pass_time(hours=1)
    await schedule.change(task, active=True)
    await schedule.pass_time(hours=1)
    assert await schedule.slots() == []


async def test_a_changed_trigger_counts_from_now(schedule: Schedule) -> None:
    task = await schedule.add_task(HOURLY, catch_up="all")
    (trigger,) = await schedule.triggers(task)
    await schedule.pass_time(hours=1)
    schedule.clock.advance(minutes=40)
    await schedule.change(task, [TriggerWish(id=trigger.id, trigger=Cron(expression="*/30 * * * *"))])
    await schedule.pass_time()
    assert len(await schedule.slots()) == 1
    await schedule.pass_time(minutes=20)
    assert [due_at for due_at, *_ in await schedule.told()] == [after_noon(hours=1), after_noon(hours=2)]


async def test_a_trigger_that_stays_keeps_its_place_when_others_change(schedule: Schedule) -> None:
    start = NOON + timedelta(seconds=7)
    task = await schedule.add_task(Interval(seconds=90, start_at=start), HOURLY)
    kept, dropped = await schedule.triggers(task)
    schedule.clock.advance(minutes=10)
    wish = TriggerWish(id=kept.id, trigger=from_settings(kept.type, kept.settings))
    await schedule.change(task, [TriggerWish(id=None, trigger=Cron(expression="5 * * * *")), wish])
    added, still = await schedule.triggers(task)
    assert (still.id, still.next_due_at) == (kept.id, start)
    assert added.id not in (kept.id, dropped.id)


async def test_a_change_does_not_swallow_a_moment_that_nobody_has_handled_yet(schedule: Schedule) -> None:
    task = await schedule.add_task(HOURLY)
    (trigger,) = await schedule.triggers(task)
    schedule.clock.advance(hours=1, milliseconds=5)
    await schedule.change(task, [TriggerWish(id=trigger.id, trigger=HOURLY)], description="changed just now")
    await schedule.pass_time()
    assert await schedule.told() == [(after_noon(hours=1), "run", None, 1)]


async def test_a_deleted_task_makes_nothing(schedule: Schedule) -> None:
    task = await schedule.add_task(HOURLY)
    async with schedule.database.write() as session:
        await tasks.remove(session, task.id, open_runs=0, now=schedule.clock())
    await schedule.pass_time(hours=2)
    assert await schedule.slots() == []


# --- clocks ----------------------------------------------------------------------------------------------------------


async def test_a_clock_that_is_set_back_makes_nothing_twice(schedule: Schedule) -> None:
    task = await schedule.add_task(HOURLY, overlap="queue")
    await schedule.pass_time(hours=1)
    await schedule.pass_time(hours=-2)
    await schedule.change(task, active=False)
    (trigger,) = await schedule.triggers(task)
    await schedule.change(task, [TriggerWish(id=trigger.id, trigger=Cron(expression="0,30 * * * *"))], active=True)
    for _ in range(7):
        await schedule.pass_time(minutes=30)
    due = [slot.due_at for slot in await schedule.slots()]
    assert due == [after_noon(minutes=minutes) for minutes in range(-30, 151, 30)]
    assert len(await schedule.runs()) == len(due)


async def test_a_time_that_the_clock_repeats_is_run_once_though_kumo_was_down_between(schedule: Schedule) -> None:
    schedule.clock.now = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    await schedule.add_task(Cron(expression="30 2 * * *", timezone="Europe/Berlin"))
    schedule.clock.now = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    await schedule.pass_time()
    await schedule.pass_time(hours=12)
    assert [due_at for due_at, *_ in await schedule.told()] == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]
