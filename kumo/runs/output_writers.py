"""Which run may have written a file: one that went at the moment when the file was changed. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MOST_NAMED = 8
# The moments of files are those of the kernel's last tick, which lie up to so much behind the clock.
TICK = timedelta(milliseconds=10)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Going:
    """When a run went; it still does without an end."""

    run_id: int
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Writers:
    """The runs that went at one moment, the newest first and no more than are named, and how many they were."""

    run_ids: tuple[int, ...]
    count: int


def moment_of(nanoseconds: int) -> datetime:
    """A file's moment, as the database keeps moments."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def writers_at(moments: Sequence[datetime], runs: Iterable[Going]) -> list[Writers]:
    """For each moment, in order of time, the runs that went then; none where nobody's run did, but a person."""
    waiting = sorted(runs, key=lambda run: run.started_at, reverse=True)
    going: dict[int, None] = {}
    ends: list[tuple[datetime, int]] = []
    found = []
    for moment in moments:
        while waiting and waiting[-1].started_at - TICK <= moment:
            run = waiting.pop()
            going[run.run_id] = None
            if run.ended_at is not None:
                heapq.heappush(ends, (run.ended_at, run.run_id))
        while ends and ends[0][0] < moment:
            going.pop(heapq.heappop(ends)[1], None)
        found.append(Writers(run_ids=tuple(heapq.nlargest(MOST_NAMED, going)), count=len(going)))
    return found
