"""One server under attack: what people ask of it meanwhile, and what befalls it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Self

import httpx
import psutil

from chaos import witness
from chaos.outcome import Count, none
from tests.acceptance.api import bring_project, make_task, outputs_of, until
from tests.server import KumoServer

PATIENCE_SECONDS = 300.0

_OPEN = ("queued", "starting", "running", "retrying")
_PAGE = 500
_LONGEST_DOWN_SECONDS = 1.0
_LONGEST_FALSE_START_SECONDS = 3.0


class House:
    """A server, its scripts' project, and the faults that it has suffered so far."""

    def __init__(self, workplace: Path, random: Random, scripts: dict[str, str | bytes], **settings: str) -> None:
        """Prepare; `settings` are environment variables as KUMO_MAX_PARALLEL_RUNS="8"."""
        variables: dict[str, Any] = settings  # none of them is named like an argument
        self.server = KumoServer(workplace / "home", **variables)
        self.random = random
        self.faults: Counter[str] = Counter()
        self._scripts = scripts
        self._project_id = 0

    def __enter__(self) -> Self:
        """Start the server, and bring the scripts."""
        self.server.start()
        self._project_id = bring_project(self.server, "witnesses", self._scripts)
        return self

    def __exit__(self, *_: object) -> None:
        """End the server, and what it has started."""
        self.server.close()

    @property
    def home(self) -> Path:
        """The data directory."""
        return self.server.home

    @property
    def outputs(self) -> Path:
        """Where the scripts write down what they did."""
        return outputs_of(self.server, self._project_id)

    def records(self, name: str) -> list[dict[str, Any]]:
        """What the scripts wrote down under a name."""
        return witness.records(self.outputs, name)

    # --- what people ask of it ---------------------------------------------------------------------------------------

    def add_task(self, command: str, **fields: Any) -> int:
        """Create a task; its id."""
        return make_task(self.server, self._project_id, command, **fields)

    def ask_for_run(self, client: httpx.Client, task_id: int) -> int | None:
        """The id of a run that was answered with 202; None when the server went away over it, or is not there."""
        url = f"{self.server.url}/api/v1/tasks/{task_id}/run"
        try:
            answer = client.post(url, json={}, headers={"Authorization": f"Bearer {self.server.token}"})
        except httpx.TransportError:
            return None
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return None
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        run_id: int = answer.json()["id"]
        return run_id

    def run_surely(self, client: httpx.Client, task_id: int) -> int:
        """Ask for a run until one is answered with 202. An answer that was lost may have left a run all the same."""

        def asked() -> int | None:
            return self.ask_for_run(client, task_id)

        return until(asked, seconds=PATIENCE_SECONDS, what=f"a run of task {task_id}")

    def run_now(self, task_id: int) -> int:
        """Ask the running server for a run; its id."""
        answer = self.server.client.post(f"/tasks/{task_id}/run", json={})
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        run_id: int = answer.json()["id"]
        return run_id

    def all_of(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All items of a list, page by page."""
        return list(self._pages(path, query))

    def runs(self) -> list[dict[str, Any]]:
        """All runs that are stored, the oldest first."""
        return self.all_of("/runs")[::-1]

    def wait_until_all_is_over(self) -> None:
        """Return when no run is open any more."""
        open_runs = "&".join(f"state={state}" for state in _OPEN)
        until(
            lambda: not self.server.client.get(f"/runs?limit=1&{open_runs}").raise_for_status().json()["items"],
            seconds=PATIENCE_SECONDS,
            what="the end of all runs",
        )

    def wait_until_over(self, run_ids: Collection[int]) -> None:
        """Return when none of these runs is open any more."""
        until(
            lambda: all(
                self.server.client.get(f"/runs/{run_id}").raise_for_status().json()["state"] not in _OPEN
                for run_id in run_ids
            ),
            seconds=PATIENCE_SECONDS,
            what=f"the ends of {run_ids}",
        )

    # --- what befalls it ---------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """End the server with SIGKILL."""
        self.server.kill()
        self.faults["kill -9 of the server"] += 1

    def start(self) -> None:
        """Start the server again; now and then it is killed while it starts, and started once more."""
        time.sleep(self.random.uniform(0, _LONGEST_DOWN_SECONDS))
        if self.random.random() < 0.25:  # noqa: PLR2004 - now and then
            self._start_and_kill()
        self.server.start()

    def wait_a_moment(self, longest_seconds: float = 3.0) -> None:
        """Let things go on for a random time, which is all that makes the moment of the next fault."""
        time.sleep(self.random.uniform(0.05, longest_seconds))

    def storm(self, kills: int, *, longest_pause: float = 3.0) -> None:
        """Kill the server so many times at random moments; one time in five it is told to end instead."""
        for _ in range(kills):
            self.wait_a_moment(longest_pause)
            if self.random.random() < 0.2:  # noqa: PLR2004 - one in five
                self.server.stop()
                self.faults["SIGTERM to the server"] += 1
            else:
                self.kill()
            self.start()

    def _start_and_kill(self) -> None:
        with self.server.log_path.open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "kumo", "serve", "--home", str(self.home), "--port", "0"],
                env=self.server.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        time.sleep(self.random.uniform(0.1, _LONGEST_FALSE_START_SECONDS))
        process.kill()
        process.wait()
        self.faults["kill -9 while it started"] += 1

    def zygote(self) -> psutil.Process:
        """The process that forks runners; there is one once a run was started."""
        (found,) = [each for each in psutil.Process(self.server.pid).children() if _is_zygote(each)]
        return found

    # --- what is true whatever befell it -----------------------------------------------------------------------------

    def defects(self) -> Count:
        """What the server's own log says of failures that are nobody's fault but its own."""
        lines = self.server.log().splitlines()
        return none("tracebacks in the server's log", [line for line in lines if line.startswith("Traceback")])

    def _pages(self, path: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            wanted = query | {"limit": _PAGE} | ({} if cursor is None else {"cursor": cursor})
            page = self.server.client.get(path, params=wanted).raise_for_status().json()
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return


@contextmanager
def beside(*duties: Callable[[], None]) -> Iterator[None]:
    """Carry out duties in threads of their own beside the block; what one raises is raised at the end."""
    raised: list[BaseException] = []

    def carry_out(duty: Callable[[], None]) -> None:
        try:
            duty()
        except BaseException as error:  # noqa: BLE001 - raised below
            raised.append(error)

    threads = [threading.Thread(target=carry_out, args=(duty,), daemon=True) for duty in duties]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def _is_zygote(process: psutil.Process) -> bool:
    try:
        return "kumo.runner.zygote" in process.cmdline()
    except psutil.NoSuchProcess:
        return False
