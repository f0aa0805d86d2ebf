"""The log of one attempt of a run: where it lies, and whether it still grows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.session import Database
from kumo.errors import NotFound
from kumo.logs.store import LogFile
from kumo.runner.contract import LOG, attempt_directory
from kumo.runs import service
from kumo.runs.models import Attempt, Run
from kumo.runs.states import RunState
from kumo.settings import Settings


@dataclass(frozen=True, kw_only=True)
class AttemptLog:
    """One attempt, and what it left behind."""

    run_id: int
    number: int
    directory: Path
    final_state: str | None  # None while the attempt goes on, or is still to come

    @property
    def log(self) -> LogFile:
        """What it printed."""
        return LogFile(self.directory / LOG)

    @property
    def name(self) -> str:
        """The log's name for whoever downloads it."""
        return f"run-{self.run_id}-{self.number}.log"


async def attempt_log(database: Database, settings: Settings, run_id: int, number: int | None) -> AttemptLog:
    """One attempt of a run, the last without a number. It holds no connection: what is done with it may take long."""
    async with database.read() as session:
        run = await service.get(session, run_id)
        number = run.attempt if number is None else number
        if number > run.attempt:
            raise NotFound(f"Run {run_id} has no attempt {number}; its last is {run.attempt}.")
        final_state = await _final_state(session, run, number)
    directory = attempt_directory(settings.home, run_id, number)
    return AttemptLog(run_id=run_id, number=number, directory=directory, final_state=final_state)


def end_of(
    database: Database, run_id: int, number: int, has_word_of: Callable[[str, int], bool]
) -> Callable[[], Awaitable[str | None]]:
    """What answers the attempt's final state once it has one: asks the database only when there is word of the run."""
    asked = False

    async def ended() -> str | None:
        nonlocal asked
        if asked and not has_word_of("run", run_id):
            return None
        asked = True
        async with database.read() as session:
            return await _final_state(session, await service.get(session, run_id), number)

    return ended


async def _final_state(session: AsyncSession, run: Run, number: int) -> str | None:
    """How the attempt ended; a run may go on with the next one, or wait for it."""
    if number == run.attempt and run.state != RunState.RETRYING:
        return run.state if RunState(run.state).is_final else None
    attempt = await session.get(Attempt, (run.id, number))
    return RunState.LOST if attempt is None else attempt.state
