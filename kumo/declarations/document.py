"""The file `kumo.toml` as it is written: what reads it and what its JSON Schema is made of."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from kumo.declarations.quantities import NONE, to_bytes, to_milliseconds, to_seconds
from kumo.http import GivenMoment, Input
from kumo.tasks.jitter import LONGEST_JITTER_SECONDS
from kumo.tasks.schemas import MOST_TRIGGERS, LimitFields, RateLimitFields, RetryFields, TaskRules
from kumo.tasks.triggers import Outcome

MOST_TASKS = 500

# Fields that may be a text with a unit, by what their number counts.
DURATIONS = frozenset(
    {
        *("timeout_seconds", "stop_grace_seconds", "catch_up_window_seconds", "delay_seconds", "max_delay_seconds"),
        *("seconds", "jitter_seconds", "request_interval_ms"),
    }
)
SIZES = frozenset({"memory_bytes", "log_bytes"})
# Fields whose default is something, and which may be nothing.
MAY_BE_NONE = frozenset({"timeout_seconds", "log_bytes"})


def _moment(value: Any) -> Any:
    """TOML has times of its own; the same as a text is meant as well."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value[:40]!r} is no time. Write it as 2027-01-01T00:00:00Z.") from None
    if not isinstance(value, datetime):
        raise ValueError("This must be a time with its zone, as 2027-01-01T00:00:00Z.")  # noqa: TRY004 - pydantic's
    return value


def _not_padded(name: str) -> str:
    if name != name.strip():
        raise ValueError("A name neither begins nor ends with a space.")
    return name


Seconds = BeforeValidator(to_seconds)
Moment = Annotated[GivenMoment, BeforeValidator(_moment)]
Jitter = Annotated[int, Field(ge=0, le=LONGEST_JITTER_SECONDS), Seconds]
PlainName = Annotated[str, Field(min_length=1, max_length=200)]
TaskName = Annotated[PlainName, AfterValidator(_not_padded)]

_WHAT_JITTER_IS = "Each moment is up to so much later, always by the same part of it."


class CronTable(Input):
    """A trigger by a cron expression."""

    type: Literal["cron"]
    expression: Annotated[str, Field(max_length=200, description="5 fields, 6 with seconds first, or @daily.")]
    timezone: Annotated[str, Field(max_length=100, description="An IANA name.")] = "UTC"
    start_at: Moment | None = Field(default=None, description="No due moment before this.")
    end_at: Moment | None = Field(default=None, description="No due moment later than this.")
    jitter_seconds: Jitter = Field(default=0, description=_WHAT_JITTER_IS)


class IntervalTable(Input):
    """A trigger after every so many seconds."""

    type: Literal["interval"]
    seconds: Annotated[float, Field(allow_inf_nan=False, description="From 1 second to 366 days."), Seconds]
    start_at: Moment | None = Field(
        default=None, description="The first due moment; without: when the trigger was made, and it stays so."
    )
    end_at: Moment | None = Field(default=None, description="No due moment later than this.")
    jitter_seconds: Jitter = Field(default=0, description=_WHAT_JITTER_IS)


class DateTable(Input):
    """A trigger at one moment."""

    type: Literal["date"]
    at: Moment = Field(description="The one due moment, with its zone.")


class AfterTable(Input):
    """A trigger by the end of another task's run."""

    type: Literal["after"]
    task: PlainName = Field(description="The name of the task whose runs are followed.")
    on: Outcome = Field(default="success", description="Which ends count.")


class WebhookTable(Input):
    """A trigger by a call of its address; a secret is set on the task's page, and stays."""

    type: Literal["webhook"]

    @model_validator(mode="before")
    @classmethod
    def _refuse_secret(cls, value: Any) -> Any:
        if isinstance(value, dict) and "secret" in value:
            raise ValueError("A secret has no place in a file. Set it on the task's page: applying this file keeps it.")
        return value


TriggerTable = Annotated[CronTable | IntervalTable | DateTable | AfterTable | WebhookTable, Field(discriminator="type")]


class RetryTable(RetryFields):
    """Whether and when a run that failed is tried again."""

    _durations = field_validator("delay_seconds", "max_delay_seconds", mode="before")(to_seconds)


class LimitTable(LimitFields):
    """The most that a run may use."""

    @field_validator("memory_bytes", "log_bytes", mode="before")
    @classmethod
    def _sizes(cls, value: Any, info: Any) -> Any:
        return None if value == NONE and info.field_name in MAY_BE_NONE else to_bytes(value)


class RateLimitTable(RateLimitFields):
    """How fast a crawler may ask."""

    _durations = field_validator("request_interval_ms", mode="before")(to_milliseconds)


class TaskTable(TaskRules):
    """A task; what is left out has its default, and `active` stays as it is."""

    command: Annotated[str, Field(max_length=10_000)]
    environment: PlainName | None = Field(
        default=None,
        description="The name of an environment. Without: that of [environment], or else what the project itself "
        "declares, which is also what “none” means.",
    )
    active: bool | None = Field(
        default=None, description="Without: a new task is active, and one that is there stays paused or not."
    )
    triggers: Annotated[list[TriggerTable], Field(max_length=MOST_TRIGGERS)] = Field(default_factory=list)
    retry: RetryTable | None = None
    limits: LimitTable | None = None
    rate_limit: RateLimitTable | None = None
    previously: TaskName | None = Field(default=None, description="The name that the task had: it is renamed.")

    _durations = field_validator("stop_grace_seconds", "catch_up_window_seconds", mode="before")(to_seconds)

    @field_validator("timeout_seconds", mode="before")
    @classmethod
    def _timeout(cls, value: Any) -> Any:
        return None if value == NONE else to_seconds(value)


class EnvironmentTable(Input):
    """The environment of all tasks that name no other one: an existing one, or one that the file describes."""

    name: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Alone: an existing environment. With more: its name; without, that of the project."
    )
    python: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="3.12, 3.12.1 or >=3.11,<3.13. Alone: with the packages that the project declares."
    )
    packages: Annotated[list[Annotated[str, Field(max_length=10_000)]], Field(max_length=2000)] | None = Field(
        default=None, description="One requirement in each entry."
    )
    requirements: Annotated[str, Field(min_length=1, max_length=1024)] | None = Field(
        default=None, description="The path of a requirements file of the project, instead of packages."
    )

    @model_validator(mode="after")
    def _one_source(self) -> EnvironmentTable:
        if self.packages is not None and self.requirements is not None:
            raise ValueError("Give packages or requirements, not both: only one can say what the environment holds.")
        if self.model_fields_set == set():
            raise ValueError("Name an environment, or give python, packages or requirements; or leave the table out.")
        return self


class FileTable(Input):
    """A whole file: the environment of its tasks, and the tasks by their names."""

    environment: EnvironmentTable | None = None
    tasks: Annotated[dict[TaskName, TaskTable], Field(max_length=MOST_TASKS)] = Field(default_factory=dict)
