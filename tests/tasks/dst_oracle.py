"""When a cron expression is due around a change of clocks, worked out from first principles, to judge Kumo by.

It shares nothing with `kumo.tasks.cron` nor with the library behind it, and computes no next moment. It walks through
real time minute by minute, writes down what a clock on the wall shows, and looks up in these notes when each local time
that the expression names was shown: never, once or twice. The written rule (docs/decisions/0011) then needs no
arithmetic.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

_MINUTE = timedelta(minutes=1)
_DAY_OF_MINUTES = 24 * 60

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr)}
_NAMES = _MONTHS | {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}


@dataclass(frozen=True, kw_only=True)
class Transition:
    """A moment from which on a zone's clock shows another offset from UTC."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def lowest(self) -> datetime:
        """The first local time that is skipped or shown twice."""
        return (self.at + min(self.before, self.after)).replace(tzinfo=None)

    @property
    def highest(self) -> datetime:
        """The first local time after those."""
        return (self.at + max(self.before, self.after)).replace(tzinfo=None)

    @property
    def shift(self) -> timedelta:
        """By how much the clock is set forward; negative where it is set back."""
        return self.after - self.before


@dataclass(kw_only=True)
class Due:
    """A moment at which an expression is due, and what the change of clocks has to do with it."""

    at: datetime
    instead_of: list[datetime] = field(default_factory=list)  # skipped local times that it stands for
    comes_again: bool = False  # the clock will show this local time a second time
    is_second: bool = False  # it does


