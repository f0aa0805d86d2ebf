"""Promise 5: a timeout holds while everything else is dead, the server as well as the process that forks runners."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from chaos.house import House
from chaos.outcome import Outcome, at_most, equal, listed, none
from chaos.trees import STUBBORN_SCRIPTS, gone_at, survivors
from chaos.witness import STARTS, files
from tests.acceptance.api import until

_GRACE_SECONDS = 1.0
_ALLOWED_SECONDS = 3.0  # from the timeout on, grace included
_PATIENCE_SECONDS = 30.0


def carry_out(workplace: Path, random: Random, *, timeout_seconds: float, killed_after_seconds: float) -> Outcome:
    """Start one script of each stubborn kind with a timeout, kill server and zygote, and time the ends of the trees."""
    with House(workplace, random, files(**STUBBORN_SCRIPTS)) as house:
        run_ids = [
            house.run_now(
                house.add_task(f"python {name}.py", timeout_seconds=timeout_seconds, stop_grace_seconds=_GRACE_SECONDS)
            )
            for name in STUBBORN_SCRIPTS
        ]
        starts = until(lambda: _all_starts(house, run_ids), what="the start of all scripts")
        zygote = house.zygote()
        killed_at = max(start["ticks"] for start in starts) + killed_after_seconds
        time.sleep(max(0.0, killed_at - time.monotonic()))
        house.kill()
        with suppress(ProcessLookupError):  # it leaves by itself when the server is gone
            zygote.kill()
        house.faults["kill -9 of the zygote"] += 1
        alive = set(survivors(house.outputs).values())
        gone = gone_at(house.outputs, run_ids, patience_seconds=timeout_seconds + _PATIENCE_SECONDS)
        # From each script's own record of its start, by the monotonic clock that all processes share.
        slowest = max(gone[start["run"]] - start["ticks"] for start in starts)
        left = survivors(house.outputs)
        house.start()
        house.wait_until_all_is_over()
        runs = house.runs()
        return Outcome(
            promise="5",
            name="A timeout while server and zygote are dead",
            load=f"{len(runs)} scripts that ignore SIGTERM, daemonise, run away and fork on and on; timeout "
            f"{timeout_seconds:g} s, grace {_GRACE_SECONDS:g} s",
            faults=f"{listed(house.faults)}, {killed_after_seconds:g} s after the last start",
            counts=[
                equal("runs that went on after the kills", len(runs), len(alive)),
                none("survivors", left),
                at_most(
                    "slowest end after the script's start", timeout_seconds + _ALLOWED_SECONDS, round(slowest, 2), " s"
                ),
                equal("runs stored as timed out after the restart", len(runs), sum(map(_timed_out, runs))),
                house.defects(),
            ],
        )


def _all_starts(house: House, run_ids: list[int]) -> list[dict[str, Any]] | None:
    starts = house.records(STARTS)
    return starts if len(starts) == len(run_ids) else None


def _timed_out(run: dict[str, Any]) -> bool:
    return run["state"] == "timed_out" and "timeout" in (run["reason"] or "")
