"""Promise 4: stop means that the whole tree is gone within grace + 2 s, with the server there or not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from chaos.house import House
from chaos.outcome import Count, Outcome, at_most, equal, listed, none
from chaos.trees import STUBBORN_SCRIPTS, gone_at, survivors
from chaos.witness import STARTS, files
from kumo.runner.contract import attempt_directory, request_stop
from tests.acceptance.api import until

_GRACE_SECONDS = 1.0
_ALLOWED_SECONDS = _GRACE_SECONDS + 2.0
_PATIENCE_SECONDS = 30.0


def carry_out(workplace: Path, random: Random, *, rounds: int) -> Outcome:
    """Start one of each kind of stubborn script, stop them in each of the ways, and look for survivors."""
    with House(workplace, random, files(**STUBBORN_SCRIPTS)) as house:
        tasks = [
            house.add_task(f"python {name}.py", overlap="allow", stop_grace_seconds=_GRACE_SECONDS)
            for name in STUBBORN_SCRIPTS
        ]
        counts: list[Count] = []
        for name, way in _WAYS.items():
            slowest = 0.0
            left: list[int] = []
            for _ in range(rounds):
                run_ids = _begin(house, tasks)
                slowest = max(slowest, way(house, run_ids))
                left += survivors(house.outputs)
            counts += [
                none(f"survivors, {name}", left),
                at_most(f"slowest end, {name}", _ALLOWED_SECONDS, round(slowest, 2), " s"),
            ]
        house.wait_until_all_is_over()
        runs = house.runs()
        return Outcome(
            promise="4",
            name="Stopping scripts that will not go",
            load=f"{len(runs)} scripts that ignore SIGTERM, daemonise, run away and fork on and on; grace 1 s",
            faults=listed(house.faults),
            counts=[
                *counts,
                equal("scripts that recorded a start", len(runs), len(house.records(STARTS))),
                equal("runs stored as stopped", len(runs), sum(run["state"] == "stopped" for run in runs)),
                house.defects(),
            ],
        )


def _begin(house: House, tasks: Sequence[int]) -> list[int]:
    before = len(house.records(STARTS))
    run_ids = [house.run_now(task_id) for task_id in tasks]
    until(lambda: len(house.records(STARTS)) == before + len(tasks), what="the start of all scripts")
    return run_ids


def _with_the_server_there(house: House, run_ids: Sequence[int]) -> float:
    began = time.monotonic()
    _ask(house, run_ids)
    return _seconds_until_gone(house, run_ids, began)


def _with_the_server_killed_at_once(house: House, run_ids: Sequence[int]) -> float:
    """The time counts from the next start."""
    _ask(house, run_ids)
    house.kill()
    house.start()
    return _seconds_until_gone(house, run_ids, time.monotonic())


def _without_a_server(house: House, run_ids: Sequence[int]) -> float:
    """By the stop file, which is all that a server would leave, too."""
    house.kill()
    began = time.monotonic()
    for run_id in run_ids:
        request_stop(attempt_directory(house.home, run_id, 1))
    seconds = _seconds_until_gone(house, run_ids, began)
    house.start()
    return seconds


def _of_the_next_server(house: House, run_ids: Sequence[int]) -> float:
    """The scripts have outlived the server that started them, and its zygote."""
    house.kill()
    house.start()
    began = time.monotonic()
    _ask(house, run_ids)
    return _seconds_until_gone(house, run_ids, began)


_WAYS: dict[str, Callable[[House, Sequence[int]], float]] = {
    "asked while the server is there": _with_the_server_there,
    "asked, then the server killed at once: after its restart": _with_the_server_killed_at_once,
    "asked by the stop file while there is no server": _without_a_server,
    "asked of the next server": _of_the_next_server,
}


def _ask(house: House, run_ids: Sequence[int]) -> None:
    for run_id in run_ids:
        house.server.client.post(f"/runs/{run_id}/stop").raise_for_status()


def _seconds_until_gone(house: House, run_ids: Sequence[int], began: float) -> float:
    """Waits well beyond what is allowed, so that the figure says by how much it was missed."""
    return max(gone_at(house.outputs, run_ids, patience_seconds=_PATIENCE_SECONDS).values()) - began
