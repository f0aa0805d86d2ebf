from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter

import psutil
import pytest
from sqlalchemy import select

from kumo.clock import utc_now
from kumo.environments.models import Environment
from kumo.errors import Conflict
from kumo.runner.contract import attempt_directory, read_result, read_started
from kumo.runs import observation, service
from kumo.runs.models import DailyFailures, DailyTally, Run
from kumo.runs.states import OPEN, RunState
from tests.runs.conftest import House

# --- ends ------------------------------------------------------------------------------------------------------------


async def test_a_run_goes_from_the_queue_to_its_success(house: House) -> None:
    task = await house.add_task("python works.py")
    run_id = await house.request(task)
    assert (await house.run(run_id)).state == "queued"
    (run,) = await house.finish(run_id)
    attempt = await house.attempt(run_id)
    assert (run.state, run.exit_code, run.reason) == ("succeeded", 0, None)
    assert run.started_at is not None
    assert run.ended_at is not None
    assert run.queued_at <= run.ended_at
    assert (attempt.state, attempt.number, attempt.worker) == ("succeeded", 1, "local")
    log = attempt_directory(house.settings.home, run_id, 1) / "log"
    assert log.read_text() == f"hello from run {run_id}\n"
    assert attempt.log_bytes == log.stat().st_size
    assert await house.last_run_of(task) == (run_id, "succeeded")


async def test_the_start_of_a_run_can_be_asked_for(house: House) -> None:
    run_id = await house.request(await house.add_task("python works.py"))
    (run,) = await house.finish(run_id)
    async with house.database.read() as session:
        assert await session.scalar(select(Run.id).where(Run.started_at == run.started_at)) == run_id


async def test_another_exit_code_is_a_failure(house: House) -> None:
    run_id = await house.request(await house.add_task("python fails.py"))
    (run,) = await house.finish(run_id)
    assert (run.state, run.exit_code) == ("failed", 3)


async def test_a_program_that_is_not_there_is_a_failure_with_a_reason(house: House) -> None:
    run_id = await house.request(await house.add_task("no-such-program --now"))
    (run,) = await house.finish(run_id)
    assert (run.state, run.exit_code) == ("failed", 127)
    assert run.reason is not None
    assert "no-such-program" in run.reason


async def test_a_run_ends_at_its_timeout(house: House) -> None:
    run_id = await house.request(await house.add_task("python waits.py", timeout_seconds=0.5))
    (run,) = await house.finish(run_id)
    assert (run.state, run.reason) == ("timed_out", "Ran into its timeout of 0.5 seconds.")


async def test_a_run_that_is_stopped_while_it_waits_never_starts(house: House) -> None:
    task = await house.add_task("python waits.py")
    run_id = await house.request(task)
    await house.stop(run_id)
    for _ in range(3):
        await house.supervisor.step(utc_now())
    run = await house.run(run_id)
    assert (run.state, run.started_at, run.reason) == ("stopped", None, "Stopped in the queue.")
    assert house.records() == []
    assert await house.last_run_of(task) == (run_id, "stopped")


async def test_a_run_that_is_stopped_while_it_goes_is_gone(house: House) -> None:
    run_id = await house.request(await house.add_task("python waits.py"))
    await house.reach(run_id, RunState.RUNNING)
    await house.stop(run_id)
    (run,) = await house.finish(run_id)
    assert run.state == "stopped"
    ours = f"KUMO_RUN_ID={run_id}"
    assert not [process for process in psutil.process_iter() if _has_word(process, ours, str(house.settings.home))]


def _has_word(process: psutil.Process, *words: str) -> bool:
    try:
        told = " ".join(f"{name}={value}" for name, value in process.environ().items())
    except psutil.Error:
        return False
    return all(word in told for word in words)


async def test_a_run_that_is_over_cannot_be_stopped(house: House) -> None:
    run_id = await house.request(await house.add_task())
    await house.finish(run_id)
    with pytest.raises(Conflict, match="is over already: it is succeeded"):
        await house.stop(run_id)


# --- places ----------------------------------------------------------------------------------------------------------


def most_at_once(records: list[tuple[int, int, str]]) -> int:
    going = most = 0
    for _, _, word in sorted(records):
        going += 1 if word == "start" else -1
        most = max(most, going)
    return most


