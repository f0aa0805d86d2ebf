"""What crosses HTTP about the file of a project and what is applied of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from kumo.declarations.file import LARGEST_FILE_BYTES
from kumo.declarations.planning import Action, Plan, whole_number
from kumo.http import Input, RowId, UtcMoment
from kumo.tasks.declared import Difference

_PLAN_EXAMPLE: dict[str, Any] = {
    "hash": "9f1c2a",
    "nothing_to_do": False,
    "environment": None,
    "tasks": [
        {
            "action": "change",
            "name": "nightly",
            "task_id": 7,
            "fields": [{"field": "timeout_seconds", "before": 3600, "after": 600}],
        }
    ],
}


class ApplyRequest(Input):
    """What is to be applied, and whether it is meant."""

    model_config = ConfigDict(json_schema_extra={"example": {"dry_run": True}})

    content: Annotated[str, Field(max_length=LARGEST_FILE_BYTES)] | None = Field(
        default=None, description="The text of the file; without, the `kumo.toml` of the project's present state."
    )
    dry_run: bool = Field(default=False, description="Say what would be done, and do nothing.")
    expected_plan: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="The `hash` of a plan that was shown; 409 when something else would be done."
    )
    task_id: RowId | None = Field(default=None, description="Make this task alone as the file says.")


class FieldChange(BaseModel):
    """One field that is not as the file says."""

    field: str = Field(description="As `retry.max_attempts` or `triggers[0].expression`.")
    before: JsonValue
    after: JsonValue


class TaskStepOut(BaseModel):
    """What is to be done with one task; `adopt` takes one over that a person has made."""

    action: Action
    name: str
    task_id: int | None
    fields: list[FieldChange]


class EnvironmentStepOut(BaseModel):
    """What is to be done with the environment that the file describes."""

    action: Action
    name: str
    fields: list[FieldChange]


class PlanOut(BaseModel):
    """Everything that is to be done so that the tasks are as the file says, and what stays as it is."""

    model_config = ConfigDict(json_schema_extra={"example": _PLAN_EXAMPLE})

    hash: str
    nothing_to_do: bool
    environment: EnvironmentStepOut | None
    tasks: list[TaskStepOut]

    @classmethod
    def of(cls, plan: Plan) -> PlanOut:
        """A plan as it is shown."""
        environment = plan.environment
        return cls(
            hash=plan.hash,
            nothing_to_do=plan.is_done,
            environment=None
            if environment is None
            else EnvironmentStepOut(
                action=environment.action, name=environment.definition.name, fields=shown(environment.fields)
            ),
            tasks=[
                TaskStepOut(action=step.action, name=step.name, task_id=step.task_id, fields=shown(step.fields))
                for step in plan.tasks
            ],
        )


class WebhookAddress(BaseModel):
    """Where a new webhook is called."""

    task_id: int
    task_name: str
    url_path: str = Field(description="Told once, by the answer to the request that makes it.")


class ApplyOut(BaseModel):
    """What was done, or would be."""

    plan: PlanOut
    applied: bool = Field(description="Whether it was done; false for a dry run.")
    webhooks: list[WebhookAddress]


class ProblemOut(BaseModel):
    """One thing that is wrong with the file."""

    path: str = Field(description="As `tasks.nightly.triggers[0].expression`; empty for the file as a whole.")
    line: int | None
    message: str


class DriftOut(BaseModel):
    """A declared task that was changed since: `before` is what it is, `after` what the file said."""

    task_id: int
    name: str
    fields: list[FieldChange]


class AppliedOut(BaseModel):
    """When the file was applied last."""

    at: UtcMoment
    by: str | None = Field(description="Who; null: Kumo itself, as the project wants it.")
    snapshot_id: int | None = Field(description="The state that it stood in; null: its text came with the request.")


class FailureOut(BaseModel):
    """Why the file could not be applied by itself; the tasks are as they were."""

    at: UtcMoment
    message: str
    problems: list[ProblemOut]


class DeclarationOut(BaseModel):
    """The `kumo.toml` of a project's present state, and what was applied of it."""

    state: Literal["none", "valid", "invalid"]
    path: str
    snapshot_id: int
    problems: list[ProblemOut]
    plan: PlanOut | None = Field(description="What applying it would do; null where it is not valid or not there.")
    drift: list[DriftOut]
    apply_declaration: bool = Field(description="Whether each new state of the project is applied by itself.")
    applied: AppliedOut | None
    failure: FailureOut | None


class DeclarationChange(Input):
    """How the file is applied."""

    model_config = ConfigDict(json_schema_extra={"example": {"apply_declaration": True}})

    apply_declaration: bool = Field(description="Apply each new state of the project by itself, the present one too.")


def shown(fields: Iterable[Difference]) -> list[FieldChange]:
    """Changes as they are shown."""
    return [
        FieldChange(field=each.field, before=whole_number(each.present), after=whole_number(each.said))
        for each in fields
    ]
