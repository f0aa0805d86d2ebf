"""Cron expressions: the moments that one names in a time zone. Pure; all moments aware, in UTC.

Five fields (minute, hour, day, month, weekday), six with the seconds first, or a nickname as @daily. A field is `*`, a
number, a range `1-5`, a list `1,3`, each with a step `/2`; months and weekdays have names; a day may be `L`, the last
of the month, or `LW`, its last day from Monday to Friday; a weekday may be `5L`, the month's last Friday, or `1#2`, its
second Monday. Where day and weekday are both given, either one is enough, as in cron.

The rule for daylight saving time:

1. An expression has fixed times when neither its minute nor its hour begins with a star. Each local time that it names
   is due once: a time that the clock repeats is due the first time; a time that the clock skips is due right after the
   gap, and all those in one gap together once.
2. Any other expression follows real time: it is due whenever the clock shows a time that it names. A time that the
   clock skips is not due, a time that it repeats is due twice. What comes every ten minutes comes every ten minutes.

cronsim says which local times an expression names; which moments these are is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from kumo.tasks.time_zones import change_of_clocks, offset_at, stretches, zone

FIELDS: Final = 5
FIELDS_WITH_SECONDS: Final = 6

# crontab(5); @reboot is no time and has no place in a ledger of times.
NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_TICK = timedelta(microseconds=1)


def plain_expression(expression: str) -> str:
    """The expression with a nickname spelled out and spaces made single."""
    words = " ".join(expression.split())
    return NICKNAMES.get(words.lower(), words)


def has_fixed_times(expression: str) -> bool:
    """Whether the expression names times of the day, rather than a rhythm; see the rule above."""
    minute, hour = plain_expression(expression).split()[-5:-3]
    return not minute.startswith("*") and not hour.startswith("*")


def goes_on_evenly(expression: str, shift: timedelta) -> bool:
    """Whether its moments keep their distances where a clock is set by `shift`, forward or back.

    So does what follows real time and names the same times of the day after the shift as before it: every hour where
    that is an hour, every half hour where it is half of one.
    """
    # Whole days are left out: the times of a day are the same after such a shift, but not the day.
    return not has_fixed_times(expression) and abs(shift) < _DAY and _times(plain_expression(expression)).allow(shift)


def moments_after(expression: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """All due moments strictly after `after`, as far as a calendar reaches."""
    plain, here = plain_expression(expression), zone(timezone)
    found = _at_fixed_times(plain, here, after) if has_fixed_times(plain) else _in_real_time(plain, here, after)
    try:
        yield from found
    except OverflowError:  # the year 10000
        return


def count_between(expression: str, timezone: str, after: datetime, until: datetime) -> int:
    """How many due moments lie in (after, until], without stepping through them: days are counted by multiplication."""
    times = _times(plain_expression(expression))
    here = zone(timezone)
    if not has_fixed_times(expression):
        return sum(times.count(each.first, each.last) for each in stretches(here, after, until))
    # The local time up to which all is counted. A day earlier too: `after` may lie in a repeated hour.
    reached: datetime | None = None
    count = 0
    for begin, end, counts in ((after - _DAY, after, False), (after, until, True)):
        for stretch in stretches(here, begin, end):
            first = stretch.first
            if reached is not None and first > reached:  # a gap: what lies in it, and what is due at its end, is once
                first += _TICK
                count += counts and times.count(reached, first) > 0
            elif reached is not None:
                first = max(first, reached)
            if counts and stretch.last > first:
                count += times.count(first, stretch.last)
            reached = stretch.last if reached is None else max(reached, stretch.last)
    return count


def local_times(expression: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """The local times in [after, until) that an expression names, whether or not a clock shows them."""
    for local in CronSim(plain_expression(expression), after - _TICK):
        if local >= until:
            return
        yield local


def complaint(expression: str) -> str | None:
    """What is wrong with an expression of the right number of fields, in the library's words; None if nothing is."""
    try:
        CronSim(plain_expression(expression), datetime(2000, 1, 1))  # noqa: DTZ001 - a local time
    except CronSimError as error:
        return str(error)
    return None


