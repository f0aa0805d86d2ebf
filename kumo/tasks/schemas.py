"""Tasks as they cross HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kumo.environments.schemas import NamedEnvironment
from kumo.http import Input, RowId, UtcMoment
from kumo.tasks.policies import DEFAULT_LOG_BYTES
from kumo.tasks.trigger_schemas import TriggerIn, TriggerOut

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
Overlap = Literal["skip", "queue", "allow", "replace"]
CatchUp = Literal["skip", "latest", "all"]

MOST_TRIGGERS = 50
_YEAR_SECONDS = 366 * 24 * 3600
_WEEK_SECONDS = 7 * 24 * 3600
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class RetryFields(Input):
    """Whether and when a run that failed is tried again; a field that is left out keeps its value."""

    max_attempts: Annotated[int, Field(ge=1, le=100, description="All attempts together; 1 is no retry.")] = 1
    delay_seconds: Annotated[float, Field(ge=0, le=_WEEK_SECONDS, allow_inf_nan=False)] = 60
    backoff: Annotated[float, Field(ge=1, le=100, description="Each delay is so many times the one before.")] = 2.0
    max_delay_seconds: Annotated[float, Field(ge=0, le=_WEEK_SECONDS, allow_inf_nan=False)] = 3600
    exit_codes: Annotated[list[int], Field(min_length=1, max_length=256)] | None = Field(
        default=None, description="Only after these exit codes; null: after every failure."
    )


class LimitFields(Input):
    """The most that a run may use; null is no limit, a field that is left out keeps its value."""

    cpu_percent: Annotated[float, Field(ge=1, le=100_000, allow_inf_nan=False)] | None = Field(
        default=None, description="Of one core: 150 is one core and a half."
    )
    memory_bytes: Annotated[int, Field(ge=1 << 20, le=1 << 50)] | None = None
    processes: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    log_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 50)] | None = Field(
        default=DEFAULT_LOG_BYTES, description="The head and the tail of what is printed are kept."
    )


class RateLimitFields(Input):
    """How fast a crawler may ask; a field that is left out keeps its value."""

    request_interval_ms: Annotated[int, Field(ge=1, le=3_600_000)] | None = None
    max_requests_per_second: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] | None = None


class BlackoutFields(Input):
    """A part of the day in which slots are skipped, in local time."""

    start: Annotated[str, Field(pattern=_CLOCK, description="HH:MM")]
    end: Annotated[str, Field(pattern=_CLOCK, description="HH:MM; at or before the start: on the next day.")]
    days: Annotated[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], Field(min_length=1)] | None = Field(
        default=None, description="The days on which it starts; null: every day."
    )
    timezone: Annotated[str, Field(max_length=100, description="An IANA name.")] = "UTC"


class TaskRules(Input):
    """What can be said of a task without naming another row by its id."""

    description: Annotated[str, Field(max_length=10_000)] | None = None
    tags: Annotated[list[Tag], Field(max_length=20)] | None = None
    command: Annotated[str, Field(max_length=10_000)] | None = None
    shell: bool | None = None
    active: bool | None = None
    overlap: Overlap | None = Field(default=None, description="What a slot does while earlier runs of the task go on.")
    max_parallel: Annotated[int, Field(ge=1, le=1000)] | None = None
    catch_up: CatchUp | None = Field(default=None, description="What happens to slots that were missed.")
    catch_up_window_seconds: Annotated[int, Field(ge=0, le=_YEAR_SECONDS)] | None = None
    priority: Annotated[int, Field(ge=-100, le=100)] | None = Field(default=None, description="Higher goes first.")
    timeout_seconds: Annotated[float, Field(gt=0, le=_YEAR_SECONDS, allow_inf_nan=False)] | None = None
    stop_grace_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] | None = None
    pool: Annotated[str, Field(max_length=200)] | None = Field(default=None, description="The name of a pool.")
    retry: RetryFields | None = None
    failure_threshold: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="After so many failures in a row Kumo pauses the task; null: never."
    )
    limits: LimitFields | None = None
    rate_limit: RateLimitFields | None = None
    blackouts: Annotated[list[BlackoutFields], Field(max_length=20)] | None = None
    proxy: Annotated[str, Field(max_length=1000)] | None = Field(
        default=None, description="The script gets it as HTTP_PROXY and the like; without user and password."
    )


class TaskFields(TaskRules):
    """What can be said of a task; what is left out keeps its value, or takes its default in a new task."""

    name: Name | None = None
    project_id: RowId | None = None
    environment_id: RowId | None = Field(default=None, description="null: what the project itself declares.")
    triggers: Annotated[list[TriggerIn], Field(max_length=MOST_TRIGGERS)] | None = None


class TaskCreate(TaskFields):
    """A new task."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "nightly",
                "project_id": 2,
                "command": "python main.py --full",
                "triggers": [{"type": "cron", "expression": "30 2 * * *", "timezone": "Europe/Berlin"}],
            }
        },
    )

    name: Name
    project_id: RowId
    command: Annotated[str, Field(max_length=10_000)]


class LastRun(BaseModel):
    """The newest run of a task."""

    id: int
    state: str
    ended_at: UtcMoment | None


class TaskOut(BaseModel):
    """A task."""

    id: int
    version: int
    name: str
    description: str
    project_id: int
    project_name: str
    environment_id: int | None
    tags: list[str]
    command: str
    shell: bool
    active: bool
    triggers: list[TriggerOut]
    overlap: Overlap
    max_parallel: int
    catch_up: CatchUp
    catch_up_window_seconds: int
    priority: int
    timeout_seconds: float | None
    stop_grace_seconds: float
    pool: str | None
    retry: RetryFields
    failure_threshold: int | None
    consecutive_failures: int
    paused_reason: str | None
    limits: LimitFields
    rate_limit: RateLimitFields
    blackouts: list[BlackoutFields]
    proxy: str | None
    declared: bool = Field(description="Whether the `kumo.toml` of the project declares it.")
    drift: list[str] = Field(description="Fields that differ from what the file said when it was applied last.")
    next_due_at: UtcMoment | None
    last_run: LastRun | None
    created_at: UtcMoment
    updated_at: UtcMoment


class TaskList(BaseModel):
    """One page of tasks."""

    items: list[TaskOut]
    next_cursor: str | None


class NamedTask(BaseModel):
    """A task by its name."""

    id: int
    name: str


class EnvironmentUsage(BaseModel):
    """Who uses an environment, and what its builds take."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "environment_id": 4,
                "tasks": [{"id": 7, "name": "nightly"}],
                "ready_builds": 2,
                "size_bytes": 96468992,
            }
        }
    )

    environment_id: int
    tasks: list[NamedTask]
    ready_builds: int
    size_bytes: int = Field(description="Of the packages in them; on the disk they are shared with other builds.")


class InterpreterUsage(BaseModel):
    """Who uses an interpreter."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "interpreter_id": 3,
                "environments": [{"id": 4, "name": "etl"}],
                "tasks": [{"id": 7, "name": "nightly"}],
            }
        }
    )

    interpreter_id: int
    environments: list[NamedEnvironment]
    tasks: list[NamedTask]
