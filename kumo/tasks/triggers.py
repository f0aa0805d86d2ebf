"""When a task is due: by the clock (cron, interval, date), after another task's runs, or when its address is called.

Pure: moments in, moments out; all moments aware, in UTC. What daylight saving time does to a cron is written in
`kumo.tasks.cron`, what a jitter does in `kumo.tasks.jitter`. Intervals count real time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice, takewhile
from typing import Any, Final, Literal, Protocol

from kumo.errors import InvalidInput
from kumo.tasks import cron
from kumo.tasks.jitter import LONGEST_JITTER_SECONDS, due_after
from kumo.tasks.time_zones import zone

SHORTEST_INTERVAL_SECONDS = 1
LONGEST_INTERVAL_SECONDS = 366 * 24 * 3600

Outcome = Literal["success", "failure", "end"]

# By the clock; the others are due when something happens.
CLOCK_TYPES: Final = frozenset({"cron", "interval", "date"})

_TICK = timedelta(microseconds=1)
_FIRST_WINDOW = timedelta(seconds=256)


class Trigger(Protocol):
    """Says when a task is due."""

    def moments_after(self, moment: datetime) -> Iterator[datetime]:
        """All due moments strictly after `moment`, in order and each once; none where no clock decides."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first due moment strictly after `moment`; None when there is none."""


class _ByTheClock:
    """What follows from a trigger's moments."""

    def moments_after(self, moment: datetime) -> Iterator[datetime]:
        """See `Trigger`."""
        raise NotImplementedError

    def next_after(self, moment: datetime) -> datetime | None:
        """See `Trigger`."""
        return next(self.moments_after(moment), None)


@dataclass(frozen=True, kw_only=True)
class Cron(_ByTheClock):
    """The moments of a cron expression in a time zone, from `start_at` to `end_at`, both included."""

    expression: str
    timezone: str = "UTC"
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter_seconds: int = 0
    seed: int = field(default=0, compare=False)  # the trigger's id, on which its delays depend

    def moments_after(self, moment: datetime) -> Iterator[datetime]:
        """See `Trigger`."""
        if not self.jitter_seconds:
            return self.nominal_after(moment)
        jitter = timedelta(seconds=self.jitter_seconds)
        return due_after(self.nominal_after, moment, jitter=jitter, seed=self.seed, end_at=self.end_at)

    def nominal_after(self, moment: datetime) -> Iterator[datetime]:
        """The moments without their delays."""
        if self.start_at is not None and self.start_at > moment:
            moment = self.start_at - _TICK
        found = cron.moments_after(self.expression, self.timezone, moment)
        return found if self.end_at is None else takewhile(lambda each: each <= self.end_at, found)  # type: ignore[operator]  # mypy forgets the condition


@dataclass(frozen=True, kw_only=True)
class Interval(_ByTheClock):
    """Every so many seconds of real time, counted from `start_at`: the moments do not drift with the runs."""

    seconds: float
    start_at: datetime
    end_at: datetime | None = None
    jitter_seconds: int = 0
    seed: int = field(default=0, compare=False)

    def moments_after(self, moment: datetime) -> Iterator[datetime]:
        """See `Trigger`; the very first is `start_at` itself, unless it is delayed."""
        if not self.jitter_seconds:
            return self.nominal_after(moment)
        jitter = timedelta(seconds=self.jitter_seconds)
        return due_after(self.nominal_after, moment, jitter=jitter, seed=self.seed, end_at=self.end_at)

    def nominal_after(self, moment: datetime) -> Iterator[datetime]:
        """The moments without their delays."""
        step = self.step
        following = self.start_at if moment < self.start_at else self.start_at + (self.passed(moment) + 1) * step
        try:
            while self.end_at is None or following <= self.end_at:
                yield following
                following += step
        except OverflowError:  # the year 10000
            return

    @property
    def step(self) -> timedelta:
        """Whole microseconds: a float quotient would drift after some years."""
        return timedelta(microseconds=round(self.seconds * 1_000_000))

    def passed(self, moment: datetime) -> int:
        """How many steps fit between the start and `moment`."""
        return (moment - self.start_at) // self.step


