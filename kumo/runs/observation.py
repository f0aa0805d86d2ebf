"""What an attempt's directory says of it, whoever asks and whatever happened to the server meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kumo.runner.contract import Report, Result, Started, attempt_directory, read_result, read_started, runner_is_alive
from kumo.runner.tree import boot_id

REBOOTED = "The machine was restarted while it ran."
VANISHED = "Its runner vanished without leaving a result; it was killed, or ran out of memory."


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One attempt as it stands: not taken, going, ended or lost."""

    run_id: int
    attempt: int
    started: Started | None = None
    result: Result | None = None
    lost_reason: str | None = None

    @classmethod
    def of(cls, report: Report) -> Observation | None:
        """What a runner's report says; None when it only says to look."""
        if report.started is None and report.result is None:
            return None
        return cls(run_id=report.run_id, attempt=report.attempt, started=report.started, result=report.result)

    @property
    def is_end(self) -> bool:
        """Whether the attempt is over."""
        return self.result is not None or self.lost_reason is not None


def observe(home: Path, attempts: Sequence[tuple[int, int]]) -> list[Observation]:
    """Look at some attempts, given as run id and number. Blocks for some file reads each."""
    return [_observe(run_id, number, attempt_directory(home, run_id, number)) for run_id, number in attempts]


def _observe(run_id: int, number: int, directory: Path) -> Observation:
    result = read_result(directory)
    if result is not None:
        return Observation(run_id=run_id, attempt=number, result=result)
    started = read_started(directory)
    if started is None or runner_is_alive(directory):
        return Observation(run_id=run_id, attempt=number, started=started)
    # The runner may have left its result between the two looks.
    result = read_result(directory)
    if result is not None:
        return Observation(run_id=run_id, attempt=number, result=result)
    reason = VANISHED if started.boot_id == boot_id() else REBOOTED
    return Observation(run_id=run_id, attempt=number, started=started, lost_reason=reason)
