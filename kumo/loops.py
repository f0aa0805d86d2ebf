"""The background duties of the server: each an endless coroutine, started again when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from kumo.clock import Clock
from kumo.errors import Unavailable

log = structlog.get_logger(__name__)

_FIRST_PAUSE_SECONDS = 0.5
# Not longer: what was missing (space on the disk, the database) may be back, and runs wait for it.
_LONGEST_PAUSE_SECONDS = 5.0
_WENT_WELL_SECONDS = 30.0


@dataclass(kw_only=True)
class LoopState:
    """How one duty is doing."""

    name: str
    running: bool = False
    failures: int = 0
    last_error: str | None = None
    failed_at: datetime | None = None


@dataclass
class Loops:
    """Owns the tasks of all duties, from their start to their end."""

    clock: Clock
    states: dict[str, LoopState] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, name: str, forever: Callable[[], Awaitable[None]]) -> None:
        """Begin one duty."""
        state = LoopState(name=name)
        self.states[name] = state
        self._tasks.append(asyncio.create_task(self._keep_going(state, forever), name=name))

    async def stop(self) -> None:
        """End all duties, and return when they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _keep_going(self, state: LoopState, forever: Callable[[], Awaitable[None]]) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            state.running = True
            began = self.clock()
            try:
                await forever()
            except Unavailable as error:
                self._note(state, error)
                log.warning("a background duty cannot go on just now", loop=state.name, reason=error.message)
            except Exception as error:
                self._note(state, error)
                log.exception("a background duty failed and is started again", loop=state.name)
            finally:
                state.running = False
            # Whoever went well for a while starts again soon; who fails at once waits longer each time.
            went_well = (self.clock() - began).total_seconds() > _WENT_WELL_SECONDS
            pause = _FIRST_PAUSE_SECONDS if went_well else min(pause * 2, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    def _note(self, state: LoopState, error: Exception) -> None:
        state.failures += 1
        state.last_error = f"{type(error).__name__}: {error}"
        state.failed_at = self.clock()
