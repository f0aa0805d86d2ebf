"""What comes after an attempt: the run's end, or another attempt. Pure."""

from __future__ import annotations

from datetime import datetime

from kumo.runs.states import FAILURES, RunState
from kumo.tasks.policies import Retry


def next_attempt_at(  # noqa: PLR0913 - the facts of one end
    retry: Retry,
    *,
    run_id: int,
    attempt: int,
    state: RunState,
    exit_code: int | None,
    stop_requested: bool,
    ended_at: datetime,
) -> datetime | None:
    """When the next attempt is due after one that ended in `state`; None when the run is over.

    A success is not repeated, nor what a person stopped. Where exit codes are listed, only those are tried again: a
    timeout or a lost runner has none. The delay counts from the attempt's end, so that a restart of the server neither
    lengthens nor shortens it.
    """
    if state not in FAILURES or stop_requested or attempt >= retry.max_attempts:
        return None
    if retry.exit_codes is not None and (state is not RunState.FAILED or exit_code not in retry.exit_codes):
        return None
    return ended_at + retry.delay_after(attempt, seed=run_id)


def reason_to_wait(reason: str | None, exit_code: int | None, attempt: int, retry: Retry) -> str:
    """What a run says between two attempts."""
    why = reason or f"It ended with exit code {exit_code}."
    return f"Attempt {attempt} of {retry.max_attempts} failed: {why} The next one follows."
