"""What a task says about retries, limits, rates and blackouts, and the rules that follow from it. Pure.

Each class is stored as JSON, in the task and, as it was at the request, in each run; `from_json` reads `{}` as the
defaults, so that a field may be added without touching stored rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, time, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from kumo.environments.needs import addresses
from kumo.errors import InvalidInput
from kumo.tasks.time_zones import zone

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DEFAULT_LOG_BYTES = 1 << 30
_JITTER = 0.1  # of a delay, at most, so that what failed together does not come back together


class _Stored:
    """Something with fields that are JSON as they are."""

    def to_json(self) -> dict[str, Any]:
        """Read back by `from_json`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """What `to_json` gave; a field that is missing has its default."""
        return cls(**values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry(_Stored):
    """Whether and when a run that failed is tried again."""

    max_attempts: int = 1
    delay_seconds: float = 60
    backoff: float = 2.0  # each delay is so many times the one before
    max_delay_seconds: float = 3600
    exit_codes: list[int] | None = None  # only after these; after any failure without

    def delay_after(self, attempt: int, *, seed: int) -> timedelta:
        """How long to wait after a failed attempt, counted from 1; up to a tenth longer, the same for one seed."""
        try:
            delay = self.delay_seconds * self.backoff ** (attempt - 1)
        except OverflowError:
            delay = self.max_delay_seconds
        # Knuth's multiplicative hash: spreads neighbouring run ids over the whole range.
        share = ((seed * 31 + attempt) * 2654435761 % 2**32) / 2**32
        return timedelta(seconds=min(delay, self.max_delay_seconds) * (1 + _JITTER * share))


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits(_Stored):
    """The most that a run may use; None is no limit."""

    cpu_percent: float | None = None  # of one core: 150 is one core and a half
    memory_bytes: int | None = None
    processes: int | None = None
    log_bytes: int | None = DEFAULT_LOG_BYTES


@dataclass(frozen=True, kw_only=True, slots=True)
class RateLimit(_Stored):
    """How fast a crawler may ask; told to the script, which has to keep to it (`kumo.throttle` does)."""

    request_interval_ms: int | None = None
    max_requests_per_second: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Blackout(_Stored):
    """A part of the day in which slots are skipped: from `start` up to but not including `end`, local time.

    An end at or before the start lies on the next day; `days` are those on which it starts, None is every day.
    """

    start: str  # HH:MM
    end: str
    days: list[str] | None = None  # of WEEKDAYS
    timezone: str = "UTC"

    def holds(self, moment: datetime) -> bool:
        """Whether the moment lies within."""
        local = moment.astimezone(ZoneInfo(self.timezone))
        start, end, now = time.fromisoformat(self.start), time.fromisoformat(self.end), local.time()
        today, yesterday = local.weekday(), (local.weekday() - 1) % 7
        if start < end:
            return self._begins_on(today) and start <= now < end
        return (self._begins_on(today) and now >= start) or (self._begins_on(yesterday) and now < end)

    def _begins_on(self, weekday: int) -> bool:
        return self.days is None or WEEKDAYS[weekday] in self.days


def check_blackouts(blackouts: Sequence[Blackout]) -> None:
    """Refuse blackouts in a time zone that there is not."""
    for position, blackout in enumerate(blackouts):
        try:
            zone(blackout.timezone)
        except InvalidInput as error:
            raise InvalidInput.at(f"blackouts.{position}.timezone", error.message) from None


def check_proxy(proxy: str | None) -> None:
    """Refuse what is no proxy's address, and passwords: a task's fields are shown to everybody who may see it."""
    if proxy is not None:
        addresses.check_proxy(proxy, instead="Put it into a secret variable HTTPS_PROXY instead.")
