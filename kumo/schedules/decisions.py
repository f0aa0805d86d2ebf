"""What is done with due moments: run, or skip with a reason. Pure."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kumo.tasks.triggers import Trigger

# A moment that is handled later than this was missed: the server was down, or the clock jumped.
PUNCTUAL = timedelta(seconds=30)
MOST_CAUGHT_UP = 100
# As many moments, each a second after the other, can be punctual at once; and one more, to tell a gap by.
_MOST_PUNCTUAL = 32


# A clock may be corrected by so much without anything having to be armed again.
LEEWAY = timedelta(seconds=60)


class Skip(StrEnum):
    """Why a due moment was not run."""

    OVERLAP = "overlap"  # earlier runs of the task were still going
    MISSED = "missed"  # Kumo was not running, and the task does not catch this moment up
    BLACKOUT = "blackout"  # it lies in a time in which the task shall not be due
    NO_FILES = "no_files"  # the project has no files to run


class CatchUp(StrEnum):
    """What a task does about moments that were missed."""

    SKIP = "skip"  # nothing
    LATEST = "latest"  # run once, for the last of them
    ALL = "all"  # run each, up to a hundred


class Overlap(StrEnum):
    """What a due moment does while earlier runs of its task are open."""

    SKIP = "skip"  # nothing, once as many are open as may go at once
    QUEUE = "queue"  # a run that waits for them
    ALLOW = "allow"  # a run that goes beside them
    REPLACE = "replace"  # ends them


@dataclass(frozen=True, kw_only=True)
class Due:
    """One due moment and what is to be done with it: run it, or skip it for a reason."""

    at: datetime
    skip: Skip | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done with all moments that have come since the last look; `missed_before` are not in `due`."""

    due: list[Due]
    missed_before: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DownTime:
    """A time in which nobody looked whether anything was due."""

    begin_at: datetime
    end_at: datetime

    def touches(self, first: datetime, last: datetime) -> bool:
        """Whether a part of it lies between two moments, these included."""
        return self.begin_at <= last and first <= self.end_at


def most_looked_at(catch_up: CatchUp, *, has_blackouts: bool) -> int:
    """How many of the latest moments `plan` has to know, so that every one that is to be run is among them."""
    return MOST_CAUGHT_UP + 1 if has_blackouts or catch_up is CatchUp.ALL else _MOST_PUNCTUAL


def plan(  # noqa: PLR0913 - the moments, and what the task says of them
    moments: Sequence[datetime],
    left_out: int,
    *,
    catch_up: CatchUp,
    window: timedelta,
    now: datetime,
    blacked_out: Container[datetime] = (),
) -> Plan:
    """Decide which of the moments that have come are run.

    `moments` are the latest, in order; `left_out` earlier ones were not even listed, and where there are such, the
    first of the moments ends their gap. What lies in a blackout is not run. Any other punctual moment always is. Of
    the late ones `latest` runs the last and `all` runs each, up to a hundred in all, unless it lies before the window;
    where a punctual one runs, `latest` needs no late one.
    """
    gap_end = moments[0] if left_out and moments else None
    runnable = [moment for moment in moments if moment not in blacked_out and moment != gap_end]
    late = [moment for moment in runnable if window >= now - moment > PUNCTUAL]
    to_run = {moment for moment in runnable if now - moment <= PUNCTUAL}
    if catch_up is CatchUp.ALL:
        room = max(0, MOST_CAUGHT_UP - len(to_run))
        to_run.update(late[-room:] if room else [])
    elif catch_up is CatchUp.LATEST and not to_run:
        to_run.update(late[-1:])
    due = [Due(at=moment, skip=None if moment in to_run else Skip.MISSED) for moment in moments]
    due = [
        Due(at=each.at, skip=Skip.BLACKOUT) if each.at in blacked_out and each.at != gap_end else each for each in due
    ]
    return Plan(due=due, missed_before=left_out)


def admit(overlap: Overlap, *, max_parallel: int, open_runs: int, count: int) -> list[bool]:
    """Which of some moments of one task, handled together and in order, become runs; the others overlap.

    Of several that would replace each other only the last one runs.
    """
    if overlap is Overlap.SKIP:
        room = max(0, max_parallel - open_runs)
        return [number < room for number in range(count)]
    if overlap is Overlap.REPLACE:
        return [number == count - 1 for number in range(count)]
    return [True] * count


def rearmed(trigger: Trigger, next_due_at: datetime | None, now: datetime) -> datetime | None:
    """The moment that an active task's trigger should wait for; None where what it waits for may stay.

    It may not wait for nothing while there is a next moment, nor for one beyond its next: then moments in between would
    be lost without a trace. What is due already is the scheduler's.
    """
    if next_due_at is not None and next_due_at <= now + LEEWAY:
        return None
    following = trigger.next_after(now)
    if following is None or next_due_at is None:
        return following
    latest = trigger.next_after(now + LEEWAY)
    return following if latest is None or next_due_at > latest else None
