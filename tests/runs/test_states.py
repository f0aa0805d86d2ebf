from __future__ import annotations

from typing import Any

import pytest

from kumo.runner.contract import Result
from kumo.runs.states import ACTIVE, OPEN, TRANSITIONS, WAITING, RunState, reason_after, state_after


def result(**changes: Any) -> Result:
    values: dict[str, Any] = {
        "outcome": "exited",
        "exit_code": 0,
        "reason": None,
        "started_at": 0.0,
        "ended_at": 1.0,
        "peak_memory_bytes": 0,
        "peak_cpu_percent": 0.0,
        "cpu_seconds": 0.0,
        "log_bytes": 0,
        "log_dropped_bytes": 0,
    }
    return Result(**values | changes)


def reachable(state: RunState, *, without: RunState | None = None) -> set[RunState]:
    found: set[RunState] = set()
    ahead = [state]
    while ahead:
        for target in TRANSITIONS[ahead.pop()] - found - {without}:
            found.add(target)
            ahead.append(target)
    return found


def test_every_state_has_its_moves() -> None:
    assert set(TRANSITIONS) == set(RunState)


@pytest.mark.parametrize("state", sorted(OPEN))
def test_every_open_state_reaches_each_end_and_never_itself_again(state: RunState) -> None:
    ends = {target for target in reachable(state) if target.is_final}
    assert ends == set(RunState) - OPEN
    assert state not in reachable(state, without=RunState.RETRYING)


def test_only_started_runs_hold_a_place() -> None:
    assert OPEN - ACTIVE == WAITING == {RunState.QUEUED, RunState.RETRYING}
    assert not any(state.is_final for state in ACTIVE)


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, RunState.SUCCEEDED, None),
        ({"exit_code": 3}, RunState.FAILED, None),
        ({"exit_code": -9}, RunState.FAILED, "Ended by signal 9."),
        ({"exit_code": 127, "reason": "No such program."}, RunState.FAILED, "No such program."),
        ({"exit_code": None, "reason": "Could not be started."}, RunState.FAILED, "Could not be started."),
        ({"outcome": "timed_out", "exit_code": -15}, RunState.TIMED_OUT, "Ran into its timeout of 2.5 seconds."),
        ({"outcome": "timed_out", "exit_code": 0}, RunState.TIMED_OUT, "Ran into its timeout of 2.5 seconds."),
        ({"outcome": "stopped", "exit_code": 0}, RunState.STOPPED, None),
        ({"outcome": "stopped", "exit_code": -15}, RunState.STOPPED, None),
        ({"outcome": "limit", "exit_code": -9, "reason": "Too much."}, RunState.FAILED, "Too much."),
        ({"outcome": "limit", "exit_code": 0, "reason": "Too many."}, RunState.FAILED, "Too many."),
        (
            {"log_dropped_bytes": 7},
            RunState.SUCCEEDED,
            "The disk was full: 7 bytes of output could not be kept.",
        ),
        ({"log_dropped_bytes": 7, "log_capped_bytes": 7}, RunState.SUCCEEDED, None),
        (
            {"log_dropped_bytes": 9, "log_capped_bytes": 7},
            RunState.SUCCEEDED,
            "The disk was full: 2 bytes of output could not be kept.",
        ),
    ],
)
def test_a_result_gives_its_run_a_state_and_a_reason(
    changes: dict[str, Any], state: RunState, reason: str | None
) -> None:
    ended = result(**changes)
    assert state_after(ended) is state
    assert reason_after(ended, 2.5) == reason
