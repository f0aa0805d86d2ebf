"""Word of what has changed, passed on after the commit: it wakes loops and feeds live pages.

A signal only, never the truth: whoever listens reads the database, and would find the same without the signal at
its next round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

_KEY = "kumo.changes"
_BACKLOG = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """One row of interest is new, different or gone."""

    # Told to browsers: "run", "task", "build", "project", "environment", "variable",
    # "interpreter". For Kumo's own parts alone:
    # "queue", "stop", "schedule", "variables", "pull".
    kind: str
    id: int


class Subscription:
    """What one listener has not yet heard; old word is dropped when it does not listen."""

    def __init__(self, kinds: frozenset[str]) -> None:
        self.kinds = kinds
        self._pending: dict[Change, None] = {}
        self._woken = asyncio.Event()
        self.overflowed = False

    def offer(self, change: Change) -> None:
        """Keep a change for the listener; equal ones are kept once."""
        if self.kinds and change.kind not in self.kinds:
            return
        if len(self._pending) >= _BACKLOG:
            self.overflowed = True
            self._pending.clear()
        self._pending[change] = None
        self._woken.set()

    async def wait(self, timeout_seconds: float | None = None) -> list[Change]:
        """The changes since the last call; empty when none came in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._woken.wait()
        except TimeoutError:
            return []
        return self.take()

    def take(self) -> list[Change]:
        """The changes since the last call, without waiting for any."""
        changes = list(self._pending)
        self._pending.clear()
        self._woken.clear()
        return changes

    def has_word_of(self, kind: str, row_id: int) -> bool:
        """Whether one row has changed since the last call, or word may have been dropped; forgets all other word."""
        found = Change(kind, row_id) in self._pending or self.overflowed
        self._pending.clear()
        self.overflowed = False
        return found

    def wake(self) -> None:
        """Make `wait` return without a change."""
        self._woken.set()


class Changes:
    """Passes each committed change to every subscription, in this process."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def publish(self, changes: list[Change]) -> None:
        """Tell everybody; never waits."""
        for subscription in self._subscriptions:
            for change in changes:
                subscription.offer(change)

    def listen(self, *kinds: str) -> Subscription:
        """Listen for as long as the process lives, to some kinds, or to all without any."""
        subscription = Subscription(frozenset(kinds))
        self._subscriptions.add(subscription)
        return subscription

    @contextmanager
    def subscribe(self, *kinds: str) -> Iterator[Subscription]:
        """Listen to some kinds, or to all without any."""
        subscription = self.listen(*kinds)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


def announce(session: AsyncSession, kind: str, row_id: int) -> None:
    """Say that a row changes in this transaction; passed on once it is committed, forgotten if it is not."""
    session.info.setdefault(_KEY, []).append(Change(kind, row_id))


def take_back(session: AsyncSession, kind: str, row_ids: Collection[int]) -> None:
    """Say nothing of these rows after all: what would have been done at this word has been done in the transaction."""
    if row_ids:
        session.info[_KEY] = [c for c in session.info.get(_KEY, []) if c.kind != kind or c.id not in row_ids]


def announced(session: AsyncSession) -> list[Change]:
    """What was announced in the session's transaction."""
    changes: list[Change] = session.info.pop(_KEY, [])
    return changes