async def test_runs_of_a_task_wait_for_each_other(house: House) -> None:
    task = await house.add_task("python naps.py", overlap="queue", max_parallel=2)
    run_ids = [await house.request(task) for _ in range(6)]
    runs = await house.finish(*run_ids)
    assert {run.state for run in runs} == {"succeeded"}
    assert most_at_once(house.records()) <= 2
    assert sorted(run_id for _, run_id, word in house.records() if word == "start") == run_ids


async def test_a_waiting_run_says_what_it_waits_for(house: House) -> None:
    task = await house.add_task("python waits.py", overlap="queue")
    first, second = await house.request(task), await house.request(task)
    await house.reach(first, RunState.RUNNING)
    assert (await house.run(second)).reason == "Waits for an earlier run of the same task to end."
    await house.stop(first)
    await house.reach(second, RunState.RUNNING)
    assert (await house.run(second)).reason is None


async def test_no_more_runs_go_at_once_than_the_machine_may(house: House) -> None:
    house.limit(2)
    tasks = [await house.add_task("python naps.py", name=f"task {number}", overlap="allow") for number in range(3)]
    run_ids = [await house.request(task) for task in tasks * 2]
    await house.finish(*run_ids)
    assert most_at_once(house.records()) <= 2
    assert sorted(run_id for _, run_id, word in house.records() if word == "start") == sorted(run_ids)


async def test_the_higher_priority_goes_first(house: House) -> None:
    house.limit(1)
    low = await house.add_task("python naps.py", name="low", priority=-5, overlap="allow")
    high = await house.add_task("python naps.py", name="high", priority=5, overlap="allow")
    run_ids = [await house.request(task) for task in (low, low, high, high)]
    await house.finish(*run_ids)
    started = [run_id for _, run_id, word in house.records() if word == "start"]
    assert started == [run_ids[2], run_ids[3], run_ids[0], run_ids[1]]


async def test_a_task_with_many_waiting_runs_does_not_hold_up_others(house: House) -> None:
    busy = await house.add_task("python waits.py", overlap="queue", priority=9)
    waiting = [await house.request(busy) for _ in range(20)]
    await house.reach(waiting[0], RunState.RUNNING)
    run_id = await house.request(await house.add_task("python works.py"))
    await house.supervisor.step(utc_now(), full=False)
    (run,) = await house.finish(run_id)
    assert run.state == "succeeded"


# --- what is lost ----------------------------------------------------------------------------------------------------


async def test_a_run_whose_launch_was_lost_is_launched_again_and_starts_once(house: House) -> None:
    house.dispatcher.loses_launches = True
    run_id = await house.request(await house.add_task("python naps.py"))
    await house.reach(run_id, RunState.STARTING)
    await house.restart()
    (run,) = await house.finish(run_id)
    assert run.state == "succeeded"
    assert [word for _, _, word in house.records()] == ["start", "end"]


async def test_a_launch_that_is_repeated_though_it_arrived_starts_nothing(house: House) -> None:
    run_id = await house.request(await house.add_task("python naps.py"))
    await house.reach(run_id, RunState.STARTING)
    # A restart between the launch and the marker: the new supervisor cannot know, and launches again.
    supervisors = [house.new_supervisor() for _ in range(3)]
    await asyncio.gather(*(supervisor.step(utc_now()) for supervisor in supervisors))
    (run,) = await house.finish(run_id)
    assert run.state == "succeeded"
    assert [word for _, _, word in house.records()] == ["start", "end"]


async def test_a_stop_reaches_a_run_whose_launch_was_lost(house: House) -> None:
    house.dispatcher.loses_launches = True
    run_id = await house.request(await house.add_task("python waits.py"))
    await house.reach(run_id, RunState.STARTING)
    await house.stop(run_id)
    await house.restart()
    (run,) = await house.finish(run_id)
    assert run.state == "stopped"
    assert house.records() == []


async def test_a_run_whose_runner_was_killed_is_lost(house: House) -> None:
    task = await house.add_task("python waits.py")
    run_id = await house.request(task)
    await house.reach(run_id, RunState.RUNNING)
    started = read_started(attempt_directory(house.settings.home, run_id, 1))
    assert started is not None
    script = psutil.Process(started.pid).children(recursive=True)
    os.kill(started.pid, signal.SIGKILL)
    (run,) = await house.finish(run_id)
    assert script
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in script)
    assert (run.state, run.reason) == ("lost", observation.VANISHED)
    assert (await house.attempt(run_id)).state == "lost"
    assert await house.last_run_of(task) == (run_id, "lost")


