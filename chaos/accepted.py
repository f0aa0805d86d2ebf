"""Promise 6: what was answered with "accepted" is stored; and what is stored runs, once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import httpx

from chaos.house import House, beside
from chaos.outcome import Count, Outcome, equal, listed, none, same
from chaos.witness import STARTS, files

_CLIENTS = 16
_AT_ONCE = 16
_LONGEST_PAUSE_SECONDS = 0.8
_SCRIPTS = {"tells": "record('starts')\n"}


def carry_out(workplace: Path, random: Random, *, kills: int) -> Outcome:
    """Let clients ask for runs as fast as they can while the server is killed; then compare their lists with it."""
    with House(workplace, random, files(**_SCRIPTS), KUMO_MAX_PARALLEL_RUNS=str(_AT_ONCE)) as house:
        task_id = house.add_task("python tells.py", overlap="allow")
        accepted: list[int] = []
        verdicts: list[str] = []
        enough = Event()

        def ask() -> None:
            with httpx.Client() as client:
                while not enough.is_set():
                    accepted.append(house.run_surely(client, task_id))

        with beside(*[ask] * _CLIENTS):
            for _ in range(kills):
                # Short, so that the queue stays within what the machine can carry out.
                house.wait_a_moment(_LONGEST_PAUSE_SECONDS)
                house.kill()
                verdicts.append(_integrity(house))
                house.start()
            enough.set()
        house.wait_until_all_is_over()
        stored = house.runs()
        return Outcome(
            promise="6",
            name="Requests for runs under kill -9 of the server",
            load=f"{_CLIENTS} clients; {len(accepted)} requests answered with 202, {len(stored)} runs stored",
            faults=listed(house.faults),
            counts=[*judge(accepted, stored, house.records(STARTS), verdicts), house.defects()],
        )


def judge(
    accepted: Sequence[int], stored: Sequence[dict[str, Any]], starts: Sequence[dict[str, Any]], verdicts: Sequence[str]
) -> list[Count]:
    """Compare the clients' list with what is stored; `verdicts` are those of SQLite after each kill.

    More may be stored than was answered: a kill between the two costs the answer, not the run.
    """
    run_ids = [run["id"] for run in stored]
    return [
        equal("runs answered with 202 that are stored", len(accepted), len(set(accepted) & set(run_ids))),
        none("ids answered twice", [each for each in set(accepted) if accepted.count(each) > 1]),
        equal("stored runs that succeeded", len(run_ids), sum(run["state"] == "succeeded" for run in stored)),
        same("starts that scripts recorded, one for each stored run", run_ids, [start["run"] for start in starts]),
        none("verdicts of SQLite's integrity_check other than ok", [each for each in verdicts if each != "ok"]),
    ]


def _integrity(house: House) -> str:
    with closing(sqlite3.connect(house.home / "kumo.db", timeout=30)) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    return str(verdict)
