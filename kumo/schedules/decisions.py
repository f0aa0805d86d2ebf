"""What is done with due moments: run, or skip with a reason. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# A moment that is handled later than this was missed: the server was down, or the clock jumped.
PUNCTUAL = timedelta(seconds=30)
MOST_CAUGHT_UP = 100


class Skip(StrEnum):
    """Why a due moment was not run."""

    OVERLAP = "overlap"  # earlier runs of the task were still going
    MISSED = "missed"  # Kumo was not running, and the task does not catch this moment up
    NO_FILES = "no_files"  # the project has no files to run


class CatchUp(StrEnum):
    """What a task does about moments that were missed."""

    SKIP = "skip"  # nothing
    LATEST = "latest"  # run once, for the last of them
    ALL = "all"  # run each, up to a hundred


@dataclass(frozen=True, kw_only=True)
class Due:
    """One due moment and what is to be done with it."""

    at: datetime
    run: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done with all moments that have come since the last look; `missed_before` are not in `due`."""

    due: list[Due]
    missed_before: int


def plan(moments: Sequence[datetime], left_out: int, *, catch_up: CatchUp, window: timedelta, now: datetime) -> Plan:
    """Decide which of the moments that have come are run.

    `moments` are the latest, in order; `left_out` earlier ones were not even listed. A punctual moment always runs.
    Of the late ones `latest` runs the last and `all` runs each, up to a hundred in all, unless it lies before the
    window; where a punctual one runs, `latest` needs no late one. What is not run lies before what is.
    """
    late = [moment for moment in moments if now - moment > PUNCTUAL]
    punctual = [moment for moment in moments if now - moment <= PUNCTUAL]
    caught_up: set[datetime] = set()
    in_window = [moment for moment in late if now - moment <= window]
    if catch_up is CatchUp.ALL:
        room = max(0, MOST_CAUGHT_UP - len(punctual))
        caught_up = set(in_window[-room:] if room else [])
    elif catch_up is CatchUp.LATEST and in_window and not punctual:
        caught_up = {in_window[-1]}
    due = [Due(at=moment, run=moment in caught_up) for moment in late]
    due += [Due(at=moment, run=True) for moment in punctual]
    return Plan(due=due, missed_before=left_out)
