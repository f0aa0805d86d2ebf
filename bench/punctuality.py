"""From the moment when something is due to the first act of the process that it starts.

The witness is the script itself: the first thing that it does is to write down the time. Until then a shell has to
start, which all figures include; the bare loop shows how long that takes by itself.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

from bench import apscheduler, loops
from bench.figures import Figure, percentile
from tests.server import KumoServer

_TASKS = 100
_ROUNDS = 5
_ALONE = 10  # moments of one round that come one by one
_ALONE_SECONDS = 0.5
_RESTS = 8
_REST_SECONDS = 13.0  # longer than Kumo keeps runners that have nothing to do
_PRIORITIES = 5
_LONGEST_WAIT_SECONDS = 60.0

_WITNESS = 'echo "$KUMO_TASK_ID $EPOCHREALTIME" >> "$OUTPUT_DIR/starts"\n'

# Has a process started at each of some moments, and says when each of these began.
Subject = Callable[[Sequence[float]], list[float]]


@dataclass(frozen=True, kw_only=True)
class _Delays:
    """How late each process of some rounds began, in seconds."""

    rounds: list[list[float]] = field(default_factory=list)

    def median(self, percent: int) -> float:
        """A percentile of each round; the median of these."""
        return statistics.median(percentile(each, percent) for each in self.rounds)

    def __str__(self) -> str:
        return f"p50 {self.median(50) * 1000:.1f} ms, p99 {self.median(99) * 1000:.0f} ms"


def measure(workplace: Path) -> list[Figure]:
    """Moments alone, and a hundred within a second or at once: Kumo, APScheduler and a bare loop in turn."""
    with KumoServer(workplace / "punctuality", KUMO_MAX_PARALLEL_RUNS=str(_TASKS)) as server:
        kumo, by_hand = _Kumo(server), _ByHand(workplace / "by hand")
        subjects = (kumo.start_at, by_hand.apscheduler, by_hand.bare_loop)
        kumo.start_at(_moments(_TASKS, 0.01))  # so that everything has been used once
        alone = _in_turn(subjects, lambda: _moments(_ALONE, _ALONE_SECONDS))
        disk = loops.waits_for_disk(workplace)
        rested = _rested(kumo)
        disk += loops.waits_for_disk(workplace)
        spread = _in_turn(subjects, lambda: _moments(_TASKS, 1 / _TASKS))
        at_once = _in_turn(subjects, lambda: _moments(_TASKS, 0.0))
        disk += loops.waits_for_disk(workplace)
        return [
            _figure("Due → started, one moment at a time", alone, most_p50=0.010),
            _figure("… after a rest of 13 s", [rested], most_p50=0.010),
            _figure("… 100 moments, one every 10 ms", spread, most_p50=0.010),
            _figure("… 100 moments at once", at_once),
            _order(kumo.priorities, at_once[0]),
            Figure(
                what="… one wait for the disk, in the same minutes",
                found=f"p50 {percentile(disk, 50) * 1000:.1f} ms, p99 {percentile(disk, 99) * 1000:.0f} ms",
            ),
        ]


def _in_turn(subjects: Sequence[Subject], moments: Callable[[], list[float]]) -> list[_Delays]:
    """Some rounds, in each of which every subject has its turn."""
    found = [_Delays() for _ in subjects]
    for _ in range(_ROUNDS):
        for delays, subject in zip(found, subjects, strict=True):
            due = moments()
            delays.rounds.append([began - at for began, at in zip(subject(due), due, strict=True)])
    return found


def _rested(kumo: _Kumo) -> _Delays:
    """One round of single moments, before each of which nothing has happened for a while."""
    delays = []
    for _ in range(_RESTS):
        time.sleep(_REST_SECONDS)
        due = _moments(1, 0.0)
        delays.append(kumo.start_at(due)[0] - due[0])
    return _Delays(rounds=[delays])


def _moments(count: int, apart_seconds: float) -> list[float]:
    """Moments that begin in a few seconds: Kumo has to be told of them before."""
    first = time.time() + 1.0 + 0.03 * count
    return [first + number * apart_seconds for number in range(count)]


def _figure(what: str, delays: Sequence[_Delays], *, most_p50: float | None = None) -> Figure:
    kumo, *others = delays
    beside = "".join(f"; {name} {found}" for name, found in zip(("APScheduler", "bare loop"), others, strict=False))
    return Figure(
        what=what,
        found=f"{kumo}{beside}",
        must="p99 100 ms" if most_p50 is None else f"p50 {most_p50 * 1000:.0f} ms, p99 100 ms",
        reached=kumo.median(99) <= 0.100 and (most_p50 is None or kumo.median(50) <= most_p50),
    )


def _order(priorities: Sequence[int], at_once: _Delays) -> Figure:
    """How many of the moments that came together began before others of a higher priority, and by how much."""
    pairs = 0
    ahead: list[float] = []
    for delays in at_once.rounds:
        for (one, first), (other, second) in combinations(zip(priorities, delays, strict=True), 2):
            pairs += one != other
            if (one - other) * (first - second) > 0:
                ahead.append(abs(first - second))
    farthest = max(ahead, default=0.0)
    return Figure(
        what="… the higher priority first",
        found=f"{len(ahead) / pairs:.1%} of pairs in the other order, by up to {farthest * 1000:.0f} ms",
        must="none by over 20 ms",
        reached=farthest <= 0.020,
    )


class _Kumo:
    """A hundred tasks of different priorities, each of which can be made due at a moment."""

    def __init__(self, server: KumoServer) -> None:
        self._server = server
        project = server.client.post("/projects", json={"name": "punctuality"}).raise_for_status().json()
        path = f"/projects/{project['id']}/files/witness.sh"
        server.client.put(path, json={"content": _WITNESS}).raise_for_status()
        self._starts = server.home / "outputs" / str(project["id"]) / "starts"
        self._tasks: list[int] = []
        self.priorities = [number * 7 % _PRIORITIES for number in range(_TASKS)]  # in no order
        for number, priority in enumerate(self.priorities):
            task = {
                "name": f"punctual {number}",
                "project_id": project["id"],
                "command": "bash witness.sh",
                "overlap": "allow",
                "priority": priority,
            }
            self._tasks.append(server.client.post("/tasks", json=task).raise_for_status().json()["id"])

    def start_at(self, moments: Sequence[float]) -> list[float]:
        """Make as many tasks due, wait until all their runs are over, and say when each began."""
        self._starts.unlink(missing_ok=True)
        tasks = self._tasks[: len(moments)]
        for task_id, at in zip(tasks, moments, strict=True):
            trigger = {"type": "date", "at": datetime.fromtimestamp(at, UTC).isoformat()}
            self._server.client.patch(f"/tasks/{task_id}", json={"triggers": [trigger]}).raise_for_status()
        assert time.time() < moments[0], "telling Kumo of the moments took too long"
        found = _written(self._starts, len(moments))
        still_open = "/runs?state=queued&state=starting&state=running&limit=1"
        while self._server.client.get(still_open).raise_for_status().json()["items"]:
            time.sleep(0.02)
        return [found[task_id] for task_id in tasks]


class _ByHand:
    """The same script, started by what has to hold no promises."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._starts = folder / "starts"
        self._script = folder / "witness.sh"
        self._script.write_text(_WITNESS)

    def apscheduler(self, moments: Sequence[float]) -> list[float]:
        """Jobs that call `subprocess.run`, with a thread for each."""
        return self._start(moments, apscheduler.run_at)

    def bare_loop(self, moments: Sequence[float]) -> list[float]:
        """One process after the other, as soon as the moment has come."""
        return self._start(moments, loops.spawn_at)

    def _start(self, moments: Sequence[float], start_all: Callable[[Sequence[loops.Appointment]], None]) -> list[float]:
        self._starts.unlink(missing_ok=True)
        shared = {"PATH": os.environ["PATH"], "OUTPUT_DIR": str(self._starts.parent)}
        start_all(
            [
                loops.Appointment(
                    at=at, arguments=("bash", str(self._script)), environment=shared | {"KUMO_TASK_ID": str(number)}
                )
                for number, at in enumerate(moments)
            ]
        )
        found = _written(self._starts, len(moments))
        return [found[number] for number in range(len(moments))]


def _written(starts: Path, count: int) -> dict[int, float]:
    """When each of the processes says that it began, once all have."""
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    while True:
        lines = starts.read_text().splitlines() if starts.exists() else []
        if len(lines) >= count:
            break
        assert time.monotonic() < deadline, f"{len(lines)} of {count} processes have started"
        time.sleep(0.05)
    found = {int(number): float(at) for number, at in (line.split() for line in lines)}
    assert len(lines) == len(found) == count, "a process was started twice"
    return found
