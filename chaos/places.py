"""Promise 10: never more than N at once, and higher priority first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx

from chaos.house import PATIENCE_SECONDS, House, beside
from chaos.outcome import Outcome, at_most, equal, listed, none, same
from chaos.witness import ENDS, STARTS, files
from tests.acceptance.api import until

_PLACES = 3
_POOL_SLOTS = 2
_LARGEST_BURST = 8
_WAITING = 12
_SCRIPTS = {
    "waits": "record('starts')\nwait_for(f'go-{RUN}')\nrecord('ends')\n",
    "works": "import random, time\nrecord('starts')\ntime.sleep(random.uniform(0, 0.3))\nrecord('ends')\n",
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a task says about its runs' places."""

    priority: int
    pool: str | None = None
    max_parallel: int | None = None  # None: as many as there are places


_KINDS = (
    *(Kind(priority=priority) for priority in (-5, 0, 3)),
    *(Kind(priority=priority, pool="shared") for priority in (0, 1, 4)),
    Kind(priority=2, max_parallel=1),
    Kind(priority=5, max_parallel=2),
    Kind(priority=6, pool="shared", max_parallel=1),
)


@dataclass(kw_only=True)
class Queue:
    """What should be going and what should wait, worked out beside Kumo."""

    places: int
    slots: Mapping[str, int]  # of each pool
    kinds: Mapping[int, Kind]  # of each task
    going: dict[int, int] = field(default_factory=dict)  # the task of each run
    waiting: dict[int, int] = field(default_factory=dict)

    def next_run(self) -> int | None:
        """The run that must start now: of those that may, the one of the highest priority, and of these the oldest."""
        if len(self.going) >= self.places:
            return None
        startable = [run_id for run_id, task_id in self.waiting.items() if self._may_start(task_id)]
        return min(startable, key=lambda run_id: (-self.kinds[self.waiting[run_id]].priority, run_id), default=None)

    def start(self, run_id: int) -> None:
        """Note that a run has begun."""
        self.going[run_id] = self.waiting.pop(run_id)

    def _may_start(self, task_id: int) -> bool:
        kind, tasks = self.kinds[task_id], list(self.going.values())
        in_pool = sum(self.kinds[each].pool == kind.pool for each in tasks)
        return (kind.max_parallel is None or tasks.count(task_id) < kind.max_parallel) and (
            kind.pool is None or in_pool < self.slots[kind.pool]
        )


def in_order(workplace: Path, random: Random, *, ends: int) -> Outcome:
    """Let one run end at a time, while others are asked for, and look at which one takes the place that became free.

    An inversion is any other run than the one that had to be next: of those that were answered with 202 before the
    place became free, and whose task and pool had room, the one of the highest priority, and of these the oldest.
    """
    with House(workplace, random, files(**_SCRIPTS), KUMO_MAX_PARALLEL_RUNS=str(_PLACES)) as house:
        queue = Queue(places=_PLACES, slots={"shared": _POOL_SLOTS}, kinds=_add_tasks(house, "python waits.py"))
        followed = _Followed(house, queue)
        for _ in range(ends):
            burst = random.randint(0, _LARGEST_BURST) if len(queue.waiting) < _WAITING else 0
            for task_id in random.choices(list(queue.kinds), k=burst):
                followed.ask(task_id)
            if queue.going:
                followed.end(random.choice(list(queue.going)))
        while queue.going:
            followed.end(next(iter(queue.going)))
        house.wait_until_all_is_over()
        return Outcome(
            promise="10",
            name="Who is next, one end at a time",
            load=f"{len(followed.ended)} runs of {len(queue.kinds)} tasks with priorities from -5 to 6, in {_PLACES} "
            f"places; a pool of {_POOL_SLOTS}; tasks with at most 1 and 2 at once; others waited at "
            f"{followed.contested} of the starts",
            faults="none",
            counts=[
                equal("starts of the run that had to be next", len(followed.ended), followed.right),
                none("inversions", followed.inversions),
                same("starts that scripts recorded", followed.ended, [start["run"] for start in house.records(STARTS)]),
                house.defects(),
            ],
        )


