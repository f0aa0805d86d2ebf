"""Promise 2: kill -9 of the server never loses, doubles or interrupts a run. Kills at random moments."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import httpx

from chaos.house import House, beside
from chaos.outcome import Count, Outcome, equal, listed, none, same
from chaos.witness import ENDS, STARTS, files
from tests.postgres import running_postgres

_AT_ONCE = 8
_LARGEST_BURST = 20
_WORKS = """
import hashlib, random
record("starts")
digest = hashlib.sha256()
until, number = time.monotonic() + random.uniform(0, 1.5), 0
while number == 0 or time.monotonic() < until:
    number += 1
    line = f"run {RUN} line {number}"
    digest.update(line.encode() + b"\\n")
    print(line)
    time.sleep(0.02)
record("ends", sha256=digest.hexdigest())
"""


def carry_out(workplace: Path, random: Random, *, runs: int, kills: int, **settings: str) -> Outcome:
    """Ask for runs in bursts while the server is killed again and again; then wait for all ends and count."""
    scripts = files(works="import time\n" + _WORKS)
    with House(workplace, random, scripts, KUMO_MAX_PARALLEL_RUNS=str(_AT_ONCE), **settings) as house:
        tasks = [
            house.add_task("python works.py", name="all at once", overlap="allow"),
            house.add_task("python works.py", name="one by one", overlap="queue"),
            house.add_task("python works.py", name="three by three", overlap="queue", max_parallel=3, priority=5),
        ]
        accepted: list[int] = []

        def ask() -> None:
            with httpx.Client() as client:
                while len(accepted) < runs:
                    burst = random.choices(tasks, k=random.randint(1, _LARGEST_BURST))
                    accepted.extend(house.run_surely(client, task_id) for task_id in burst)
                    time.sleep(random.uniform(0, 0.5))

        with beside(ask):
            house.storm(kills)
        house.wait_until_all_is_over()
        stored = house.runs()
        logs = {run["id"]: _sha256_of_log(house, run["id"]) for run in stored}
        counts = judge(accepted, stored, house.records(STARTS), house.records(ENDS), logs)
        return Outcome(
            promise="2",
            name=f"Runs under kill -9 of the server, on {'PostgreSQL' if settings else 'SQLite'}",
            load=f"{len(stored)} runs of 0 to 1.5 s in bursts, {_AT_ONCE} at once",
            faults=listed(house.faults),
            counts=[*counts, house.defects()],
        )


def carry_out_on_postgresql(workplace: Path, random: Random, *, runs: int, kills: int) -> Outcome:
    """The same with the tables in PostgreSQL, which goes on while the server is killed."""
    with running_postgres() as postgres:
        url = postgres.url(postgres.create_database())
        return carry_out(workplace, random, runs=runs, kills=kills, KUMO_DATABASE_URL=url)


def judge(
    accepted: Sequence[int],
    stored: Sequence[dict[str, Any]],
    starts: Sequence[dict[str, Any]],
    ends: Sequence[dict[str, Any]],
    logs: dict[int, str],
) -> list[Count]:
    """Compare what was answered, what is stored and what the scripts recorded; `logs` are hashes of what is kept."""
    run_ids = [run["id"] for run in stored]
    printed = {end["run"]: end["sha256"] for end in ends}
    return [
        none("runs answered with 202 and not stored", set(accepted) - set(run_ids)),
        same("starts that scripts recorded, one for each stored run", run_ids, [start["run"] for start in starts]),
        same("ends that scripts recorded, one for each start", [start["run"] for start in starts], list(printed)),
        equal("runs stored as succeeded, at the first attempt", len(run_ids), sum(map(_went_well, stored))),
        none("logs that differ from what was printed", [each for each in run_ids if logs[each] != printed.get(each)]),
    ]


def _went_well(run: dict[str, Any]) -> bool:
    return (run["state"], run["exit_code"], run["attempt"]) == ("succeeded", 0, 1)


def _sha256_of_log(house: House, run_id: int) -> str:
    return hashlib.sha256(
        house.server.client.get(f"/runs/{run_id}/log/download").raise_for_status().content
    ).hexdigest()
