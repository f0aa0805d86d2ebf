"""Promise 2: kills at each named step between the queue and the stored end.

No failure points in the product are needed. A process that is stopped by SIGSTOP holds the launch up; whoever holds
SQLite's write lock holds the next commit up; and which step is reached shows in the database and in the attempt's
directory, which are looked at from outside before the kill, and once more after it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import psutil

from chaos.house import House
from chaos.outcome import Outcome, equal, listed, same
from chaos.witness import ENDS, STARTS, files
from kumo.runner.contract import RESULT, attempt_directory
from kumo.runner.contract import STARTED as MARKER
from tests.acceptance.api import until

_SCRIPTS = {
    "waits": "record('starts')\nwait_for(f'go-{RUN}')\nrecord('ends')\n",
    "fails_once": """
import os, sys
record("starts")
record("ends")
sys.exit(1 if os.environ["KUMO_ATTEMPT"] == "1" else 0)
""",
}


def carry_out(workplace: Path, random: Random, *, rounds: int) -> Outcome:
    """Kill the server at each step, so many times each."""
    with House(workplace, random, files(**_SCRIPTS), KUMO_MAX_PARALLEL_RUNS="1") as house:
        attack = _Attack(house)
        for _ in range(rounds):
            for step in (
                attack.before_the_claim_is_committed,
                attack.between_claim_and_launch,
                attack.between_launch_and_marker,
                attack.between_launch_and_marker_with_two_runners,
                attack.between_marker_and_the_stored_start,
                attack.between_result_and_the_stored_end,
                attack.between_two_attempts,
            ):
                step()
        house.wait_until_all_is_over()
        stored = house.runs()
        wanted = [(run["id"], attempt["number"]) for run in stored for attempt in run["attempts"]]
        starts = [(start["run"], start["attempt"]) for start in house.records(STARTS)]
        ends = [(end["run"], end["attempt"]) for end in house.records(ENDS)]
        return Outcome(
            promise="2",
            name="Kills at each step from the queue to the stored end",
            load=f"{len(stored)} runs, one at a time",
            faults=listed(house.faults),
            counts=[
                same("starts that scripts recorded, one for each attempt", wanted, starts),
                same("ends that scripts recorded, one for each start", starts, ends),
                equal("attempts of all runs", attack.attempts, len(wanted)),
                equal("runs stored as succeeded", len(stored), sum(run["state"] == "succeeded" for run in stored)),
                house.defects(),
            ],
        )


class _Attack:
    """The steps, each reached, seen from outside, and cut off by a kill."""

    def __init__(self, house: House) -> None:
        self.attempts = 0
        self._house = house
        self._waits = house.add_task("python waits.py", name="waits", overlap="allow")
        self._fails_once = house.add_task(
            "python fails_once.py", name="fails once", overlap="allow", retry={"max_attempts": 2, "delay_seconds": 2}
        )

    def before_the_claim_is_committed(self) -> None:
        """The one place becomes free, but the transaction that would give it to the next run cannot commit."""
        going = self._running()
        queued = self._ask()
        with self._write_lock():
            self._let_go(going)
            until(lambda: self._has(going, RESULT), what="the end of the run that goes before")
            self._kill("with a claim not committed")
        assert self._state(queued) == "queued"
        assert self._state(going) == "running"
        self._start_and_finish(queued)

    def between_claim_and_launch(self) -> None:
        """The run is claimed, but the zygote forks no runner for it, and dies with the server."""
        zygote, runners = self._forkers()
        zygote.suspend()
        for runner in runners:
            runner.kill()
        psutil.wait_procs(runners, 5)
        run_id = self._ask()
        until(lambda: self._state(run_id) == "starting", what="the claim")
        self._kill("between claim and launch")
        zygote.kill()
        assert not self._has(run_id, MARKER)
        self._start_and_finish(run_id)

    def between_launch_and_marker(self) -> None:
        """The runner has been told, but has not taken the attempt; it does so while there is no server."""
        run_id, halted = self._told_but_halted()
        self._kill("between launch and marker")
        assert not self._has(run_id, MARKER)
        _resume(halted)
        # All others leave at once when the server is gone.
        until(lambda: self._has(run_id, MARKER) and sum(map(_lives, halted)) == 1, what="the runner's marker")
        self._start_and_finish(run_id)

    def between_launch_and_marker_with_two_runners(self) -> None:
        """As before, but the runner goes on only when the new server has told another one."""
        run_id, halted = self._told_but_halted()
        self._kill("between launch and marker, with a second runner")
        assert not self._has(run_id, MARKER)
        self._house.start()
        time.sleep(self._house.random.uniform(0, 0.5))  # before, while or after the second one starts
        _resume(halted)
        self._finish(run_id)

    def between_marker_and_the_stored_start(self) -> None:
        """The script goes, but nobody can store that it does."""
        run_id, halted = self._told_but_halted()
        with self._write_lock():
            _resume(halted)
            until(lambda: self._has(run_id, MARKER), what="the runner's marker")
            self._kill("with a start not stored")
        assert self._state(run_id) == "starting"
        self._start_and_finish(run_id)

    def between_result_and_the_stored_end(self) -> None:
        """The runner has left its result, but nobody can store it."""
        run_id = self._running()
        with self._write_lock():
            self._let_go(run_id)
            until(lambda: self._has(run_id, RESULT), what="the result")
            self._kill("with a result not stored")
        assert self._state(run_id) == "running"
        self._start_and_finish(run_id)

    def between_two_attempts(self) -> None:
        """The first attempt has failed, and the second one is not due yet."""
        run_id = self._house.run_now(self._fails_once)
        self.attempts += 2
        until(lambda: self._state(run_id) == "retrying", what="the wait for the second attempt")
        self._kill("between two attempts")
        self._house.start()
        self._house.wait_until_all_is_over()

    # --- reaching a step ---------------------------------------------------------------------------------------------

    def _ask(self) -> int:
        self.attempts += 1
        return self._house.run_now(self._waits)

    def _running(self) -> int:
        run_id = self._ask()
        until(lambda: self._state(run_id) == "running", what=f"the start of run {run_id}")
        return run_id

    def _told_but_halted(self) -> tuple[int, list[psutil.Process]]:
        """A run that is claimed, while everybody who could start it is stopped."""
        zygote, runners = self._forkers()
        halted = [zygote, *runners]
        for process in halted:
            process.suspend()
        run_id = self._ask()
        until(lambda: self._state(run_id) == "starting", what="the claim")
        # Answered after the claim's commit, so after what the server does in the same breath: to tell a runner.
        self._house.server.client.get("/tasks").raise_for_status()
        return run_id, halted

    def _forkers(self) -> tuple[psutil.Process, list[psutil.Process]]:
        """The zygote, and the runners that idle; a run is carried out first, so that there are some."""
        run_id = self._ask()
        self._finish(run_id)
        zygote = self._house.zygote()
        return zygote, zygote.children()

    @contextmanager
    def _write_lock(self) -> Iterator[None]:
        """While it is held the server can read, and commit nothing."""
        with closing(sqlite3.connect(self._house.home / "kumo.db", isolation_level=None, timeout=30)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    # --- what is seen from outside -----------------------------------------------------------------------------------

    def _state(self, run_id: int) -> str:
        with closing(sqlite3.connect(f"file:{self._house.home}/kumo.db?mode=ro", uri=True, timeout=30)) as connection:
            (state,) = connection.execute("SELECT state FROM runs WHERE id = ?", (run_id,)).fetchone()
        return str(state)

    def _has(self, run_id: int, name: str) -> bool:
        return (attempt_directory(self._house.home, run_id, 1) / name).exists()

    # --- and after it ------------------------------------------------------------------------------------------------

    def _kill(self, where: str) -> None:
        self._house.server.kill()
        self._house.faults[f"kill -9 {where}"] += 1

    def _start_and_finish(self, run_id: int) -> None:
        self._house.start()
        self._finish(run_id)

    def _finish(self, run_id: int) -> None:
        self._let_go(run_id)
        self._house.wait_until_all_is_over()

    def _let_go(self, run_id: int) -> None:
        self._house.outputs.mkdir(parents=True, exist_ok=True)
        (self._house.outputs / f"go-{run_id}").touch()


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _resume(processes: list[psutil.Process]) -> None:
    for process in processes:
        process.resume()