class _Followed:
    """Runs that are asked for and ended one by one, with a look at who starts after each."""

    def __init__(self, house: House, queue: Queue) -> None:
        self.right = 0
        self.contested = 0
        self.inversions: list[str] = []
        self.ended: list[int] = []
        self._house = house
        self._queue = queue

    def ask(self, task_id: int) -> None:
        """Ask for one run."""
        self._queue.waiting[self._house.run_now(task_id)] = task_id
        self._follow()

    def end(self, run_id: int) -> None:
        """Let one run end."""
        del self._queue.going[run_id]
        self.ended.append(run_id)
        (self._house.outputs / f"go-{run_id}").touch()
        self._follow()

    def _follow(self) -> None:
        """Wait for those that must start now, one after the other, and compare."""
        while (expected := self._queue.next_run()) is not None:
            self.contested += len(self._queue.waiting) > 1
            found = until(self._newest_start, seconds=PATIENCE_SECONDS, what=f"the start of run {expected}")
            if found == expected:
                self.right += 1
            else:
                self.inversions.append(f"run {found} took the place of run {expected}")
            self._queue.start(found)

    def _newest_start(self) -> int | None:
        """The first of the runs that started beyond those that are known to have."""
        starts = self._house.records(STARTS)[len(self._queue.going) + len(self.ended) :]
        return starts[0]["run"] if starts else None


def at_once(workplace: Path, random: Random, *, runs: int, kills: int) -> Outcome:
    """Ask for runs in bursts while the server is killed; the scripts' records say who went at the same time."""
    with House(workplace, random, files(**_SCRIPTS), KUMO_MAX_PARALLEL_RUNS=str(_PLACES)) as house:
        kinds = _add_tasks(house, "python works.py")

        def ask() -> None:
            with httpx.Client() as client:
                for number in range(runs):
                    house.run_surely(client, random.choice(list(kinds)))
                    if number % _LARGEST_BURST == 0:
                        time.sleep(random.uniform(0, 0.5))

        with beside(ask):
            house.storm(kills)
        house.wait_until_all_is_over()
        spans = _spans(house.records(STARTS), house.records(ENDS))
        in_pool = {task_id for task_id, kind in kinds.items() if kind.pool}
        limited = {
            f"at once of the task of priority {kind.priority}": (kind.max_parallel, _of(spans, task_id))
            for task_id, kind in kinds.items()
            if kind.max_parallel is not None
        }
        stored = house.runs()
        return Outcome(
            promise="10",
            name="How many at once, under kill -9 of the server",
            load=f"{len(stored)} runs of up to 0.3 s in bursts",
            faults=listed(house.faults),
            counts=[
                at_most("at once on the machine", _PLACES, most_at_once(spans)),
                at_most("at once in the pool", _POOL_SLOTS, most_at_once(s for s in spans if s.task_id in in_pool)),
                *(at_most(what, most, most_at_once(of_task)) for what, (most, of_task) in limited.items()),
                same("starts, one for each stored run", [run["id"] for run in stored], [s.run_id for s in spans]),
                house.defects(),
            ],
        )


@dataclass(frozen=True, kw_only=True)
class Span:
    """One script from its own record of its start to that of its end, by the monotonic clock of the machine."""

    run_id: int
    task_id: int
    began: float
    ended: float


def most_at_once(spans: Iterable[Span]) -> int:
    """The largest number of spans that share a moment; one that ends when another begins shares none with it."""
    changes = [change for span in spans for change in ((span.began, 1), (span.ended, -1))]
    most = going = 0
    for _, change in sorted(changes):
        going += change
        most = max(most, going)
    return most


def _spans(starts: Sequence[dict[str, Any]], ends: Sequence[dict[str, Any]]) -> list[Span]:
    ended = {end["run"]: end["ticks"] for end in ends}
    return [
        Span(run_id=start["run"], task_id=start["task"], began=start["ticks"], ended=ended[start["run"]])
        for start in starts
    ]


def _of(spans: Sequence[Span], task_id: int) -> list[Span]:
    return [span for span in spans if span.task_id == task_id]


def _add_tasks(house: House, command: str) -> dict[int, Kind]:
    """One task of each kind, and their pool."""
    house.server.client.post("/pools", json={"name": "shared", "slots": _POOL_SLOTS}).raise_for_status()
    tasks: dict[int, Kind] = {}
    for number, kind in enumerate(_KINDS):
        fields: dict[str, Any] = {"priority": kind.priority, "name": f"kind {number}", "overlap": "allow"}
        if kind.pool is not None:
            fields["pool"] = kind.pool
        if kind.max_parallel is not None:
            fields |= {"overlap": "queue", "max_parallel": kind.max_parallel}
        tasks[house.add_task(command, **fields)] = kind
    return tasks