@dataclass(frozen=True, kw_only=True)
class Date(_ByTheClock):
    """Once, at one moment."""

    at: datetime

    def moments_after(self, moment: datetime) -> Iterator[datetime]:
        """The moment, while it lies ahead."""
        if self.at > moment:
            yield self.at


class _ByEvents:
    """What is due when something happens, and never by the clock."""

    def moments_after(self, moment: datetime) -> Iterator[datetime]:  # noqa: ARG002 - as every trigger
        """None."""
        return iter(())

    def next_after(self, moment: datetime) -> datetime | None:  # noqa: ARG002 - as every trigger
        """None."""
        return None


@dataclass(frozen=True, kw_only=True)
class After(_ByEvents):
    """Whenever a run of another task ends: `success` is exit code 0, `failure` all that Kumo counts as one.

    With `end` however a run ends that had begun, also where a person stopped it.
    """

    task_id: int
    on: Outcome = "success"


@dataclass(frozen=True, kw_only=True)
class Webhook(_ByEvents):
    """Whenever the trigger's address is called."""

    sealed_secret: str | None = None  # what callers sign with, encrypted, in base64
    keeps_secret: bool = field(default=False, compare=False)  # of a change: the secret stays as it is


def to_settings(trigger: Trigger) -> tuple[str, dict[str, Any]]:
    """The trigger's type and its settings as JSON, for the database."""
    if isinstance(trigger, Cron):
        settings: dict[str, Any] = {"expression": trigger.expression, "timezone": trigger.timezone}
        return "cron", settings | _bounds_to_json(trigger)
    if isinstance(trigger, Interval):
        return "interval", {"seconds": trigger.seconds} | _bounds_to_json(trigger)
    if isinstance(trigger, After):
        return "after", {"task_id": trigger.task_id, "on": trigger.on}
    if isinstance(trigger, Webhook):
        return "webhook", {"sealed_secret": trigger.sealed_secret}
    assert isinstance(trigger, Date)
    return "date", {"at": trigger.at.isoformat()}


def from_settings(kind: str, settings: dict[str, Any], *, seed: int = 0) -> Trigger:
    """Read what `to_settings` gave; `seed` is the trigger's id."""
    if kind == "cron":
        return Cron(expression=settings["expression"], timezone=settings["timezone"], **_bounds(settings), seed=seed)
    if kind == "interval":
        return Interval(seconds=settings["seconds"], **_bounds(settings), seed=seed)
    if kind == "after":
        return After(**settings)
    if kind == "webhook":
        return Webhook(**settings)
    assert kind == "date", kind
    return Date(at=datetime.fromisoformat(settings["at"]))


def validate(trigger: Trigger, *, field: str, now: datetime) -> None:
    """Refuse what can never be due, or far too often, naming the field below `field` that is wrong."""
    if isinstance(trigger, Cron):
        _validate_cron(trigger, field, now)
    elif isinstance(trigger, Interval):
        _validate_interval(trigger, field, now)
    elif isinstance(trigger, Date) and trigger.next_after(now) is None:
        raise InvalidInput.at(f"{field}.at", "This moment has passed; choose one that lies ahead.")


def due_moments(trigger: Trigger, after: datetime, count: int) -> list[datetime]:
    """The next `count` due moments after `after`; fewer when the trigger ends."""
    return list(islice(trigger.moments_after(after), count))


def due_between(trigger: Trigger, first: datetime, until: datetime, most: int) -> tuple[list[datetime], int]:
    """The last `most` due moments in [first, until], and how many came before those.

    `first` is due itself. It takes about as long for a year as for a minute: what comes before is counted, not listed.
    """
    if until < first:
        return [], 0
    few = list(islice(takewhile(lambda each: each <= until, chain([first], trigger.moments_after(first))), most + 1))
    if len(few) <= most:
        return few, 0
    latest = _latest(trigger, first, until, most)
    return latest, _nominal_between(trigger, first, latest[0])


