from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from kumo.schedules.decisions import LEEWAY, rearmed
from kumo.schedules.reconciler import Reconciler, was_set_back
from kumo.tasks import service as tasks
from kumo.tasks.models import Task, TriggerRow
from kumo.tasks.triggers import After, Cron, Date, Interval, Trigger
from tests.schedules.conftest import Schedule

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
HOURLY = Cron(expression="0 * * * *")

moments = st.integers(-(10**7), 10**7).map(lambda seconds: NOON + timedelta(seconds=seconds / 10))
triggers = (
    st.builds(
        Cron,
        expression=st.sampled_from(["* * * * *", "*/5 * * * * *", "30 2 * * *", "0 0 1 1 *", "0 12 29 2 *"]),
        timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
        end_at=st.none() | moments,
        jitter_seconds=st.sampled_from([0, 30, 3600]),
    )
    | st.builds(Interval, seconds=st.integers(1, 10**6), start_at=moments, end_at=st.none() | moments)
    | st.builds(Date, at=moments)
)
leeways = st.floats(0, LEEWAY.total_seconds()).map(lambda seconds: timedelta(seconds=seconds))


# --- the rule --------------------------------------------------------------------------------------------------------


@given(trigger=triggers, now=moments, corrected=leeways)
def test_what_the_scheduler_has_armed_stays(trigger: Trigger, now: datetime, corrected: timedelta) -> None:
    armed_at = now + corrected  # the clock was corrected by a little since
    assert rearmed(trigger, trigger.next_after(armed_at), now) is None or trigger.next_after(armed_at) is None


@given(trigger=triggers, waits_for=st.none() | moments, now=moments)
def test_what_is_armed_again_waits_for_its_next_moment(
    trigger: Trigger, waits_for: datetime | None, now: datetime
) -> None:
    moment = rearmed(trigger, waits_for, now)
    if moment is not None:
        assert moment == trigger.next_after(now)
        assert moment > now
        assert waits_for is None or waits_for > moment
        assert rearmed(trigger, moment, now) is None


@given(trigger=triggers, now=moments)
def test_nothing_that_has_a_next_moment_waits_for_nothing(trigger: Trigger, now: datetime) -> None:
    assert rearmed(trigger, None, now) == trigger.next_after(now)


@given(trigger=triggers, now=moments, back=st.integers(2 * 60, 10**6))
def test_a_clock_set_far_back_loses_no_moment(trigger: Trigger, now: datetime, back: int) -> None:
    waits_for = trigger.next_after(now)
    before = now - timedelta(seconds=back)
    moment = rearmed(trigger, waits_for, before) or waits_for
    between = trigger.next_after(before + LEEWAY)
    assert between is None or moment is None or moment <= between


@given(wall=st.floats(-1e6, 1e6), passed=st.floats(0, 1e6))
def test_a_clock_that_was_set_back_is_noticed(wall: float, passed: float) -> None:
    assert (
        was_set_back(timedelta(seconds=wall), timedelta(seconds=passed)) == (passed - wall > 5)
        or abs(passed - wall - 5) < 1e-3
    )


# --- the table -------------------------------------------------------------------------------------------------------


async def set_next(schedule: Schedule, task: Task, moment: datetime | None) -> None:
    async with schedule.database.write() as session:
        await session.execute(update(TriggerRow).where(TriggerRow.task_id == task.id).values(next_due_at=moment))


async def next_of(schedule: Schedule, task: Task) -> list[datetime | None]:
    return [row.next_due_at for row in await schedule.triggers(task)]


async def test_a_trigger_that_waits_for_nothing_is_armed(schedule: Schedule) -> None:
    lost = await schedule.add_task(HOURLY, After(task_id=(await schedule.add_task(name="other")).id), name="lost")
    paused = await schedule.add_task(HOURLY, name="paused", active=False)
    over = await schedule.add_task(Date(at=NOON + timedelta(seconds=1)), name="over")
    for task in (lost, paused, over):
        await set_next(schedule, task, None)
    schedule.clock.advance(minutes=90)
    assert await Reconciler(schedule.database).step(schedule.clock()) == 1
    assert await next_of(schedule, lost) == [NOON + timedelta(hours=2), None]
    assert await next_of(schedule, paused) == await next_of(schedule, over) == [None]
    assert await Reconciler(schedule.database).step(schedule.clock()) == 0


async def test_after_the_clock_was_set_back_triggers_come_due_again_but_nothing_runs_twice(schedule: Schedule) -> None:
    task = await schedule.add_task(HOURLY, overlap="queue")
    for _ in range(3):
        await schedule.pass_time(hours=1)
    schedule.clock.advance(hours=-2, minutes=-10)  # 12:50
    assert await Reconciler(schedule.database).step(schedule.clock(), thorough=True) == 1
    assert await next_of(schedule, task) == [NOON + timedelta(hours=1)]
    for _ in range(5):
        await schedule.pass_time(hours=1)
    assert [slot.due_at for slot in await schedule.slots()] == [NOON + timedelta(hours=hour) for hour in range(1, 6)]
    assert len(await schedule.runs()) == 5


async def test_every_trigger_has_its_turn(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kumo.schedules.reconciler._PAGE", 3)
    project_id = await schedule.add_project()
    made = [await schedule.add_task(HOURLY, name=f"task {n}", project_id=project_id) for n in range(10)]
    for task in made:
        await set_next(schedule, task, NOON + timedelta(days=9))
    reconciler = Reconciler(schedule.database)
    assert [await reconciler.step(schedule.clock()) for _ in range(5)] == [3, 3, 3, 1, 0]
    for task in made:
        await set_next(schedule, task, NOON + timedelta(days=9))
    assert await reconciler.step(schedule.clock(), thorough=True) == 10


async def test_a_task_that_somebody_holds_is_left_for_the_next_time(schedule: Schedule) -> None:
    if schedule.database.is_sqlite:
        return  # one writer: nobody holds anything meanwhile
    task = await schedule.add_task(HOURLY)
    await set_next(schedule, task, None)
    reconciler = Reconciler(schedule.database)
    async with schedule.database.write() as other:
        await tasks.get(other, task.id, for_update=True)
        async with asyncio.timeout(10):
            assert await reconciler.step(schedule.clock()) == 0
    assert await reconciler.step(schedule.clock()) == 1


async def test_the_scheduler_sees_that_the_clock_was_set_back_while_it_was_away(schedule: Schedule) -> None:
    task = await schedule.add_task(HOURLY)
    await schedule.run_loop_until(schedule.count_uptimes)
    schedule.clock.advance(days=-1)
    await set_next(schedule, task, NOON + timedelta(hours=1))

    async def armed() -> bool:
        return await next_of(schedule, task) == [NOON - timedelta(hours=23)]

    await schedule.run_loop_until(armed)