class Wall:
    """What a zone's clock shows at each minute of a while."""

    def __init__(self, zone: ZoneInfo, begin: datetime, end: datetime) -> None:
        self.begin = begin
        # Minutes are counted: real ones since `begin`, local ones since the first day of the calendar.
        self.first_at: dict[int, int] = {}  # for each local minute that is shown
        self.again_at: dict[int, int] = {}  # for each that is shown twice
        self.gap_ends_at: dict[int, int] = {}  # for each minute that is skipped
        before: int | None = None
        running = begin.astimezone(UTC).replace(tzinfo=zone)  # as `fromutc` wants it
        for number in range((end - begin) // _MINUTE + 1):
            local = zone.fromutc(running)
            shown = (local.toordinal() * 24 + local.hour) * 60 + local.minute
            if shown in self.first_at:
                self.again_at[shown] = number
            else:
                self.first_at[shown] = number
            if before is not None and shown > before + 1:
                self.gap_ends_at.update(dict.fromkeys(range(before + 1, shown), number))
            before = shown
            running += _MINUTE
        self.days = [date.fromordinal(day) for day in sorted({minute // _DAY_OF_MINUTES for minute in self._minutes()})]

    def _minutes(self) -> Iterator[int]:
        yield from self.first_at
        yield from self.gap_ends_at


def due(expression: str, wall: Wall) -> list[Due]:
    """All moments within the notes at which the expression is due, in order, by the written rule.

    What is shown for the second time is known as such only where the first time is in the notes.
    """
    named = _Named.of(expression)
    found: dict[datetime, Due] = {}
    for minute, seconds in named.times(wall):
        first, again = wall.first_at.get(minute), wall.again_at.get(minute)
        if first is not None:
            for second in seconds:
                at = wall.begin + timedelta(minutes=first, seconds=second)
                found.setdefault(at, Due(at=at)).comes_again = again is not None
        elif named.is_fixed:
            at = wall.begin + timedelta(minutes=wall.gap_ends_at[minute])
            found.setdefault(at, Due(at=at)).instead_of += [_local(minute, second) for second in seconds]
        if again is not None and not named.is_fixed:
            for second in seconds:
                at = wall.begin + timedelta(minutes=again, seconds=second)
                found[at] = Due(at=at, is_second=True)
    return sorted(found.values(), key=lambda each: each.at)


def is_fixed(expression: str) -> bool:
    """Whether the expression has fixed times rather than following real time."""
    return _Named.of(expression).is_fixed


def lost(expression: str, wall: Wall) -> list[datetime]:
    """The local times that the expression names, the clock skips, and nothing makes up for."""
    named = _Named.of(expression)
    if named.is_fixed:
        return []
    return [
        _local(minute, second)
        for minute, seconds in named.times(wall)
        if minute in wall.gap_ends_at
        for second in seconds
    ]


def goes_on_evenly(expression: str, wall: Wall, change: Transition) -> bool:
    """Whether what follows real time is due at the same times of the 24 hours before and after a change.

    Its days are left aside; the notes reach a day to both sides.
    """
    *times, _day, _month, _weekday = expression.split()
    day = timedelta(days=1)
    found = [
        each.at - change.at for each in due(" ".join([*times, "* * *"]), wall) if -day <= each.at - change.at < day
    ]
    before, after = ({at % day for at in found if (at < timedelta(0)) == is_before} for is_before in (True, False))
    return before == after and abs(change.shift) < day


def transitions(zone: ZoneInfo, begin: datetime, end: datetime) -> list[Transition]:
    """All changes of a zone's offset, found by halving each three days at whose end it is another one.

    No zone sets its clock forward and back within them.
    """
    found = []
    day = begin
    before = _offset(zone, begin)
    while day < end:
        following = day + timedelta(days=3)
        after = _offset(zone, following)
        if after != before:
            low, high = day, following
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
            found.append(Transition(at=high, before=before, after=after))
        day, before = following, after
    return found


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _local(minute: int, second: int) -> datetime:
    day, of_day = divmod(minute, _DAY_OF_MINUTES)
    return datetime.combine(date.fromordinal(day), datetime.min.time()) + timedelta(minutes=of_day, seconds=second)


@dataclass(frozen=True, kw_only=True)
class _Named:
    """An expression, read: which local times it names."""

    is_fixed: bool
    seconds: list[int]
    minutes: list[int]  # of a day
    months: frozenset[int]
    day: str
    weekday: str

    @classmethod
    @cache
    def of(cls, expression: str) -> _Named:
        words = {"@daily": "0 0 * * *"}.get(expression, expression).lower().split()
        second, minute, hour, day, month, weekday = words if len(words) == 6 else ["0", *words]
        return cls(
            is_fixed=minute[0] != "*" and hour[0] != "*",
            seconds=sorted(_numbers(second, 0, 59)),
            minutes=[60 * h + m for h in sorted(_numbers(hour, 0, 23)) for m in sorted(_numbers(minute, 0, 59))],
            months=_numbers(month, 1, 12),
            day=day,
            weekday=weekday,
        )

    def times(self, wall: Wall) -> Iterator[tuple[int, list[int]]]:
        """The local minutes in the notes that are named, whether shown or skipped, and the seconds in each."""
        for day in wall.days:
            if self._is_day(day):
                first = day.toordinal() * _DAY_OF_MINUTES
                for of_day in self.minutes:
                    if first + of_day in wall.first_at or first + of_day in wall.gap_ends_at:
                        yield first + of_day, self.seconds

    def _is_day(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_day = any(_is_day_of_month(part, day) for part in self.day.split(","))
        by_weekday = any(_is_weekday(part, day) for part in self.weekday.split(","))
        if self.day[0] == "*" or self.weekday[0] == "*":
            return by_day and by_weekday
        return by_day or by_weekday


def _is_day_of_month(part: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if part == "l":
        return day.day == last
    if part == "lw":
        working = [number for number in range(1, last + 1) if day.replace(day=number).weekday() < 5]
        return day.day == working[-1]
    return day.day in _numbers(part, 1, 31)


def _is_weekday(part: str, day: date) -> bool:
    sunday_or_not = {7, 0} if day.isoweekday() == 7 else {day.isoweekday()}
    if part.endswith("l"):
        return int(part[:-1]) in sunday_or_not and (day + timedelta(days=7)).month != day.month
    weekdays, _, which = part.partition("#")
    is_that_one = not which or (day.day - 1) // 7 + 1 == int(which)
    return is_that_one and bool(sunday_or_not & _numbers(weekdays, 0, 7))


@cache
def _numbers(text: str, lowest: int, highest: int) -> frozenset[int]:
    """The numbers that a field names: a list of `*`, numbers, names and ranges, each with a step or without."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            low, high = lowest, highest
        else:
            low = _number(first)
            high = _number(last) if last else highest if step else low
        found.update(range(low, high + 1, int(step or 1)))
    return frozenset(found)


def _number(word: str) -> int:
    return _NAMES[word] if word in _NAMES else int(word)
