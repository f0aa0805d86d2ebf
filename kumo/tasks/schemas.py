"""Tasks as they cross HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kumo.http import Input, RowId, UtcMoment
from kumo.tasks.trigger_schemas import TriggerIn, TriggerOut

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
Overlap = Literal["skip", "queue", "allow"]
CatchUp = Literal["skip", "latest", "all"]

_YEAR_SECONDS = 366 * 24 * 3600


class TaskFields(Input):
    """What can be said of a task; what is left out keeps its value, or takes its default in a new task."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    description: Annotated[str, Field(max_length=10_000)] | None = None
    project_id: RowId | None = None
    environment_id: RowId | None = Field(default=None, description="null: what the project itself declares.")
    tags: Annotated[list[Tag], Field(max_length=20)] | None = None
    command: Annotated[str, Field(max_length=10_000)] | None = None
    shell: bool | None = None
    active: bool | None = None
    triggers: Annotated[list[TriggerIn], Field(max_length=50)] | None = None
    overlap: Overlap | None = Field(default=None, description="What a slot does while earlier runs of the task go on.")
    max_parallel: Annotated[int, Field(ge=1, le=1000)] | None = None
    catch_up: CatchUp | None = Field(default=None, description="What happens to slots that were missed.")
    catch_up_window_seconds: Annotated[int, Field(ge=0, le=_YEAR_SECONDS)] | None = None
    priority: Annotated[int, Field(ge=-100, le=100)] | None = Field(default=None, description="Higher goes first.")
    timeout_seconds: Annotated[float, Field(gt=0, le=_YEAR_SECONDS, allow_inf_nan=False)] | None = None
    stop_grace_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] | None = None


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
    next_due_at: UtcMoment | None
    last_run: LastRun | None
    created_at: UtcMoment
    updated_at: UtcMoment


class TaskList(BaseModel):
    """One page of tasks."""

    items: list[TaskOut]
    next_cursor: str | None
