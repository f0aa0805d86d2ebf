"""Requests for runs from outside: stored together when they come together.

A transaction waits for the disk once, whether it stores one run or fifty. While one is under way, further requests
gather for the next; nobody is answered before his run is stored.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from kumo.clock import Clock
from kumo.db.session import Database
from kumo.errors import KumoError
from kumo.runs.service import Queued, Wish, request_runs

_LARGEST_BATCH = 100


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    wish: Wish
    answer: asyncio.Future[Queued]


class Intake:
    """The way from a request to a stored run."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._storing: asyncio.Task[None] | None = None

    async def request(self, wish: Wish) -> Queued:
        """Queue one run; the answer comes once it is stored. `NotFound` or `Conflict` when there is nothing to run.

        Whoever stops waiting for the answer does not take the request back.
        """
        answer: asyncio.Future[Queued] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(wish=wish, answer=answer))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_all())
        return await answer

    async def _store_all(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _LARGEST_BATCH))]
                try:
                    await self._store(batch)
                except Exception as error:  # noqa: BLE001 - each of those who wait is told
                    for waiting in batch:
                        if not waiting.answer.done():
                            waiting.answer.set_exception(error)
        finally:
            self._storing = None

    async def _store(self, batch: list[_Waiting]) -> None:
        async with self._database.write() as session:
            outcomes = await request_runs(session, [waiting.wish for waiting in batch], self._clock())
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.answer.done():  # cancelled
                continue
            if isinstance(outcome, KumoError):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result(outcome)
