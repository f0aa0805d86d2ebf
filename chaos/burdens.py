"""Promise 8: a bad script cannot take the house down. Its limit stops it, and everybody else goes on."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from random import Random
from statistics import quantiles
from threading import Event
from typing import Any

from chaos.house import House, beside
from chaos.outcome import Count, Outcome, at_most, equal, none, same
from chaos.trees import survivors
from chaos.witness import STARTS, files

_MIB = 1 << 20
_PROCESSES = 100
_MEMORY_BYTES = 512 * _MIB
_LOG_BYTES = 16 * _MIB
_SLOWEST_MILLISECONDS = 200
_PAUSE_SECONDS = 0.02
_QUICK_EVERY_SECONDS = 0.25

# Should nothing stop it, a bomb has 4,096 processes at most, and all of them end by themselves.
_BOMB = """
import os, signal, time
record("starts")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
END = time.monotonic() + 120
for _ in range(12):
    os.fork()
    {then}
while time.monotonic() < END:
    {idle}
"""
_SCRIPTS = {
    "quick": "record('starts')\n",
    "forks": _BOMB.format(then="pass", idle="pass"),
    "forks_daemons": _BOMB.format(then="os.getsid(0) == os.getpid() or os.setsid()", idle="time.sleep(0.1)"),
    "allocates": "record('starts')\nblocks = []\nwhile len(blocks) < 64:\n    blocks.append(b'x' * (64 << 20))\n",
    "floods": """
import os, sys
record("starts")
size = int(sys.argv[1])
print("the first line", flush=True)
block = b"what nobody will ever read\\n" * 40_000
while size > 0:
    size -= os.write(1, block[:size])
print("\\nthe last line", flush=True)
""",
}
_LIMITS: dict[str, dict[str, Any]] = {
    "python forks.py": {"processes": _PROCESSES},
    "python forks_daemons.py": {"processes": _PROCESSES},
    "python allocates.py": {"memory_bytes": _MEMORY_BYTES},
}
_REASON = re.compile(r"Ended because it (started \d+ of 100 processes allowed|used \S+ [MG]iB of 512 MiB of memory)\.")


def carry_out(workplace: Path, random: Random, *, flood_bytes: int, is_timed: bool) -> Outcome:
    """Let bad scripts go at once, and use the house meanwhile as if nothing were.

    Answers are timed, and judged by their times only where the machine has nothing else to do.
    """
    with House(workplace, random, files(**_SCRIPTS)) as house:
        tasks = [house.add_task(command, limits=limits) for command, limits in _LIMITS.items()]
        flood = house.add_task(f"python floods.py {flood_bytes}", limits={"log_bytes": _LOG_BYTES})
        quick = house.add_task("python quick.py", overlap="allow")
        quick_runs: list[int] = []
        milliseconds: list[float] = []
        enough = Event()

        def use() -> None:
            for path in cycle(("/tasks", "/runs", "/dashboard", f"/tasks/{quick}/runs")):
                began = time.perf_counter()
                house.server.client.get(path).raise_for_status()
                milliseconds.append(1000 * (time.perf_counter() - began))
                if enough.wait(_PAUSE_SECONDS):
                    return

        def ask() -> None:
            while not enough.wait(_QUICK_EVERY_SECONDS):
                quick_runs.append(house.run_now(quick))

        with beside(use, ask):
            bad_runs = [house.run_now(task_id) for task_id in tasks]
            flood_run = house.run_now(flood)
            house.wait_until_over([*bad_runs, flood_run])
            enough.set()
        house.wait_until_all_is_over()
        stored = {run["id"]: run for run in house.runs()}
        log = house.server.client.get(f"/runs/{flood_run}/log/download").raise_for_status().content
        return Outcome(
            promise="8",
            name="Bad scripts beside good ones",
            load=f"{len(quick_runs)} short runs and {len(milliseconds)} questions of somebody who looks around",
            faults=f"a fork bomb, a fork bomb of daemons, an allocation of 4 GiB, an output of {flood_bytes >> 20} MiB",
            counts=[
                *_limited([stored[run_id] for run_id in bad_runs]),
                *_flooded(stored[flood_run], log),
                none("survivors", survivors(house.outputs)),
                same("short runs that succeeded", quick_runs, _succeeded(stored, quick_runs)),
                same(
                    "starts that scripts recorded, one for each stored run",
                    list(stored),
                    [start["run"] for start in house.records(STARTS)],
                ),
                *_answered(milliseconds, is_timed=is_timed),
                house.defects(),
            ],
        )


def _limited(runs: Sequence[dict[str, Any]]) -> list[Count]:
    named = [run for run in runs if run["state"] == "failed" and _REASON.fullmatch(run["reason"] or "")]
    return [equal("runs ended by their limit, which is named", len(runs), len(named))]


def _flooded(run: dict[str, Any], log: bytes) -> list[Count]:
    lines = log.splitlines()
    is_whole = run["state"] == "succeeded" and lines[0] == b"the first line" and lines[-1] == b"the last line"
    told = sum(b"of output were left out here" in line for line in lines)
    return [
        equal("floods whose run succeeded, with the first and the last line kept", 1, int(is_whole)),
        equal("lines in the log that say how much was left out", 1, told),
        at_most("MiB kept of the flood", _LOG_BYTES >> 20, round(len(log) / _MIB, 2)),
    ]


def _succeeded(stored: dict[int, dict[str, Any]], run_ids: Sequence[int]) -> list[int]:
    return [run_id for run_id in run_ids if stored[run_id]["state"] == "succeeded"]


def _answered(milliseconds: Sequence[float], *, is_timed: bool) -> list[Count]:
    slow = round(quantiles(milliseconds, n=20)[-1], 1)
    return [at_most("95th percentile of the answers' times", _SLOWEST_MILLISECONDS, slow, " ms")] if is_timed else []