def _latest(trigger: Trigger, first: datetime, until: datetime, most: int) -> list[datetime]:
    """The last `most` moments in (first, until], of which there are as many: found by looking back ever further."""
    window = _FIRST_WINDOW
    while True:
        begin = max(first, until - window)
        latest = deque(takewhile(lambda each: each <= until, trigger.moments_after(begin)), maxlen=most)
        if len(latest) == most or begin == first:
            return list(latest)
        window *= 4


def _nominal_between(trigger: Trigger, first: datetime, last: datetime) -> int:
    """How many due moments lie in [first, last), both due themselves.

    As many as nominal ones in (first, last]: between a nominal moment and the moment when it is due lies no other.
    """
    if isinstance(trigger, Cron):
        return cron.count_between(trigger.expression, trigger.timezone, first, last)
    assert isinstance(trigger, Interval), "a date is due once"
    return trigger.passed(last) - trigger.passed(first)


def _bounds(settings: dict[str, Any]) -> dict[str, Any]:
    moments = {name: settings.get(name) for name in ("start_at", "end_at")}
    found: dict[str, Any] = {name: datetime.fromisoformat(at) if at else None for name, at in moments.items()}
    return found | {"jitter_seconds": settings.get("jitter_seconds", 0)}


def _bounds_to_json(trigger: Cron | Interval) -> dict[str, Any]:
    moments = {"start_at": trigger.start_at, "end_at": trigger.end_at}
    found: dict[str, Any] = {name: at.isoformat() if at else None for name, at in moments.items()}
    return found | {"jitter_seconds": trigger.jitter_seconds}


def _validate_cron(trigger: Cron, field: str, now: datetime) -> None:
    try:
        zone(trigger.timezone)
    except InvalidInput as error:
        raise InvalidInput.at(f"{field}.timezone", error.message) from None
    expression = cron.plain_expression(trigger.expression)
    where = f"{field}.expression"
    if expression.startswith("@"):
        known = ", ".join(cron.NICKNAMES)
        raise InvalidInput.at(where, f"{trigger.expression!r} is not known. Use one of {known}, or five fields.")
    count = len(expression.split())
    if count not in (cron.FIELDS, cron.FIELDS_WITH_SECONDS):
        raise InvalidInput.at(
            where,
            f"A cron expression has 5 fields (minute hour day month weekday), or 6 with seconds first, not {count}.",
        )
    if (wrong := cron.complaint(expression)) is not None:
        raise InvalidInput.at(where, f"The cron expression is not valid: {wrong}.")
    if next(cron.moments_after(expression, trigger.timezone, now), None) is None:
        raise InvalidInput.at(where, "This cron expression never comes due: no such day exists.")
    _validate_bounds(trigger, field, now)


def _validate_interval(trigger: Interval, field: str, now: datetime) -> None:
    if not SHORTEST_INTERVAL_SECONDS <= trigger.seconds <= LONGEST_INTERVAL_SECONDS:
        raise InvalidInput.at(f"{field}.seconds", "An interval lasts from 1 second to 366 days.")
    _validate_bounds(trigger, field, now)


def _validate_bounds(trigger: Cron | Interval, field: str, now: datetime) -> None:
    if not 0 <= trigger.jitter_seconds <= LONGEST_JITTER_SECONDS:
        raise InvalidInput.at(f"{field}.jitter_seconds", "A jitter lasts from 0 to 3600 seconds.")
    if trigger.end_at is None:
        return
    if trigger.start_at is not None and trigger.end_at < trigger.start_at:
        raise InvalidInput.at(f"{field}.end_at", "The end lies before the start.")
    if trigger.next_after(now) is None:
        raise InvalidInput.at(f"{field}.end_at", "The end has passed, or nothing is due before it.")
