"""The life of a run: its states, and the moves between them. Pure; drawn in docs/run-lifecycle.md."""

from __future__ import annotations

from enum import StrEnum

from kumo.runner.contract import Result


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"  # waits for its environment, for runs before it, or for room
    STARTING = "starting"  # claimed: a runner is asked to take its attempt
    RUNNING = "running"  # a runner has taken the attempt and started the script
    RETRYING = "retrying"  # its last attempt failed, and another one follows
    SUCCEEDED = "succeeded"  # exit code 0
    FAILED = "failed"  # another exit code, a signal, or the script could not be started
    TIMED_OUT = "timed_out"  # ended by its runner after its time
    STOPPED = "stopped"  # ended at a person's request, and nothing of it lives
    LOST = "lost"  # its runner vanished without leaving a result: a reboot, or a kill

    @property
    def is_final(self) -> bool:
        """Whether a run stays in this state for ever."""
        return not TRANSITIONS[self]


_ENDS = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.TIMED_OUT, RunState.STOPPED, RunState.LOST})

TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    # Failed from the queue: the environment that it waited for cannot be built.
    RunState.QUEUED: frozenset({RunState.STARTING, RunState.STOPPED, RunState.FAILED}),
    # An end from here: the script was over before anybody heard that it had begun.
    RunState.STARTING: _ENDS | {RunState.RUNNING, RunState.RETRYING},
    RunState.RUNNING: _ENDS | {RunState.RETRYING},
    RunState.RETRYING: frozenset({RunState.QUEUED, RunState.STOPPED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.TIMED_OUT: frozenset(),
    RunState.STOPPED: frozenset(),
    RunState.LOST: frozenset(),
}

ACTIVE = frozenset({RunState.STARTING, RunState.RUNNING})  # these hold a place
WAITING = frozenset({RunState.QUEUED, RunState.RETRYING})  # nothing of these lives
FAILURES = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.LOST})
OPEN = frozenset(state for state in RunState if not state.is_final)


def state_after(result: Result) -> RunState:
    """The state that an attempt's result gives its run."""
    if result.outcome == "stopped":
        return RunState.STOPPED
    if result.outcome == "timed_out":
        return RunState.TIMED_OUT
    # Ended for a limit: failed whatever the exit code, since it may be the processes left behind that went too far.
    return RunState.SUCCEEDED if result.outcome == "exited" and result.exit_code == 0 else RunState.FAILED


def reason_after(result: Result, timeout_seconds: float | None) -> str | None:
    """A sentence for a run that did not succeed; None when there is nothing to add."""
    if result.reason is not None:
        return result.reason
    if result.outcome == "timed_out":
        return f"Ran into its timeout of {timeout_seconds:g} seconds."
    if result.outcome == "exited" and result.exit_code is not None and result.exit_code < 0:
        return f"Ended by signal {-result.exit_code}."
    if lost_bytes := result.log_dropped_bytes - result.log_capped_bytes:
        return f"The disk was full: {lost_bytes} bytes of output could not be kept."
    return None
