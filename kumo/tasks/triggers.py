"""When a task is due: cron, interval and date triggers. Pure: moments in, moments out; all moments aware, in UTC.

Daylight saving time, as in Debian's cron: a fixed local time that the clock skips fires once, right after the gap; one
that the clock repeats fires once, the first time. Triggers that fire every hour or oftener, and intervals, follow
real time. cronsim keeps the rules for cron.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain, islice, takewhile
from typing import Any, Protocol
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from kumo.errors import InvalidInput

SHORTEST_INTERVAL_SECONDS = 1
LONGEST_INTERVAL_SECONDS = 366 * 24 * 3600
_FIELDS = 5
_FIELDS_WITH_SECONDS = 6

# crontab(5); @reboot is no time and has no place in a ledger of times.
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class Trigger(Protocol):
    """Says when a task is due."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first due moment strictly after `moment`; None when there is none."""


@dataclass(frozen=True, kw_only=True)
class Cron:
    """Five fields, six with the seconds first, or a nickname like @daily; in a time zone."""

    expression: str
    timezone: str = "UTC"

    def next_after(self, moment: datetime) -> datetime | None:
        """The first due moment strictly after `moment`; None when the expression has no more."""
        return next(self.moments_after(moment), None)

    def moments_after(self, moment: datetime) -> Iterator[datetime]:
        """All due moments strictly after `moment`; much cheaper than asking for the next of each."""
        expression = plain_expression(self.expression)
        here = zone(self.timezone)
        local = moment.astimezone(here)
        found: Iterator[datetime] = CronSim(expression, local)
        if _has_fixed_times(expression):
            found = (_that_exists(naive, here) for naive in CronSim(expression, local.replace(tzinfo=None)))
        latest = moment
        for each in found:
            following = each.astimezone(UTC)
            # Several times in one gap are one moment, and one in a repeated hour lies before most of that hour.
            if following > latest:
                latest = following
                yield following


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Every so many seconds of real time, counted from `start_at`: the moments do not drift with the runs."""

    seconds: float
    start_at: datetime
    end_at: datetime | None = None

    def next_after(self, moment: datetime) -> datetime | None:
        """The first due moment strictly after `moment`; the very first is `start_at` itself."""
        if moment < self.start_at:
            following = self.start_at
        else:
            # Whole microseconds: a float quotient would drift after some years.
            step = round(self.seconds * 1_000_000)
            passed = (moment - self.start_at) // timedelta(microseconds=1)
            following = self.start_at + timedelta(microseconds=(passed // step + 1) * step)
        return None if self.end_at is not None and following > self.end_at else following


@dataclass(frozen=True, kw_only=True)
class Date:
    """Once, at one moment."""

    at: datetime

    def next_after(self, moment: datetime) -> datetime | None:
        """The moment, while it lies ahead."""
        return self.at if self.at > moment else None


def to_settings(trigger: Trigger) -> tuple[str, dict[str, Any]]:
    """The trigger's type and its settings as JSON, for the database."""
    if isinstance(trigger, Cron):
        return "cron", {"expression": trigger.expression, "timezone": trigger.timezone}
    if isinstance(trigger, Interval):
        end_at = trigger.end_at.isoformat() if trigger.end_at else None
        return "interval", {"seconds": trigger.seconds, "start_at": trigger.start_at.isoformat(), "end_at": end_at}
    assert isinstance(trigger, Date)
    return "date", {"at": trigger.at.isoformat()}


def from_settings(kind: str, settings: dict[str, Any]) -> Trigger:
    """Read what `to_settings` gave."""
    if kind == "cron":
        return Cron(**settings)
    if kind == "interval":
        end_at = settings["end_at"]
        return Interval(
            seconds=settings["seconds"],
            start_at=datetime.fromisoformat(settings["start_at"]),
            end_at=datetime.fromisoformat(end_at) if end_at else None,
        )
    assert kind == "date", kind
    return Date(at=datetime.fromisoformat(settings["at"]))


def validate(trigger: Trigger, *, field: str, now: datetime) -> None:
    """Refuse what can never be due, or far too often, naming the field below `field` that is wrong."""
    if isinstance(trigger, Cron):
        _validate_cron(trigger, field, now)
    elif isinstance(trigger, Interval):
        _validate_interval(trigger, field, now)
    elif trigger.next_after(now) is None:
        raise InvalidInput.at(f"{field}.at", "This moment has passed; choose one that lies ahead.")


