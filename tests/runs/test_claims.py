"""Claims that come with the request: what is due starts without waiting for a round."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from kumo.clock import utc_now
from kumo.errors import Conflict
from kumo.runs import service
from kumo.runs.service import Cause, Queued, Wish
from kumo.runs.states import RunState
from kumo.tasks.triggers import Date
from tests.runs.conftest import House
from tests.runs.test_supervisor import most_at_once


async def test_a_run_is_claimed_in_the_transaction_that_queues_it_and_launched_after_it(house: House) -> None:
    task = await house.add_task("python works.py", overlap="allow")
    await house.finish(await house.request(task))  # so that enough is known of it
    with house.database.changes.subscribe("queue", "run") as told:
        async with house.supervisor.queueing() as session:
            run = await service.request_run(session, task.id, Cause(type="slot"), utc_now())
            assert house.dispatcher.launched[-1] != run.id
        assert house.dispatcher.launched[-1] == run.id
        assert (await house.run(run.id)).state == "starting"
        # There is nothing left to do for whoever waits for word of the queue.
        assert {(change.kind, change.id) for change in told.take()} == {("run", run.id)}
    assert (await house.finish(run.id))[0].state == "succeeded"
    assert house.dispatcher.launched.count(run.id) == 1


async def test_a_transaction_that_fails_launches_nothing(house: House) -> None:
    task = await house.add_task("python works.py", overlap="allow")
    await house.finish(await house.request(task))
    launched = list(house.dispatcher.launched)
    with pytest.raises(Conflict):
        async with house.supervisor.queueing() as session:
            await service.request_run(session, task.id, Cause(type="slot"), utc_now())
            raise Conflict("Something else is wrong.")
    assert house.dispatcher.launched == launched


async def test_what_cannot_start_at_once_is_left_to_the_rounds(house: House) -> None:
    house.limit(1)
    task = await house.add_task("python naps.py", overlap="allow")
    with house.database.changes.subscribe("queue") as told:
        async with house.supervisor.queueing() as session:
            unknown = await service.request_run(session, task.id, Cause(type="slot"), utc_now())
        assert [change.id for change in told.take()] == [unknown.id]
        assert (await house.run(unknown.id)).state == "queued"
        await house.finish(unknown.id)
        async with house.supervisor.queueing() as session:
            wishes = [Wish(task_id=task.id, cause=Cause(type="slot")) for _ in range(3)]
            first, *others = await service.request_runs(session, wishes, utc_now())
        assert isinstance(first, Queued)
        assert (await house.run(first.id)).state == "starting"
        left = [run.id for run in others if isinstance(run, Queued)]
        assert [change.id for change in told.take()] == left
    assert [(await house.run(run_id)).state for run_id in left] == ["queued", "queued"]
    assert {run.state for run in await house.finish(first.id, *left)} == {"succeeded"}
    assert most_at_once(house.records()) == 1


async def test_two_transactions_that_queue_at_the_same_time_share_the_places(house: House) -> None:
    house.limit(3)
    task = await house.add_task("python waits.py", overlap="allow")
    first = await house.request(task)
    await house.reach(first, RunState.RUNNING)

    async def queue_two() -> list[int]:
        async with house.supervisor.queueing() as session:
            wishes = [Wish(task_id=task.id, cause=Cause(type="slot")) for _ in range(2)]
            return [run.id for run in await service.request_runs(session, wishes, utc_now()) if isinstance(run, Queued)]

    queued = [run_id for each in await asyncio.gather(queue_two(), queue_two(), queue_two()) for run_id in each]
    assert [(await house.run(run_id)).state for run_id in queued].count("starting") == 2
    for run_id in (first, *reversed(queued)):
        await house.stop(run_id)
    await house.finish(first, *queued)


async def test_a_runner_is_ready_before_the_first_run_where_something_will_be_due(house: House) -> None:
    task = await house.add_task("python works.py", overlap="allow")
    await house.supervisor._warm_up()
    assert house.dispatcher._idle == []
    await house.add_trigger(task, Date(at=utc_now() + timedelta(hours=1)))
    await house.supervisor._warm_up()
    (ready,) = house.dispatcher._idle
    run_id = await house.request(task)
    await house.finish(run_id)
    assert ready.spec is not None
    assert ready.spec.run_id == run_id
    await house.supervisor._warm_up()  # there is one already
    assert house.dispatcher._idle == [ready]
