"""Searches on behalf of requests: beside the event loop, each for a limited time, few at once.

Words are looked for in a thread: `bytes.find` goes through a block in a quarter of a millisecond, and between two
blocks the other threads have their turn. A regular expression is looked for in a process of its own, because nothing
else can end Python's `re` once it has lost itself in an expression such as `(a+)+$`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from kumo.errors import Detail, InvalidInput, Unavailable
from kumo.logs.finders import Query, finder_of
from kumo.logs.pattern_process import step_from_json, task_to_json
from kumo.logs.search import Match, Place, Step, search

PROCESS = "kumo.logs.pattern_process"
_AT_ONCE = 2
_START_SECONDS = 20.0


class SlowPattern(InvalidInput):
    """A regular expression does not get through a block of a log in the time that there is."""

    def __init__(self) -> None:
        message = (
            "This expression takes too long on a line of the log. Make it simpler: avoid a repetition within a "
            "repetition, as in (a+)+, and begin it with something that is rare."
        )
        super().__init__(message, details=(Detail(field="q", message=message),))


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """When a search stops, whichever comes first."""

    seconds: float
    most_per_log: int
    most_logs: int | None = None


@dataclass(kw_only=True, slots=True)
class LogOutcome:
    """How far one log was searched, and what was found in it."""

    offset: int  # where to go on
    is_at_end: bool = False
    is_done: bool = False  # at its end, or after as many matches as were asked for
    matches: list[Match] = field(default_factory=list)


class Outcome:
    """How far a search came: one entry in `logs` for each place that it reached, in their order."""

    def __init__(self, places: Sequence[Place], limits: Limits) -> None:
        self.logs: list[LogOutcome] = []
        self._places = places
        self._limits = limits

    def take(self, step: Step) -> None:
        """Note one step."""
        if step.place == len(self.logs):
            self.logs.append(LogOutcome(offset=self._places[step.place].offset))
        log = self.logs[step.place]
        log.offset = step.offset
        if step.match is not None:
            log.matches.append(step.match)
        log.is_at_end = step.is_at_end
        log.is_done = step.is_at_end or len(log.matches) == self._limits.most_per_log

    @property
    def scanned_bytes(self) -> int:
        """How much has been searched."""
        return sum(log.offset - place.offset for log, place in zip(self.logs, self._places, strict=False))

    @property
    def has_moved(self) -> bool:
        """Whether it came anywhere at all."""
        return self.scanned_bytes > 0 or any(log.is_done for log in self.logs)


class Searches:
    """Carries out searches: two by threads and two by processes at once, the others wait."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="log-search")
        self._processes = asyncio.Semaphore(_AT_ONCE)
        self._is_closed = threading.Event()

    async def search(self, query: Query, places: Sequence[Place], limits: Limits, *, process: str = PROCESS) -> Outcome:
        """Search until the limits; when cancelled, nothing of the search goes on.

        `process` is the module that reads the places as they are to be read, for a regular expression.
        `InvalidInput` at `q` for what is no regular expression, `SlowPattern` for one that got nowhere.
        """
        outcome = Outcome(places, limits)
        if query.is_pattern:
            async with self._processes:
                await _by_process(query, places, limits, outcome, process)
        else:
            await self._by_thread(query, places, limits, outcome)
        return outcome

    async def close(self) -> None:
        """End what still goes on."""
        self._is_closed.set()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    async def _by_thread(self, query: Query, places: Sequence[Place], limits: Limits, outcome: Outcome) -> None:
        is_given_up = threading.Event()

        def work() -> None:
            ends_at = monotonic() + limits.seconds
            for step in search(finder_of(query), places, most_per_log=limits.most_per_log, most_logs=limits.most_logs):
                outcome.take(step)
                if monotonic() >= ends_at or is_given_up.is_set() or self._is_closed.is_set():
                    return

        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            is_given_up.set()


async def _by_process(query: Query, places: Sequence[Place], limits: Limits, outcome: Outcome, process: str) -> None:
    async with _pattern_process(process) as (task, steps):
        task.write(task_to_json(query, places, most_per_log=limits.most_per_log, most_logs=limits.most_logs))
        task.close()
        await _expect_ready(steps)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.seconds):
                async for line in steps:
                    outcome.take(step_from_json(json.loads(line)))
        if not outcome.has_moved:
            raise SlowPattern


async def _expect_ready(steps: asyncio.StreamReader) -> None:
    line = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_START_SECONDS):
            line = await steps.readline()
    if not line:
        raise Unavailable("The search could not be started. Try again in a moment.")
    if error := json.loads(line).get("error"):
        raise InvalidInput.at("q", f"This is no regular expression: {error}.")


@asynccontextmanager
async def _pattern_process(module: str) -> AsyncIterator[tuple[asyncio.StreamWriter, asyncio.StreamReader]]:
    """A process that waits for its task; nothing of it is left afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"LANG": "C.UTF-8"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdin, process.stdout
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