async def test_a_run_goes_on_while_the_server_is_down_and_its_result_is_found(house: House) -> None:
    run_id = await house.request(await house.add_task("python naps.py"))
    await house.reach(run_id, RunState.STARTING, RunState.RUNNING)
    await house.restart()
    async with asyncio.timeout(30):
        while read_result(attempt_directory(house.settings.home, run_id, 1)) is None:
            await asyncio.sleep(0.05)
    (run,) = await house.finish(run_id)
    assert run.state == "succeeded"
    assert house.dispatcher.launched == []
    assert [word for _, _, word in house.records()] == ["start", "end"]


async def test_no_word_is_needed_for_an_end_to_be_seen(house: House) -> None:
    house.dispatcher.loses_words = True
    (run,) = await house.finish(await house.request(await house.add_task()))
    assert run.state == "succeeded"


async def test_the_loop_carries_a_run_to_its_end(house: House) -> None:
    task = await house.add_task()
    loop = asyncio.create_task(house.supervisor.forever())
    try:
        with house.database.changes.subscribe("run") as heard:
            run_id = await house.request(task)
            async with asyncio.timeout(60):
                while (await house.run(run_id)).state in OPEN:
                    await heard.wait(5)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    assert (await house.run(run_id)).state == "succeeded"


# --- environments ----------------------------------------------------------------------------------------------------


async def test_an_environment_that_cannot_be_built_fails_the_run_with_the_reason(house: House) -> None:
    task = await house.add_task("python undeclared.py")
    run_id = await house.request(task)
    (run,) = await house.finish(run_id)
    assert run.state == "failed"
    assert run.reason is not None
    assert run.reason.startswith("Its environment cannot be built: ")
    assert await house.last_run_of(task) == (run_id, "failed")


async def test_an_environment_without_a_build_fails_the_run_with_the_reason(house: House) -> None:
    async with house.database.write() as session:
        environment = Environment(
            name="empty", source="packages", packages=[], created_at=utc_now(), updated_at=utc_now()
        )
        session.add(environment)
    run_id = await house.request(await house.add_task(environment_id=environment.id))
    (run,) = await house.finish(run_id)
    assert (run.state, run.reason) == ("failed", "Its environment has no build. Build it, then run again.")


# --- moves and counts ------------------------------------------------------------------------------------------------


async def test_of_many_that_move_a_run_one_wins(house: House) -> None:
    run_id = await house.request(await house.add_task())

    async def move(target: RunState) -> bool:
        async with house.database.write() as session:
            return await service.move_run(session, run_id, RunState.QUEUED, target, ended_at=utc_now())

    won = await asyncio.gather(*(move(RunState.STOPPED if number % 2 else RunState.FAILED) for number in range(8)))
    assert sum(won) == 1


async def test_each_end_is_counted_on_its_day(house: House) -> None:
    works, fails = await house.add_task("python works.py"), await house.add_task("python fails.py")
    ended = await house.finish(*[await house.request(task) for task in (works, works, fails)])
    async with house.database.read() as session:
        tallies = (await session.scalars(select(DailyTally))).all()
        failures = (await session.scalars(select(DailyFailures))).all()
    days = {run.ended_at.date() for run in ended if run.ended_at}
    assert {tally.day for tally in tallies} == days
    counts = Counter[str]()
    for tally in tallies:
        counts[tally.state] += tally.count
    assert counts == {"succeeded": 2, "failed": 1}
    assert [(each.task_id, each.count) for each in failures] == [(fails.id, 1)]


async def test_an_older_run_that_ends_later_does_not_become_the_last(house: House) -> None:
    task = await house.add_task("python waits.py", overlap="allow")
    first, second = await house.request(task), await house.request(task)
    await house.reach(first, RunState.RUNNING)
    await house.reach(second, RunState.RUNNING)
    await house.stop(second)
    await house.finish(second)
    await house.stop(first)
    await house.finish(first)
    assert await house.last_run_of(task) == (second, "stopped")
