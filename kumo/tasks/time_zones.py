"""Time zones by their IANA names, and the moments at which their clocks are set. Pure; all moments aware, in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from kumo.errors import InvalidInput

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A time in which a zone's clock goes on evenly: the local times after `first` up to and with `last`.

    Local times have no zone here; a local time and its offset from UTC make a moment.
    """

    first: datetime
    last: datetime
    offset: timedelta


@lru_cache(maxsize=700)
def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name; `InvalidInput` for any other word."""
    if name not in _zone_names():
        raise InvalidInput.at("timezone", f"{name!r} is no time zone. Write an IANA name, as Europe/Berlin or UTC.")
    return ZoneInfo(name)


def zone_names() -> list[str]:
    """All IANA time zones, by name."""
    return sorted(_zone_names())


def offset_at(here: ZoneInfo, moment: datetime) -> timedelta:
    """How far the clock is ahead of UTC."""
    offset = moment.astimezone(here).utcoffset()
    assert offset is not None, "a zone knows its offset"
    return offset


def change_of_clocks(here: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """The moment in (after, until], at most a day, from which on the clock shows another offset."""
    before = offset_at(here, after)
    if offset_at(here, until) == before:
        return None
    low, high = after.replace(microsecond=0), until.replace(microsecond=0)  # clocks are set at whole seconds
    while high - low > _SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if offset_at(here, middle) == before:
            low = middle
        else:
            high = middle
    return high


def stretches(here: ZoneInfo, after: datetime, until: datetime) -> Iterator[Stretch]:
    """The time in (after, until], cut where the clock is set; the moment of a change belongs to what follows it."""
    begin, is_change = after, False
    while True:
        offset = offset_at(here, begin)
        end, change = begin, None
        while change is None and end < until:
            following = min(end + _DAY, until)
            change = change_of_clocks(here, end, following)
            end = change or following
        yield Stretch(
            first=_local(begin, offset) - _TICK * is_change,
            last=_local(end, offset) - _TICK * (change is not None),
            offset=offset,
        )
        if change is None:
            return
        begin, is_change = change, True


def _local(moment: datetime, offset: timedelta) -> datetime:
    return (moment + offset).replace(tzinfo=None)


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())
