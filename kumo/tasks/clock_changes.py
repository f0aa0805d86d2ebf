"""What setting the clocks does to the moments of a cron: which are moved, doubled or left out. Pure.

The rule is in `kumo.tasks.cron`; here it is told moment by moment, for people. What goes on evenly, as what comes at
every hour where the clock is set by an hour, is not told: nobody would miss or notice anything.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Literal
from zoneinfo import ZoneInfo

from kumo.tasks.cron import goes_on_evenly, has_fixed_times, local_times
from kumo.tasks.time_zones import offset_at, stretches, zone
from kumo.tasks.triggers import Cron

# Moved: the time does not exist, it is due right after the gap. Once: the time comes twice, and is due the first time.
# Again: the time comes twice, and this is the second one.
Change = Literal["moved", "once", "again"]

_TICK = timedelta(microseconds=1)
_MOST_TOLD = 10


@dataclass(frozen=True, kw_only=True)
class Told:
    """One due moment on the clock of its zone; `meant` are the local times that it stands for, where that is told."""

    at: datetime
    local: datetime
    change: Change | None = None
    meant: tuple[datetime, ...] = ()


def told(trigger: Cron, moments: Sequence[datetime]) -> list[Told]:
    """Each of some due moments of a cron, in order, with what the clock does to it."""
    here = zone(trigger.timezone)
    if not moments:
        return []
    jitter = timedelta(seconds=trigger.jitter_seconds)
    earliest = moments[0] - jitter - _TICK
    nominal = list(takewhile(lambda each: each <= moments[-1], trigger.nominal_after(earliest)))
    found = []
    for moment in moments:
        change, meant = _change(trigger, nominal[bisect_right(nominal, moment) - 1], here)
        found.append(Told(at=moment, local=moment.astimezone(here), change=change, meant=meant))
    return found


def left_out(trigger: Cron, after: datetime, until: datetime) -> list[datetime]:
    """The first local times in (after, until] that the cron names, the clock skips, and nothing makes up for."""
    if trigger.start_at is not None:
        after = max(after, trigger.start_at)
    if has_fixed_times(trigger.expression) or until <= after:
        return []
    found: list[datetime] = []
    for before, following in pairwise(stretches(zone(trigger.timezone), after, until)):
        if not goes_on_evenly(trigger.expression, following.offset - before.offset):
            gap = local_times(trigger.expression, before.last + _TICK, following.first + _TICK)
            found += islice(gap, _MOST_TOLD - len(found))
    return found


def _change(trigger: Cron, nominal: datetime, here: ZoneInfo) -> tuple[Change | None, tuple[datetime, ...]]:
    local = nominal.astimezone(here)
    named = local.replace(tzinfo=None)
    fold = offset_at(here, local.replace(fold=0)) - offset_at(here, local.replace(fold=1))
    if not has_fixed_times(trigger.expression):
        is_told = bool(fold) and local.fold == 1 and not goes_on_evenly(trigger.expression, fold)
        return ("again", (named,)) if is_told else (None, ())
    gap = offset_at(here, nominal) - offset_at(here, nominal - _TICK)
    if gap > timedelta(0) and (meant := tuple(islice(local_times(trigger.expression, named - gap, named), _MOST_TOLD))):
        return "moved", meant
    return ("once", (named,)) if fold else (None, ())
