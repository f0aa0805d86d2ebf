"""Routes of tasks, and those that delete what tasks use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, status
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.dependencies import Actor, VaultDep, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.errors import InvalidInput
from kumo.http import PageDep, ReadSession, RowId, WriteSession, error_answers, search_pattern
from kumo.projects.models import Project
from kumo.secrets import Vault
from kumo.tasks import service, uses
from kumo.tasks.declared import differences
from kumo.tasks.models import Task, TriggerRow, is_listed
from kumo.tasks.policies import Blackout, Limits, RateLimit, Retry
from kumo.tasks.schemas import LastRun, TaskCreate, TaskFields, TaskList, TaskOut
from kumo.tasks.service import TaskDefinition, TriggerWish
from kumo.tasks.trigger_rows import trigger_of
from kumo.tasks.trigger_schemas import TriggerIn, TriggerOut

router = APIRouter(tags=["tasks"])
# Apart, so that each stands under the heading of what it deletes.
deletion_router = APIRouter()

# May be set to null. In every other field of a new task null means "not said", and in a change it is refused.
_NULLABLE = frozenset({"environment_id", "timeout_seconds", "pool", "failure_threshold", "proxy"})
# Objects of which a request may give some fields: the others keep their values.
_PARTIAL: dict[str, type[Retry | Limits | RateLimit]] = {"retry": Retry, "limits": Limits, "rate_limit": RateLimit}


IfMatch = Annotated[
    int | None, Header(alias="If-Match", description="The version that the change is meant for; 409 when it is older.")
]


@router.get("/tasks", summary="List tasks", responses=error_answers("unauthenticated", "validation_error"))
async def list_tasks(  # noqa: PLR0913 - one parameter for each filter
    _actor: Annotated[Actor, require(Permission.READ)],
    session: ReadSession,
    page: PageDep,
    q: Annotated[str | None, Query(max_length=200, description="Part of a name.")] = None,
    project_id: RowId | None = None,
    environment_id: RowId | None = None,
    active: bool | None = None,  # noqa: FBT001 - a query parameter
) -> TaskList:
    """Tasks by name."""
    conditions: list[ColumnElement[bool]] = [is_listed()]
    if q:
        conditions.append(Task.name.ilike(search_pattern(q), escape="\\"))
    if project_id is not None:
        conditions.append(Task.project_id == project_id)
    if environment_id is not None:
        conditions.append(Task.environment_id == environment_id)
    if active is not None:
        conditions.append(Task.active == active)
    if (after := page.after_name()) is not None:
        conditions.append(Task.name > after)
    rows = (await session.scalars(select(Task).where(*conditions).order_by(Task.name).limit(page.limit + 1))).all()
    shown = rows[: page.limit]
    return TaskList(
        items=await _show(session, shown), next_cursor=page.next_cursor(rows, [shown[-1].name] if shown else None)
    )


@router.post(
    "/tasks",
    status_code=status.HTTP_201_CREATED,
    summary="Create a task",
    responses=error_answers("unauthenticated", "forbidden", "validation_error", "conflict"),
)
async def create_task(
    body: TaskCreate, _actor: Annotated[Actor, require(Permission.WRITE)], session: WriteSession, vault: VaultDep
) -> TaskOut:
    """Create a task; its triggers count from now."""
    now = utc_now()
    definition = TaskDefinition(**_said(body, {name: policy() for name, policy in _PARTIAL.items()}))
    task = await service.create(session, definition, _wishes(body.triggers or [], now, vault), now)
    return (await _show(session, [task]))[0]


@router.get("/tasks/{task_id}", summary="Show a task", responses=error_answers("unauthenticated", "not_found"))
async def get_task(task_id: RowId, _actor: Annotated[Actor, require(Permission.READ)], session: ReadSession) -> TaskOut:
    """One task."""
    return (await _show(session, [await service.get(session, task_id)]))[0]


@router.patch(
    "/tasks/{task_id}",
    summary="Change a task",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "conflict"),
)
async def change_task(
    task_id: RowId,
    body: TaskFields,
    _actor: Annotated[Actor, require(Permission.WRITE)],
    session: WriteSession,
    vault: VaultDep,
    if_match: IfMatch = None,
) -> TaskOut:
    """Change the fields that are given; a trigger without an `id` is new and counts from now."""
    _refuse_null(body)
    now = utc_now()
    wishes = None if body.triggers is None else _wishes(body.triggers, now, vault)
    before = await service.definition_of(session, task_id)
    said = _said(body, {name: getattr(before, name) for name in _PARTIAL})
    task = await service.change(session, task_id, said, wishes, seen_version=if_match, now=now)
    return (await _show(session, [task]))[0]


@router.post(
    "/tasks/{task_id}/pause",
    summary="Pause a task",
    responses=error_answers("unauthenticated", "forbidden", "not_found"),
)
async def pause_task(
    task_id: RowId, _actor: Annotated[Actor, require(Permission.RUN)], session: WriteSession
) -> TaskOut:
    """Let no trigger come due until the task is resumed; runs that go on go on."""
    task = await service.set_active(session, task_id, active=False, now=utc_now())
    return (await _show(session, [task]))[0]


@router.post(
    "/tasks/{task_id}/resume",
    summary="Resume a task",
    responses=error_answers("unauthenticated", "forbidden", "not_found"),
)
async def resume_task(
    task_id: RowId, _actor: Annotated[Actor, require(Permission.RUN)], session: WriteSession
) -> TaskOut:
    """Let its triggers come due again, from now on."""
    task = await service.set_active(session, task_id, active=True, now=utc_now())
    return (await _show(session, [task]))[0]


@deletion_router.delete(
    "/projects/{project_id}",
    tags=["projects"],
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a project that no task uses",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error"),
)
async def delete_project(
    project_id: RowId, _actor: Annotated[Actor, require(Permission.WRITE)], session: WriteSession
) -> None:
    """Put the project into the trash, from where all of it can be restored until it is purged; its runs stay."""
    await uses.delete_project(session, project_id, utc_now())


@deletion_router.delete(
    "/environments/{environment_id}",
    tags=["environments"],
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete an environment",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict"),
)
async def delete_environment(
    environment_id: RowId, _actor: Annotated[Actor, require(Permission.WRITE)], session: WriteSession
) -> None:
    """Delete an environment that no task uses."""
    await uses.delete_environment(session, environment_id, utc_now())


def _refuse_null(body: TaskFields) -> None:
    for name in sorted(body.model_fields_set - _NULLABLE):
        if getattr(body, name) is None:
            raise InvalidInput.at(name, f"The field {name} cannot be null. Leave it out to keep its value.")


def _said(body: TaskFields, before: dict[str, Any]) -> dict[str, Any]:
    """The fields that the request gives a value, without the triggers; of some, `before` has what is not given."""
    values = {name: getattr(body, name) for name in body.model_fields_set if name != "triggers"}
    said = {name: value for name, value in values.items() if value is not None or name in _NULLABLE}
    if said.get("tags") is not None:
        said["tags"] = tuple(dict.fromkeys(said["tags"]))
    if said.get("blackouts") is not None:
        said["blackouts"] = tuple(Blackout(**each.model_dump()) for each in said["blackouts"])
    for name, policy in before.items():
        if said.get(name) is not None:
            said[name] = replace(policy, **said[name].model_dump(exclude_unset=True))
    return said


def _wishes(triggers: Sequence[TriggerIn], now: datetime, vault: Vault) -> list[TriggerWish]:
    ids = [given.id for given in triggers if given.id is not None]
    if len(ids) != len(set(ids)):
        raise InvalidInput.at("triggers", "The same trigger is given twice.")
    return [
        TriggerWish(id=given.id, trigger=given.to_trigger(field=f"triggers.{position}", now=now, seal=vault.encrypt))
        for position, given in enumerate(triggers)
    ]


async def _show(session: AsyncSession, tasks: Sequence[Task]) -> list[TaskOut]:
    ids = [task.id for task in tasks]
    triggers = await service.triggers_of(session, ids)
    names = await session.execute(
        select(Project.id, Project.name).where(Project.id.in_({task.project_id for task in tasks}))
    )
    name_of = dict(names.all())
    pools = await service.pool_names(session, {task.pool_id for task in tasks if task.pool_id is not None})
    return [_out(task, triggers[task.id], name_of[task.project_id], pools.get(task.pool_id or 0)) for task in tasks]


def _out(task: Task, triggers: Sequence[TriggerRow], project_name: str, pool: str | None) -> TaskOut:
    due = [row.next_due_at for row in triggers if row.next_due_at is not None]
    last_run = None
    if task.last_run_id is not None and task.last_run_state is not None:
        last_run = LastRun(id=task.last_run_id, state=task.last_run_state, ended_at=task.last_run_ended_at)
    names = [name for name in TaskOut.model_fields if hasattr(Task, name) and name != "declared"]
    columns = {name: getattr(task, name) for name in names}
    return TaskOut(
        **columns,
        project_name=project_name,
        pool=pool,
        triggers=[TriggerOut.of(row) for row in triggers],
        next_due_at=min(due) if due and task.active else None,
        last_run=last_run,
        declared=service.declaration_of(task) is not None,
        drift=_drift(task, triggers, pool),
    )


def _drift(task: Task, triggers: Sequence[TriggerRow], pool: str | None) -> list[str]:
    declared = service.declaration_of(task)
    if declared is None:
        return []
    present = service.present_of(service.definition_in(task, pool), [trigger_of(row) for row in triggers])
    return [each.field for each in differences(declared, present)]
