"""Promise 13: an outage of the database kills nothing, and the first new run starts within 10 s after it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx

from chaos import schedules
from chaos.house import House
from chaos.outcome import Outcome, at_most, equal, listed, none, same
from chaos.witness import ENDS, STARTS, files
from tests.acceptance.api import until
from tests.postgres import PostgresServer, running_postgres

_PLACES = 12
_GOING = 4
_WAITING = 10
_FIRST_START_SECONDS = 10.0
_SCRIPTS = {
    "waits": "record('starts')\nwait_for(f'go-{RUN}')\nrecord('ends')\n",
    "works": "record('starts')\nrecord('ends')\n",
}


def carry_out(workplace: Path, random: Random, *, seconds: float) -> Outcome:
    """Stop PostgreSQL while runs go, wait and come due; let some end meanwhile; start it again."""
    with (
        running_postgres() as postgres,
        House(
            workplace,
            random,
            files(**_SCRIPTS),
            KUMO_MAX_PARALLEL_RUNS=str(_PLACES),
            KUMO_DATABASE_URL=postgres.url(postgres.create_database()),
        ) as house,
    ):
        waits = house.add_task("python waits.py", overlap="allow", name="goes on")
        one_by_one = house.add_task("python waits.py", overlap="queue", name="waits for the one before")
        going = [house.run_now(waits) for _ in range(_GOING)]
        waiting = [house.run_now(one_by_one) for _ in range(_WAITING)]
        schedule = schedules.each_second(house, "python works.py")
        # Those that go on, the first of those that wait, and one that came due.
        until(lambda: len(house.records(STARTS)) >= _GOING + 2, what="the starts before the outage")

        told = [*going[: _GOING // 2], *waiting]
        with _outage(house, postgres, seconds) as during:
            _let_go(house, told)
        begun = until(lambda: house.records(STARTS)[during.starts :], what="the first start after the outage")
        _let_go(house, going)
        until(lambda: _status(house) == httpx.codes.OK, what="an answer after the outage")
        counts = schedules.end_and_judge(house, [schedule], until_moment=schedules.now())
        runs = house.runs()
        starts = [start["run"] for start in house.records(STARTS)]
        ends = [end["run"] for end in house.records(ENDS)]
        return Outcome(
            promise="13b",
            name="An outage of PostgreSQL",
            load=f"{_GOING} runs that went on, {_WAITING} that waited, a task due each second; {len(runs)} runs in all",
            faults=listed(house.faults),
            counts=[
                none("scripts that did not end during it, though told to", set(told[: _GOING // 2 + 1]) - during.ended),
                equal("status of a request during it", httpx.codes.SERVICE_UNAVAILABLE, during.status),
                at_most("first new start after it", _FIRST_START_SECONDS, begun[0]["ticks"] - during.over_at, " s"),
                same("starts that scripts recorded, one for each run", [run["id"] for run in runs], starts),
                same("ends that scripts recorded, one for each start", starts, ends),
                *counts,
            ],
        )


@dataclass(kw_only=True)
class _During:
    """What was seen of the scripts and of the server before the database came back."""

    starts: int = 0  # of all scripts so far
    ended: set[int] = field(default_factory=set)  # the runs of those that had ended
    status: int = 0  # of an HTTP request
    over_at: float = 0.0  # when the database answered again, by the monotonic clock


@contextmanager
def _outage(house: House, postgres: PostgresServer, seconds: float) -> Iterator[_During]:
    """Stop the database before the block, and start it so many seconds later."""
    during = _During()
    postgres.halt()
    house.faults[f"outage of {seconds:.0f} s"] += 1
    over_at = time.monotonic() + seconds
    yield during
    during.status = _status(house)
    time.sleep(max(0.0, over_at - time.monotonic()))
    during.starts, during.ended = len(house.records(STARTS)), {end["run"] for end in house.records(ENDS)}
    postgres.resume()
    during.over_at = time.monotonic()


def _status(house: House) -> int:
    return house.server.client.get("/runs?limit=1").status_code


def _let_go(house: House, run_ids: list[int]) -> None:
    for run_id in run_ids:
        (house.outputs / f"go-{run_id}").touch()
