"""Promise 1: a due moment is run exactly once, or is skipped with a reason; under kill -9 and steps of the clock.

What is due is worked out here, by arithmetic on seconds: the library that Kumo asks is not asked.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor
from pathlib import Path
from random import Random
from typing import Any

from chaos.house import PATIENCE_SECONDS, House
from chaos.outcome import Count, Outcome, equal, listed, none, same
from chaos.witness import STARTS, files
from tests.acceptance.api import until

_AT_ONCE = 12
_MILLISECONDS = 1000
_SCRIPTS = {
    "quick": "record('starts')\n",
    "dawdles": "import random, time\nrecord('starts')\ntime.sleep(random.uniform(0, 3))\n",
}
CLOCK_STEPS = "Schedules under steps of the clock"
# Longer than what counts as punctual, so that moments are missed and caught up.
LONG_OUTAGE_SECONDS = 45.0


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """A trigger: every so many milliseconds, counted from `origin` on, which is milliseconds since the epoch."""

    every: int
    origin: int
    trigger: dict[str, Any]

    def between(self, first: int, last: int) -> list[int]:
        """Its moments from `first` to `last`, both included."""
        begin = ceil((first - self.origin) / self.every)
        end = floor((last - self.origin) / self.every)
        return [self.origin + self.every * number for number in range(max(0, begin), end + 1)]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A task with its rhythms, which have no moment in common: a moment names the trigger."""

    task_id: int
    rhythms: tuple[Rhythm, ...]
    asked_at: int  # between these two the task was created
    answered_at: int

    def due(self, first: int, last: int) -> list[int]:
        """All its moments from `first` to `last`."""
        return sorted(moment for rhythm in self.rhythms for moment in rhythm.between(first, last))


def carry_out(
    workplace: Path, random: Random, *, kills: int, longest_pause: float = 3.0, long_outages: int = 0
) -> Outcome:
    """Let tasks come due each second and every other second while the server is killed, and account for each moment."""
    with House(workplace, random, files(**_SCRIPTS), KUMO_MAX_PARALLEL_RUNS=str(_AT_ONCE)) as house:
        schedules = _make_schedules(house)
        began = time.monotonic()
        house.storm(kills, longest_pause=longest_pause)
        for _ in range(long_outages):
            house.kill()
            time.sleep(LONG_OUTAGE_SECONDS)
            house.faults[f"outage of {LONG_OUTAGE_SECONDS:.0f} s"] += 1
            house.start()
            house.storm(1)
        seconds = time.monotonic() - began
        counts = end_and_judge(house, schedules, until_moment=now())
        return Outcome(
            promise="1",
            name="Schedules under kill -9 of the server",
            load=f"{len(schedules)} tasks due each second, every other and every third, for {seconds:.0f} s",
            faults=listed(house.faults),
            counts=counts,
        )


def clock_steps(workplace: Path, random: Random, *, library: Path, steps: Sequence[int]) -> Outcome:
    """Set the server's clock forward and back, by so many seconds each, and kill the server in between.

    libfaketime is loaded into the server alone; scripts see the machine's clock.
    """
    offset = workplace / "clock"
    offset.write_text("+0")
    fake = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    with House(workplace, random, files(**_SCRIPTS), KUMO_MAX_PARALLEL_RUNS=str(_AT_ONCE), **fake) as house:
        schedules = _make_schedules(house)
        ahead = furthest = 0
        for number, step in enumerate(steps):
            ahead += step
            offset.write_text(f"{ahead:+d}")
            house.faults[f"the clock {'forward' if step > 0 else 'back'} by {abs(step)} s"] += 1
            # Set back, it must first come to where it was before anything is due again.
            _wait_for_moment(house, schedules, now() + 1000 * max(furthest, ahead) + 2000)
            furthest = max(furthest, ahead)
            if number % 2:
                house.storm(1)
        counts = end_and_judge(house, schedules, until_moment=now() + 1000 * furthest)
        return Outcome(
            promise="1",
            name=CLOCK_STEPS,
            load=f"{len(schedules)} tasks due each second, every other and every third",
            faults=listed(house.faults),
            counts=counts,
        )


def judge(
    schedules: Iterable[Schedule],
    starts: Sequence[dict[str, Any]],
    ledger: Sequence[dict[str, Any]],
    *,
    until_moment: int,
    paused_at: int,
) -> list[Count]:
    """Assign each due moment to a start that a script recorded, or to a row that was skipped with a reason.

    What is due up to `until_moment` must be there, what is due up to `paused_at` may be.
    """
    accounted: Counter[tuple[int, int]] = Counter()
    for start in starts:
        accounted[start["task"], _milliseconds(start["due"])] += 1
    schedule_of = {schedule.task_id: schedule for schedule in schedules}
    skipped = [row for row in ledger if row["outcome"] == "skipped"]
    wrong = [row for row in skipped if row["count"] != len(_covered(row, schedule_of))]
    for row in skipped:
        accounted.update((row["task"], moment) for moment in _covered(row, schedule_of))
    sure = [
        (each.task_id, moment) for each in schedule_of.values() for moment in each.due(each.answered_at, until_moment)
    ]
    possible = {
        (each.task_id, moment) for each in schedule_of.values() for moment in each.due(each.asked_at, paused_at)
    }
    ran = [(row["task"], _milliseconds(row["due_at"])) for row in ledger if row["outcome"] == "run"]
    started = [(start["task"], _milliseconds(start["due"])) for start in starts]
    return [
        equal("due moments that ran or were skipped with a reason", len(sure), sum(each in accounted for each in sure)),
        none("due moments missing", [each for each in sure if each not in accounted]),
        none("moments twice: two starts, or a start and a skip", [each for each, n in accounted.items() if n > 1]),
        none("starts and skips at moments that are not due", set(accounted) - possible),
        same("starts that scripts recorded, one for each slot that ran", ran, started),
        none(
            "skips without a reason, or of another number of moments", [r for r in skipped if not r["reason"]] + wrong
        ),
    ]


