"""Attempts carried out by real runners, forked from a real zygote."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kumo.runner.contract import AttemptSpec, Result, attempt_directory, read_result
from kumo.workers.dispatch import LocalDispatcher

_PATIENCE_SECONDS = 30


class Attempts:
    """Launches attempts and waits for their ends."""

    def __init__(self, home: Path, dispatcher: LocalDispatcher) -> None:
        self.home = home
        self.dispatcher = dispatcher
        self._word = asyncio.Event()
        self._ids = itertools.count(1)
        self._seen: set[tuple[int, str]] = set()
        dispatcher.listen(self._word.set)

    def spec(self, *arguments: str, **changes: Any) -> AttemptSpec:
        """An attempt at running these arguments."""
        run_id = next(self._ids)
        values: dict[str, Any] = {
            "run_id": run_id,
            "attempt": 1,
            "directory": str(attempt_directory(self.home, run_id, 1)),
            "arguments": arguments,
            "working_directory": str(self.home),
            "environment": {"PATH": "/usr/local/bin:/usr/bin:/bin"},
            "timeout_seconds": None,
            "stop_grace_seconds": 1.0,
        }
        return AttemptSpec(**values | changes)

    async def begin(self, spec: AttemptSpec) -> AttemptSpec:
        """Launch, and return once the script has been started."""
        await self.dispatcher.launch(spec)
        await self._hear(spec, "started")
        return spec

    async def end(self, spec: AttemptSpec) -> Result:
        """Wait for the attempt's end."""
        await self._hear(spec, "ended")
        result = read_result(Path(spec.directory))
        assert result is not None
        return result

    async def run(self, *arguments: str, **changes: Any) -> tuple[Result, bytes]:
        """Carry out one attempt; its result and what it printed."""
        spec = self.spec(*arguments, **changes)
        await self.dispatcher.launch(spec)
        result = await self.end(spec)
        return result, (Path(spec.directory) / "log").read_bytes()

    async def _hear(self, spec: AttemptSpec, kind: str) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (spec.run_id, kind) not in self._seen:
                await self._word.wait()
                self._word.clear()
                for report in self.dispatcher.take_reports():
                    word = "started" if report.started else "ended" if report.result else "left"
                    self._seen.add((report.run_id, word))


def tail_ends_with(directory: Path, end: bytes) -> bool:
    """Whether a log that is too long has taken this in."""
    try:
        return any(part.read_bytes().endswith(end) for part in directory.glob("log.tail.*"))
    except FileNotFoundError:  # it was the oldest, and there is a newer one
        return False


@pytest.fixture
async def attempts(tmp_path: Path) -> AsyncIterator[Attempts]:
    """A place where attempts can be made."""
    dispatcher = LocalDispatcher()
    yield Attempts(tmp_path, dispatcher)
    await dispatcher.close()