def in_english(expression: str) -> str:
    """The expression in words."""
    sentence: str = CronSim(plain_expression(expression), datetime(2000, 1, 1)).explain()  # noqa: DTZ001 - likewise
    return sentence


class _Times:
    """The local times that an expression names, to be counted."""

    def __init__(self, plain: str) -> None:
        self._sim = CronSim(plain, datetime(2000, 1, 1))  # noqa: DTZ001 - a local time
        self._hours = sorted(self._sim.hours)
        self._minutes = sorted(self._sim.minutes)
        self._seconds = sorted(self._sim.seconds)
        self._on_a_day = len(self._hours) * len(self._minutes) * len(self._seconds)

    def count(self, first: datetime, last: datetime) -> int:
        """How many lie in (first, last]."""
        days = (last.date() - first.date()).days
        if days == 0:
            return (self._until(last) - self._until(first)) if self._is_due_on(first.date()) else 0
        whole = sum(self._is_due_on(first.date() + timedelta(days=number)) for number in range(1, days))
        count = whole * self._on_a_day
        if self._is_due_on(first.date()):
            count += self._on_a_day - self._until(first)
        if self._is_due_on(last.date()):
            count += self._until(last)
        return count

    def allow(self, shift: timedelta) -> bool:
        """Whether they are the same times of the day when each is shifted, over midnight if need be."""
        minutes, a_day = shift // _MINUTE, _DAY // _MINUTE
        of_day = {60 * hour + minute for hour in self._hours for minute in self._minutes}
        return {(minute + minutes) % a_day for minute in of_day} == of_day

    def _is_due_on(self, day: date) -> bool:
        return day.month in self._sim.months and bool(self._sim.match_day(day))

    def _until(self, time: datetime) -> int:
        """How many times of a day that is due come before `time` or with it."""
        hours = sum(hour < time.hour for hour in self._hours)
        count = hours * len(self._minutes) * len(self._seconds)
        if time.hour in self._sim.hours:
            count += sum(minute < time.minute for minute in self._minutes) * len(self._seconds)
            if time.minute in self._sim.minutes:
                count += sum(second <= time.second for second in self._seconds)
        return count


@lru_cache(maxsize=500)
def _times(plain: str) -> _Times:
    return _Times(plain)


def _at_fixed_times(plain: str, here: ZoneInfo, after: datetime) -> Iterator[datetime]:
    latest = after
    for local in CronSim(plain, after.astimezone(here).replace(tzinfo=None)):
        moment = _that_exists(local, here)
        # Several times in one gap are one moment, and one in a repeated hour lies before most of that hour.
        if moment > latest:
            latest = moment
            yield moment


def _that_exists(local: datetime, here: ZoneInfo) -> datetime:
    """A local time as a moment: of a repeated one the first, of a skipped one the first minute after the gap."""
    moment = local.replace(tzinfo=here, fold=0).astimezone(UTC)
    while moment.astimezone(here).replace(tzinfo=None) != local:
        local = local.replace(second=0) + _MINUTE
        moment = local.replace(tzinfo=here).astimezone(UTC)
    return moment


def _in_real_time(plain: str, here: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """From day to day, or to the next change of clocks: so long a local time is the moment less one offset."""
    begin = after
    offset = offset_at(here, begin)
    first = (begin + offset).replace(tzinfo=None)
    while True:
        change = change_of_clocks(here, begin, begin + _DAY)
        end = begin + _DAY if change is None else change - _TICK
        moment, is_empty = end, True
        for local in CronSim(plain, first):
            moment = (local - offset).replace(tzinfo=UTC)
            if moment > end:
                break
            is_empty = False
            yield moment
        else:
            return
        # A long time without a moment is left out, but for its last two days: an offset never changes by more. Its
        # first day is not: where the clock is set back on it, moments before it may come a second time.
        begin = max(end, moment - 2 * _DAY) if is_empty and change is None else change or end
        offset = offset_at(here, begin)
        first = (begin + offset).replace(tzinfo=None)
        if change is not None:
            first -= _TICK  # the moment of the change itself belongs to what follows
