"""Tasks and triggers as they cross HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kumo.errors import InvalidInput
from kumo.http import GivenMoment, Input, RowId, UtcMoment
from kumo.tasks.triggers import Cron, Date, Interval, Trigger

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
Overlap = Literal["skip", "queue", "allow"]
CatchUp = Literal["skip", "latest", "all"]

_FIELDS_OF_TYPE = {
    "cron": {"expression", "timezone"},
    "interval": {"seconds", "start_at", "end_at"},
    "date": {"at"},
}
_YEAR_SECONDS = 366 * 24 * 3600


class TriggerIn(Input):
    """One trigger; which fields it has depends on its type."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"type": "cron", "expression": "30 2 * * *", "timezone": "Europe/Berlin"},
                {"type": "interval", "seconds": 90},
                {"type": "date", "at": "2027-01-01T00:00:00Z"},
            ]
        },
    )

    id: int | None = Field(default=None, description="Of a trigger that the task has and that stays as it is.")
    type: Literal["cron", "interval", "date"]
    expression: str | None = Field(
        default=None, max_length=200, description="cron: 5 fields, 6 with seconds, or @daily."
    )
    timezone: str | None = Field(default=None, max_length=100, description="cron: an IANA name; UTC without.")
    seconds: float | None = Field(default=None, allow_inf_nan=False, description="interval: from 1 second to 366 days.")
    start_at: GivenMoment | None = Field(default=None, description="interval: the first due moment; now without.")
    end_at: GivenMoment | None = Field(default=None, description="interval: no due moment later than this.")
    at: GivenMoment | None = Field(default=None, description="date: the one due moment.")

    def to_trigger(self, *, field: str, now: datetime) -> Trigger:
        """The trigger that is meant; `InvalidInput` names the field that is missing or does not belong."""
        given = self.model_fields_set - {"id", "type"}
        for name in sorted(given - _FIELDS_OF_TYPE[self.type]):
            if getattr(self, name) is not None:
                raise InvalidInput.at(f"{field}.{name}", f"A trigger of type {self.type} has no field {name}.")
        if self.type == "cron":
            expression = _required(self.expression, f"{field}.expression", "a cron expression, as 30 2 * * *")
            return Cron(expression=expression, timezone=self.timezone or "UTC")
        if self.type == "interval":
            return Interval(
                seconds=_required(self.seconds, f"{field}.seconds", "the number of seconds"),
                start_at=_to_milliseconds(self.start_at or now),
                end_at=None if self.end_at is None else _to_milliseconds(self.end_at),
            )
        at = _required(self.at, f"{field}.at", "the moment, as 2027-01-01T00:00:00Z")
        return Date(at=_to_milliseconds(at))


class TriggerOut(BaseModel):
    """One trigger of a task."""

    id: int
    type: Literal["cron", "interval", "date"]
    expression: str | None = None
    timezone: str | None = None
    seconds: float | None = None
    start_at: UtcMoment | None = None
    end_at: UtcMoment | None = None
    at: UtcMoment | None = None


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


def _required(value: Any, field: str, what: str) -> Any:
    if value is None:
        raise InvalidInput.at(field, f"This field is required: {what}.")
    return value


def _to_milliseconds(moment: datetime) -> datetime:
    """As exact as answers are, so that a trigger which is read and sent back is the same trigger."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
