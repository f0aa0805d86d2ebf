from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from kumo.clock import utc_now
from kumo.errors import Conflict
from kumo.runs import service
from kumo.runs.models import Attempt, Run
from kumo.runs.retries import next_attempt_at
from kumo.runs.states import FAILURES, RunState
from kumo.runs.tally import Ended, failures_in_a_row
from kumo.tasks import pools
from kumo.tasks import service as tasks
from kumo.tasks.models import Task
from kumo.tasks.policies import Retry
from tests.runs.conftest import House
from tests.runs.test_supervisor import most_at_once

# --- the rule --------------------------------------------------------------------------------------------------------

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_states = st.sampled_from(sorted(RunState))


def after(retry: Retry, state: RunState, *, attempt: int = 1, exit_code: int | None = 1, stop: bool = False) -> bool:
    due = next_attempt_at(
        retry, run_id=1, attempt=attempt, state=state, exit_code=exit_code, stop_requested=stop, ended_at=_AT
    )
    assert due is None or due >= _AT
    return due is not None


@given(state=_states, attempt=st.integers(1, 20), most=st.integers(1, 20))
def test_failures_are_tried_again_up_to_the_last_attempt(state: RunState, attempt: int, most: int) -> None:
    assert after(Retry(max_attempts=most), state, attempt=attempt) == (state in FAILURES and attempt < most)


@given(state=_states)
def test_what_a_person_stopped_is_not_tried_again(state: RunState) -> None:
    assert not after(Retry(max_attempts=9), state, stop=True)


@given(code=st.integers(-64, 255), codes=st.lists(st.integers(-64, 255), min_size=1, max_size=5))
def test_listed_exit_codes_are_the_only_ones(code: int, codes: list[int]) -> None:
    retry = Retry(max_attempts=2, exit_codes=codes)
    assert after(retry, RunState.FAILED, exit_code=code) == (code in codes)
    assert not after(retry, RunState.TIMED_OUT, exit_code=codes[0])
    assert not after(retry, RunState.LOST, exit_code=None)


def ended(state: RunState, second: int) -> Ended:
    return Ended(run_id=second, task_id=1, project_id=1, state=state, at=_AT + timedelta(seconds=second))


@given(states=st.lists(_states))
def test_failures_count_since_the_last_success(states: list[RunState]) -> None:
    ends = [ended(state, second) for second, state in enumerate(states)]
    succeeded, failures = failures_in_a_row(ends).get(1, (False, 0))
    since = states[len(states) - states[::-1].index(RunState.SUCCEEDED) :] if RunState.SUCCEEDED in states else states
    assert succeeded == (RunState.SUCCEEDED in states)
    assert failures == sum(state in FAILURES for state in since)


# --- runs ------------------------------------------------------------------------------------------------------------


async def attempts(house: House, run_id: int) -> list[Attempt]:
    async with house.database.read() as session:
        return (await service.attempts_of(session, [run_id]))[run_id]


async def test_a_run_that_fails_is_tried_again_and_ends_with_its_last_attempt(house: House) -> None:
    task = await house.add_task("python fails.py", retry=Retry(max_attempts=3, delay_seconds=0))
    run_id = await house.request(task)
    (run,) = await house.finish(run_id)
    assert (run.state, run.exit_code, run.attempt, run.retry_at) == ("failed", 3, 3, None)
    made = await attempts(house, run_id)
    assert [(attempt.number, attempt.state, attempt.exit_code) for attempt in made] == [
        (1, "failed", 3),
        (2, "failed", 3),
        (3, "failed", 3),
    ]
    assert run.started_at == made[0].started_at


async def test_a_run_between_two_attempts_holds_no_place_and_outlives_the_server(house: House) -> None:
    house.limit(1)
    task = await house.add_task("python fails.py", retry=Retry(max_attempts=2, delay_seconds=3000))
    run_id = await house.request(task)
    waiting = await house.reach(run_id, RunState.RETRYING)
    assert waiting.reason == "Attempt 1 of 2 failed: It ended with exit code 3. The next one follows."
    assert waiting.retry_at is not None
    assert waiting.retry_at >= utc_now() + timedelta(seconds=2900)
    await house.finish(await house.request(await house.add_task("python works.py")))
    await house.restart()
    await house.supervisor.step(utc_now())
    assert (await house.run(run_id)).state == "retrying"
    await house.supervisor.step(waiting.retry_at)
    (run,) = await house.finish(run_id)
    assert (run.state, run.attempt) == ("failed", 2)


async def test_a_run_that_is_stopped_between_two_attempts_is_over(house: House) -> None:
    task = await house.add_task("python fails.py", retry=Retry(max_attempts=2, delay_seconds=3000))
    run_id = await house.request(task)
    await house.reach(run_id, RunState.RETRYING)
    await house.stop(run_id)
    run = await house.run(run_id)
    assert (run.state, run.reason) == ("stopped", "Stopped before its next attempt.")


