"""Slows down whoever guesses passwords: after a few failures, each further one doubles the wait."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from kumo.errors import RateLimited

_FREE_FAILURES = 5
_FIRST_DELAY = timedelta(seconds=1)
_LONGEST_DELAY = timedelta(minutes=5)
_FORGOTTEN_AFTER = timedelta(minutes=30)
_MOST_KEYS = 10_000


@dataclass(kw_only=True, slots=True)
class _Failures:
    count: int
    last_at: datetime


class LoginThrottle:
    """Counts failed sign-ins by account and address, in memory.

    By both together: a stranger elsewhere cannot lock somebody out of their own account, and one shared address does
    not lock out a whole office.
    """

    def __init__(self, too_many: str = "Too many failed sign-ins.") -> None:
        """`too_many` is the sentence that is told before the time to wait."""
        self._too_many = too_many
        self._failures: dict[tuple[str, str], _Failures] = {}

    def check(self, account: str, address: str, now: datetime) -> None:
        """Refuse, without looking at the password, while the wait after the last failure lasts."""
        failures = self._failures.get((account, address))
        if failures is None:
            return
        remaining = failures.last_at + _delay_after(failures.count) - now
        if remaining > timedelta(0):
            seconds = math.ceil(remaining.total_seconds())
            unit = "second" if seconds == 1 else "seconds"
            raise RateLimited(f"{self._too_many} Try again in {seconds} {unit}.", retry_after_seconds=seconds)

    def failed(self, account: str, address: str, now: datetime) -> None:
        """Count one failure."""
        self._forget_the_old(now)
        failures = self._failures.setdefault((account, address), _Failures(count=0, last_at=now))
        failures.count += 1
        failures.last_at = now

    def succeeded(self, account: str, address: str) -> None:
        """Start from zero again."""
        self._failures.pop((account, address), None)

    def _forget_the_old(self, now: datetime) -> None:
        """Keep memory bounded under a flood of made-up names: the old go first, then the least recent."""
        if len(self._failures) < _MOST_KEYS:
            return
        recent = {key: f for key, f in self._failures.items() if now - f.last_at < _FORGOTTEN_AFTER}
        by_age = sorted(recent.items(), key=lambda item: item[1].last_at)
        self._failures = dict(by_age[len(by_age) // 2 :])


def _delay_after(failures: int) -> timedelta:
    if failures < _FREE_FAILURES:
        return timedelta(0)
    doublings = min(failures - _FREE_FAILURES, 20)
    return min(_FIRST_DELAY * (1 << doublings), _LONGEST_DELAY)
