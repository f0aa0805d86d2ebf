"""The background duties of the server: each an endless coroutine, started again when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kumo.clock import Clock
from kumo.errors import Unavailable

log = structlog.get_logger(__name__)

_FIRST_PAUSE_SECONDS = 0.5
# Not longer: what was missing (space on the disk, the database) may be back, and runs wait for it.
_LONGEST_PAUSE_SECONDS = 5.0
_WENT_WELL_SECONDS = 30.0
_DATABASE_IS_AWAY = (OperationalError, InterfaceError, PoolTimeoutError)


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
            except Exception as error:  # noqa: BLE001 - logged, with its traceback where it is a defect
                state.failures += 1
                state.last_error = log_failure(error, loop=state.name)
                state.failed_at = self.clock()
            finally:
                state.running = False
            # Whoever went well for a while starts again soon; who fails at once waits longer each time.
            went_well = (self.clock() - began).total_seconds() > _WENT_WELL_SECONDS
            pause = _FIRST_PAUSE_SECONDS if went_well else min(pause * 2, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)


def log_failure(error: Exception, *, loop: str) -> str:
    """Log why a duty could not go on, and give the reason in a line.

    What is missing just now is a line of the log, each time; anything else is a defect and brings its traceback.
    """
    if isinstance(error, Unavailable):
        log.warning("a background duty cannot go on just now", loop=loop, reason=error.message)
        return error.message
    if isinstance(error, _DATABASE_IS_AWAY):
        # Without the statement, which says nothing about the outage.
        reason = " ".join(str(getattr(error, "orig", None) or error.args[0]).split())
        log.warning("the database does not answer", loop=loop, reason=reason)
        return f"The database does not answer: {reason}"
    log.error("a background duty failed and is started again", loop=loop, exc_info=error)
    return f"{type(error).__name__}: {error}"
