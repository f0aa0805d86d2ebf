from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from kumo.errors import Conflict, InvalidInput
from kumo.runs.states import FAILURES, RunState
from kumo.runs.tally import Ended
from kumo.schedules.followers import counts, follow
from kumo.tasks import service as tasks
from kumo.tasks.models import Task
from kumo.tasks.policies import Blackout
from kumo.tasks.service import TriggerWish
from kumo.tasks.triggers import After, Cron, Outcome
from tests.schedules.conftest import Schedule

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def end_of(task: Task, run_id: int = 1, state: RunState = RunState.SUCCEEDED, at: datetime = NOON) -> Ended:
    return Ended(run_id=run_id, task_id=task.id, project_id=task.project_id, state=state, at=at)


async def tell(schedule: Schedule, *ends: Ended) -> None:
    async with schedule.database.write() as session:
        await follow(session, ends, schedule.clock())


def test_success_failure_and_end_are_told_apart() -> None:
    followed: dict[Outcome, set[RunState]] = {
        on: {state for state in RunState if state.is_final and counts(on, state)}
        for on in ("success", "failure", "end")
    }
    assert followed["success"] == {RunState.SUCCEEDED}
    assert followed["failure"] == set(FAILURES)
    assert followed["end"] == {state for state in RunState if state.is_final}


async def test_an_end_makes_a_slot_and_a_run(schedule: Schedule) -> None:
    first = await schedule.add_task(name="first")
    second = await schedule.add_task(After(task_id=first.id), name="second")
    await schedule.add_task(After(task_id=first.id, on="failure"), name="when it fails")
    (trigger,) = await schedule.triggers(second)
    assert (trigger.next_due_at, trigger.upstream_task_id) == (None, first.id)
    schedule.clock.advance(seconds=1)
    await tell(schedule, end_of(first), end_of(second, 2))
    (slot,), (run,) = await schedule.slots(), await schedule.runs()
    assert (slot.task_id, slot.trigger_id, slot.due_at, slot.run_id) == (second.id, trigger.id, NOON, run.id)
    assert (run.task_id, run.cause_type, run.trigger_id, run.due_at) == (second.id, "after", trigger.id, NOON)


async def test_each_end_has_its_own_slot_even_in_the_same_microsecond(schedule: Schedule) -> None:
    first = await schedule.add_task(name="first")
    await schedule.add_task(After(task_id=first.id, on="end"), name="second", overlap="queue")
    await tell(schedule, end_of(first, 1), end_of(first, 2, RunState.FAILED), end_of(first, 3))
    await tell(schedule, end_of(first, 4))
    due = [slot.due_at for slot in await schedule.slots()]
    assert due == [NOON + timedelta(microseconds=number) for number in range(4)]
    assert len(await schedule.runs()) == 4


async def test_the_rules_of_slots_hold(schedule: Schedule) -> None:
    first = await schedule.add_task(name="first")
    follows = After(task_id=first.id)
    no_files = await schedule.add_project(name="empty", files=False)
    made = [
        await schedule.add_task(follows, name="paused", active=False),
        await schedule.add_task(follows, name="dark", blackouts=(Blackout(start="11:00", end="13:00"),)),
        await schedule.add_task(follows, name="busy", overlap="skip"),
        await schedule.add_task(follows, name="empty", project_id=no_files),
    ]
    names = {task.id: task.name for task in made}
    await tell(schedule, end_of(first, 1))
    await tell(schedule, end_of(first, 2, at=NOON + timedelta(seconds=1)))
    told = [(names[slot.task_id], slot.reason) for slot in await schedule.slots()]
    assert told == [
        ("dark", "blackout"),
        ("busy", None),
        ("empty", "no_files"),
        ("dark", "blackout"),
        ("busy", "overlap"),
        ("empty", "no_files"),
    ]


@pytest.mark.parametrize(
    ("catch_up", "reasons"), [("skip", ["missed"]), ("latest", ["missed", None]), ("all", [None] * 2)]
)
async def test_ends_that_become_known_late_are_caught_up(
    schedule: Schedule, catch_up: str, reasons: list[str | None]
) -> None:
    first = await schedule.add_task(name="first")
    await schedule.add_task(After(task_id=first.id), name="second", catch_up=catch_up, overlap="queue")
    schedule.clock.advance(minutes=50)
    await tell(schedule, end_of(first, 1), end_of(first, 2, at=NOON + timedelta(minutes=5)))
    slots = await schedule.slots()
    assert [slot.reason for slot in slots] == reasons
    assert sum(slot.count for slot in slots) == 2


async def test_nothing_is_made_where_nobody_follows(schedule: Schedule) -> None:
    task = await schedule.add_task(Cron(expression="0 0 * * *"))
    await tell(schedule, end_of(task))
    assert await schedule.slots() == []


# --- who may follow whom ---------------------------------------------------------------------------------------------


async def test_a_cycle_is_refused_by_its_names(schedule: Schedule) -> None:
    one = await schedule.add_task(name="one")
    two = await schedule.add_task(After(task_id=one.id), name="two")
    three = await schedule.add_task(Cron(expression="0 0 * * *"), After(task_id=two.id), name="three")
    with pytest.raises(InvalidInput) as caught:
        await schedule.change(one, [TriggerWish(id=None, trigger=After(task_id=three.id))])
    assert caught.value.message == (
        "Task 'one' would follow itself: 'one' after 'three' after 'two' after 'one'. Take one of these triggers away."
    )
    assert [detail.field for detail in caught.value.details] == ["triggers.0.task_id"]
    with pytest.raises(InvalidInput, match="'one' would follow itself: 'one' after 'one'"):
        await schedule.change(one, [TriggerWish(id=None, trigger=After(task_id=one.id))])
    # A ring of which the task is no part, and two ways to one task, are no cycle of its own.
    await schedule.add_task(After(task_id=one.id), After(task_id=three.id), name="four")


async def test_a_task_that_does_not_exist_cannot_be_followed(schedule: Schedule) -> None:
    with pytest.raises(InvalidInput, match="Task 99 does not exist") as caught:
        await schedule.add_task(Cron(expression="0 0 * * *"), After(task_id=99))
    assert [detail.field for detail in caught.value.details] == ["triggers.1.task_id"]


async def test_a_task_that_others_follow_is_not_deleted(schedule: Schedule) -> None:
    first = await schedule.add_task(name="first")
    second = await schedule.add_task(After(task_id=first.id), name="second")
    with pytest.raises(Conflict, match="used by the task 'second'"):
        await remove(schedule, first)
    await remove(schedule, second)
    await remove(schedule, first)


async def remove(schedule: Schedule, task: Task) -> None:
    async with schedule.database.write() as session:
        await tasks.remove(session, task.id, open_runs=0, now=schedule.clock())


async def test_two_that_close_a_cycle_together_are_not_both_let_through(schedule: Schedule) -> None:
    one, two = await schedule.add_task(name="one"), await schedule.add_task(name="two")

    async def let_follow(task: Task, other: Task) -> bool:
        try:
            await schedule.change(task, [TriggerWish(id=None, trigger=After(task_id=other.id))])
        except (Conflict, InvalidInput, DBAPIError):
            return False
        return True

    for _ in range(5):
        made = await asyncio.gather(let_follow(one, two), let_follow(two, one))
        assert sum(made) <= 1
        followed = [len(await schedule.triggers(task)) for task in (one, two)]
        assert sum(followed) <= 1
        await schedule.change(one, [])
        await schedule.change(two, [])