def _make_schedules(house: House) -> list[Schedule]:
    soon = now() // _MILLISECONDS * _MILLISECONDS + 2 * _MILLISECONDS
    each_second, every_other = _cron(1), _cron(2)
    shifted, every_third = _interval(1, soon + 250), _interval(3, soon + 500)
    dawdling = {"overlap": "skip"}
    return [
        _schedule(house, "python quick.py", (each_second,), overlap="allow"),
        _schedule(house, "python quick.py", (shifted,), overlap="queue"),
        _schedule(house, "python quick.py", (every_other, every_third), overlap="allow", priority=5),
        _schedule(house, "python dawdles.py", (every_other,), **dawdling),
        _schedule(house, "python quick.py", (_interval(2, soon + 125),), overlap="allow", catch_up="latest"),
        _schedule(house, "python quick.py", (each_second,), overlap="allow", catch_up="skip"),
    ]


def _cron(seconds: int) -> Rhythm:
    every = "*" if seconds == 1 else f"*/{seconds}"
    trigger = {"type": "cron", "expression": f"{every} * * * * *"}
    return Rhythm(every=seconds * _MILLISECONDS, origin=0, trigger=trigger)


def _interval(seconds: int, origin: int) -> Rhythm:
    start_at = datetime.fromtimestamp(origin / _MILLISECONDS, UTC).isoformat()
    trigger = {"type": "interval", "seconds": seconds, "start_at": start_at}
    return Rhythm(every=seconds * _MILLISECONDS, origin=origin, trigger=trigger)


def _schedule(house: House, command: str, rhythms: tuple[Rhythm, ...], **fields: Any) -> Schedule:
    triggers = [rhythm.trigger for rhythm in rhythms]
    name = f"{' and '.join(str(each) for each in triggers)}, {fields}"[:200]
    asked_at = now()
    values = {"catch_up": "all", "catch_up_window_seconds": 86_400} | fields
    task_id = house.add_task(command, name=name, triggers=triggers, **values)
    return Schedule(task_id=task_id, rhythms=rhythms, asked_at=asked_at, answered_at=now())


def each_second(house: House, command: str) -> Schedule:
    """A task that comes due each second, and catches up."""
    return _schedule(house, command, (_cron(1),), overlap="allow")


def end_and_judge(house: House, schedules: Sequence[Schedule], *, until_moment: int) -> list[Count]:
    """Let each trigger come past the last moment that counts, pause the tasks, wait for the ends and compare."""
    began = now()
    _wait_for_moment(house, schedules, until_moment)
    for schedule in schedules:
        house.server.client.post(f"/tasks/{schedule.task_id}/pause").raise_for_status()
    paused_at = until_moment + now() - began
    house.wait_until_all_is_over()
    ledger = [
        row | {"task": schedule.task_id}
        for schedule in schedules
        for row in house.all_of(f"/tasks/{schedule.task_id}/slots")
    ]
    starts = [start for start in house.records(STARTS) if start["due"]]
    runs = house.runs()
    return [
        *judge(schedules, starts, ledger, until_moment=until_moment, paused_at=paused_at),
        equal("runs stored as succeeded", len(runs), sum(run["state"] == "succeeded" for run in runs)),
        house.defects(),
    ]


def _wait_for_moment(house: House, schedules: Sequence[Schedule], moment: int) -> None:
    """Return when every trigger has been handled beyond the moment."""

    def beyond(schedule: Schedule) -> bool:
        newest: dict[int, int] = {}
        for row in (
            house.server.client.get(f"/tasks/{schedule.task_id}/slots?limit=50").raise_for_status().json()["items"]
        ):
            newest[row["trigger_id"]] = max(newest.get(row["trigger_id"], 0), _milliseconds(row["due_at"]))
        return len(newest) == len(schedule.rhythms) and min(newest.values()) > moment

    reached: Callable[[], bool] = lambda: all(map(beyond, schedules))  # noqa: E731
    until(reached, seconds=PATIENCE_SECONDS, what=f"the handling of all moments up to {moment}")


def _covered(row: dict[str, Any], schedule_of: dict[int, Schedule]) -> list[int]:
    """The moments that a row of the ledger speaks of, by arithmetic."""
    first, last = _milliseconds(row["first_due_at"]), _milliseconds(row["due_at"])
    # The trigger is the one whose moment the last one is.
    rhythms = [each for each in schedule_of[row["task"]].rhythms if each.between(last, last)]
    return [moment for rhythm in rhythms for moment in rhythm.between(first, last)]


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * _MILLISECONDS)


def now() -> int:
    """Milliseconds since the epoch."""
    return round(time.time() * _MILLISECONDS)