def due_moments(trigger: Trigger, after: datetime, count: int) -> list[datetime]:
    """The next `count` due moments after `after`; fewer when the trigger ends."""
    return list(islice(_moments(trigger, after), count))


def due_between(trigger: Trigger, first: datetime, until: datetime, most: int) -> tuple[list[datetime], int]:
    """The last `most` due moments in [first, until], and how many came before those.

    `first` is due itself. Intervals are counted by one division; crons by stepping, some 10 microseconds each.
    """
    if isinstance(trigger, Interval):
        return _interval_between(trigger, first, until, most)
    latest: deque[datetime] = deque(maxlen=most)
    count = 0
    for moment in takewhile(lambda moment: moment <= until, chain([first], _moments(trigger, first))):
        latest.append(moment)
        count += 1
    return list(latest), count - len(latest)


def plain_expression(expression: str) -> str:
    """The expression with a nickname spelled out and spaces made single."""
    words = " ".join(expression.split())
    return NICKNAMES.get(words.lower(), words)


@lru_cache(maxsize=700)
def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name; `InvalidInput` for any other word."""
    if name not in _zone_names():
        raise InvalidInput.at("timezone", f"{name!r} is no time zone. Write an IANA name, as Europe/Berlin or UTC.")
    return ZoneInfo(name)


def zone_names() -> list[str]:
    """All IANA time zones, by name."""
    return sorted(_zone_names())


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def _has_fixed_times(expression: str) -> bool:
    """Whether daylight saving time shall not move or double it: no star where the minute or the hour begins."""
    minute, hour = expression.split()[-5:-3]
    return not minute.startswith("*") and not hour.startswith("*")


def _that_exists(naive: datetime, here: ZoneInfo) -> datetime:
    """A local time as a moment: of a repeated one the first, of a skipped one the first minute after the gap."""
    moment = naive.replace(tzinfo=here, fold=0)
    while moment != moment.astimezone(UTC).astimezone(here):
        naive = naive.replace(second=0) + timedelta(minutes=1)
        moment = naive.replace(tzinfo=here)
    return moment


def _moments(trigger: Trigger, after: datetime) -> Iterator[datetime]:
    if isinstance(trigger, Cron):
        yield from trigger.moments_after(after)
        return
    moment = trigger.next_after(after)
    while moment is not None:
        yield moment
        moment = trigger.next_after(moment)


def _interval_between(trigger: Interval, first: datetime, until: datetime, most: int) -> tuple[list[datetime], int]:
    if trigger.end_at is not None:
        until = min(until, trigger.end_at)
    if until < first:
        return [], 0
    step = timedelta(microseconds=round(trigger.seconds * 1_000_000))
    count = (until - first) // step + 1
    kept = min(count, most)
    return [first + step * number for number in range(count - kept, count)], count - kept


def _validate_cron(trigger: Cron, field: str, now: datetime) -> None:
    try:
        zone(trigger.timezone)
    except InvalidInput as error:
        raise InvalidInput.at(f"{field}.timezone", error.message) from None
    expression = plain_expression(trigger.expression)
    where = f"{field}.expression"
    if expression.startswith("@"):
        known = ", ".join(NICKNAMES)
        raise InvalidInput.at(where, f"{trigger.expression!r} is not known. Use one of {known}, or five fields.")
    count = len(expression.split())
    if count not in (_FIELDS, _FIELDS_WITH_SECONDS):
        raise InvalidInput.at(
            where,
            f"A cron expression has 5 fields (minute hour day month weekday), or 6 with seconds first, not {count}.",
        )
    try:
        CronSim(expression, now)
    except CronSimError as error:
        raise InvalidInput.at(where, f"The cron expression is not valid: {error}.") from None
    if trigger.next_after(now) is None:
        raise InvalidInput.at(where, "This cron expression never comes due: no such day exists.")


def _validate_interval(trigger: Interval, field: str, now: datetime) -> None:
    if not SHORTEST_INTERVAL_SECONDS <= trigger.seconds <= LONGEST_INTERVAL_SECONDS:
        raise InvalidInput.at(f"{field}.seconds", "An interval lasts from 1 second to 366 days.")
    if trigger.end_at is not None and trigger.end_at < trigger.start_at:
        raise InvalidInput.at(f"{field}.end_at", "The end lies before the start.")
    if trigger.next_after(now) is None:
        raise InvalidInput.at(f"{field}.end_at", "The end has passed: this interval never comes due again.")