# --- failures in a row -----------------------------------------------------------------------------------------------


async def read_task(house: House, task: Task) -> Task:
    async with house.database.read() as session:
        return await tasks.get(session, task.id)


async def test_a_task_that_keeps_failing_is_paused_and_says_so(house: House) -> None:
    task = await house.add_task("python fails.py", failure_threshold=2)
    await house.finish(await house.request(task))
    once = await read_task(house, task)
    assert (once.active, once.consecutive_failures) == (True, 1)
    await house.finish(await house.request(task))
    paused = await read_task(house, task)
    assert (paused.active, paused.consecutive_failures) == (False, 2)
    assert paused.paused_reason == "Paused after 2 failures in a row. Resume it once the cause is mended."
    async with house.database.write() as session:
        resumed = await tasks.set_active(session, task.id, active=True, now=utc_now())
    assert (resumed.consecutive_failures, resumed.paused_reason) == (0, None)


async def test_a_success_ends_the_row(house: House) -> None:
    task = await house.add_task("python fails.py", failure_threshold=2)
    await house.finish(await house.request(task))
    async with house.database.write() as session:
        await session.execute(update(Task).where(Task.id == task.id).values(command="python works.py"))
    await house.finish(await house.request(task))
    after_success = await read_task(house, task)
    assert (after_success.active, after_success.consecutive_failures) == (True, 0)


# --- pools -----------------------------------------------------------------------------------------------------------


async def test_no_more_runs_of_a_pool_go_at_once_than_it_has_slots(house: House) -> None:
    async with house.database.write() as session:
        await pools.create(session, name="db", slots=2, now=utc_now())
    crowd = [
        await house.add_task("python naps.py", name=f"task {number}", overlap="allow", pool="db") for number in range(3)
    ]
    run_ids = [await house.request(task) for task in crowd * 2]
    outside = await house.request(await house.add_task("python works.py"))
    await house.finish(*run_ids, outside)
    assert most_at_once(house.records()) == 2
    assert sorted(run_id for _, run_id, word in house.records() if word == "start") == sorted(run_ids)


async def test_a_run_that_waits_for_its_pool_says_so_and_its_place(house: House) -> None:
    async with house.database.write() as session:
        await pools.create(session, name="db", slots=1, now=utc_now())
    task = await house.add_task("python waits.py", overlap="allow", pool="db")
    first, second, third = [await house.request(task) for _ in range(3)]
    await house.reach(first, RunState.RUNNING)
    await house.supervisor.step(utc_now())
    assert (await house.run(second)).reason == "Waits for a free slot of the pool 'db'."
    async with house.database.read() as session:
        places = [await service.queue_position(session, await service.get(session, id_)) for id_ in (second, third)]
    assert places == [1, 2]


# --- repetition ------------------------------------------------------------------------------------------------------


async def test_an_exact_repetition_has_everything_as_it_was(house: House) -> None:
    task = await house.add_task("python works.py")
    (first,) = await house.finish(await house.request(task))
    async with house.database.write() as session:
        await session.execute(update(Task).where(Task.id == task.id).values(command="python fails.py"))
    async with house.database.write() as session:
        repetition = await service.rerun(session, first.id, exact=True, actor="ada", now=utc_now())
    async with house.database.write() as session:
        anew = await service.rerun(session, first.id, exact=False, actor="ada", now=utc_now())
    exact, changed = await house.finish(repetition.id, anew.id)
    assert (exact.state, exact.command, exact.exact_of) == ("succeeded", "python works.py", first.id)
    assert (exact.snapshot_id, exact.interpreter) == (first.snapshot_id, first.interpreter)
    assert (changed.state, changed.command, changed.exact_of) == ("failed", "python fails.py", None)


async def test_a_run_that_never_started_cannot_be_repeated_exactly(house: House) -> None:
    run_id = await house.request(await house.add_task("python works.py"))
    await house.stop(run_id)
    async with house.database.write() as session:
        with pytest.raises(Conflict, match="was never started"):
            await service.rerun(session, run_id, exact=True, actor="ada", now=utc_now())


async def test_a_repetition_whose_interpreter_is_gone_says_so(house: House) -> None:
    (first,) = await house.finish(await house.request(await house.add_task("python works.py")))
    async with house.database.write() as session:
        await session.execute(update(Run).where(Run.id == first.id).values(interpreter="/nowhere/bin/python"))
    async with house.database.write() as session:
        repetition = await service.rerun(session, first.id, exact=True, actor="ada", now=utc_now())
    (run,) = await house.finish(repetition.id)
    assert (run.state, run.reason) == ("failed", f"The interpreter of run {first.id} is gone: /nowhere/bin/python.")
    async with house.database.read() as session:
        assert await session.scalar(select(Attempt.run_id).where(Attempt.run_id == run.id)) is None
