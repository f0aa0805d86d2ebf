"""Runs as they cross HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from operator import attrgetter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.http import UtcMoment
from kumo.projects.schemas import SnapshotOut
from kumo.runs.models import Attempt, Run
from kumo.runs.service import Queued, attempts_of
from kumo.runs.states import RunState
from kumo.tasks.policies import Retry
from kumo.variables import overrides
from kumo.variables.rules import VariableScope


class CauseOut(BaseModel):
    """Why there is a run."""

    type: str
    trigger_id: int | None
    due_at: UtcMoment | None
    actor: str | None


class AttemptOut(BaseModel):
    """One execution of a run's command."""

    number: int
    state: str
    outcome: Literal["exited", "timed_out", "stopped", "limit"] | None = Field(
        description="Why it is over: the script ended, or was ended, for its time, a person or a limit; null when lost."
    )
    exit_code: int | None
    started_at: UtcMoment | None
    ended_at: UtcMoment | None
    peak_memory_bytes: int | None
    peak_cpu_percent: float | None
    cpu_seconds: float | None
    log_bytes: int | None
    log_dropped_bytes: int | None
    limits_by: str | None
    reason: str | None
    worker: str


class GivenVariableOut(BaseModel):
    """A variable that a run was given: which one, and which of the values that it has had; never the value itself."""

    name: str
    scope: VariableScope | None = Field(description="null when the value is not kept any more; then so is `number`.")
    number: int | None = Field(description="As the variable counts its values.")


class RunOut(BaseModel):
    """A run."""

    id: int
    task_id: int
    task_name: str
    project_id: int
    state: RunState
    reason: str | None
    cause: CauseOut
    attempt: int
    max_attempts: int = Field(description="How often it is tried at the most, the first time included.")
    attempts: list[AttemptOut]
    snapshot_id: int
    environment_id: int | None
    build_id: int | None
    command: str
    shell: bool
    priority: int
    timeout_seconds: float | None
    stop_grace_seconds: float
    parameters: dict[str, Any]
    limits: dict[str, Any]
    interpreter: str | None
    own_variables: list[str] = Field(description="Names of the values that came with the request for this run alone.")
    variable_versions: dict[str, int] | None = Field(description="The id of each variable's value that it was given.")
    scratch: bool = Field(description="Somebody tried out a file or a command: `task_name` says which.")
    exact_of: int | None
    retry_at: UtcMoment | None
    stop_requested_at: UtcMoment | None
    queued_at: UtcMoment
    started_at: UtcMoment | None
    ended_at: UtcMoment | None
    duration_seconds: float | None
    exit_code: int | None
    queue_position: int | None = Field(
        default=None, description="Of a queued run that is asked for by itself: 1 is the next to start."
    )
    variables: list[GivenVariableOut] | None = Field(
        default=None,
        description="Of a run that is asked for by itself and has been started: what it was given, by name.",
    )


class RunList(BaseModel):
    """One page of runs, the newest first."""

    items: list[RunOut]
    next_cursor: str | None


class ListedSnapshot(SnapshotOut):
    """One state in the history of a project."""

    is_current: Annotated[bool, Field(description="The project is in it.")]
    run_count: Annotated[int, Field(description="How many runs used it, and so keep it; at most 1,000 are counted.")]


class SnapshotList(BaseModel):
    """A page of states, newest first."""

    items: list[ListedSnapshot]
    next_cursor: str | None


class DifferenceOut(BaseModel):
    """One thing in which two runs are not alike."""

    field: str = Field(description="Of an object's entry, as limits.memory_bytes.")
    this: Any
    other: Any


class ComparisonOut(BaseModel):
    """Two runs side by side."""

    run_id: int
    other_id: int
    differences: list[DifferenceOut]
    same: list[str]


_COLUMNS = Run.__table__.c.keys()
_SHOWN_AS_THEY_ARE = [name for name in _COLUMNS if name in RunOut.model_fields]
_values_of = attrgetter(*_COLUMNS)


async def show(session: AsyncSession, runs: Sequence[Run]) -> list[RunOut]:
    """Some runs as they are answered, with their attempts."""
    attempts = await attempts_of(session, [run.id for run in runs])
    return [run_out(run, attempts[run.id]) for run in runs]


def run_out(run: Run, attempts: Sequence[Attempt]) -> RunOut:
    """One run as it is answered."""
    return _run_out(dict(zip(_COLUMNS, _values_of(run), strict=True)), attempts)


def queued_out(run: Queued) -> RunOut:
    """One that was just queued, as it is answered."""
    return _run_out(run.values, [])


def _run_out(values: Mapping[str, Any], attempts: Sequence[Attempt]) -> RunOut:
    started_at, ended_at = values["started_at"], values["ended_at"]
    return RunOut(
        **{name: values[name] for name in _SHOWN_AS_THEY_ARE},
        cause=CauseOut(
            type=values["cause_type"],
            trigger_id=values["trigger_id"],
            due_at=values["due_at"],
            actor=values["actor"],
        ),
        own_variables=overrides.names(values["overrides"]),
        max_attempts=Retry.from_json(values["retry"]).max_attempts,
        attempts=[AttemptOut.model_validate(attempt, from_attributes=True) for attempt in attempts],
        duration_seconds=None if started_at is None or ended_at is None else _seconds(ended_at - started_at),
    )


def _seconds(duration: timedelta) -> float:
    return round(duration.total_seconds(), 3)
