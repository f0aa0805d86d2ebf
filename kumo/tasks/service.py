"""Creating, changing, pausing and deleting tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.environments.models import Environment
from kumo.errors import ChangedMeanwhile, Conflict, InvalidInput, NameTaken, NotFound
from kumo.projects.models import Project
from kumo.tasks.command import split_command
from kumo.tasks.declared import trigger_as_json
from kumo.tasks.following import refuse_followed
from kumo.tasks.models import Pool, Task, TriggerRow, is_listed
from kumo.tasks.policies import Blackout, Limits, RateLimit, Retry, check_blackouts, check_proxy
from kumo.tasks.trigger_rows import arm, set_triggers
from kumo.tasks.triggers import Trigger

# Kept as JSON, each written and read by its class.
_POLICIES: dict[str, type[Retry | Limits | RateLimit]] = {"retry": Retry, "limits": Limits, "rate_limit": RateLimit}


class TaskNotFound(NotFound):
    """The task does not exist."""

    def __init__(self, task_id: int) -> None:
        super().__init__(f"Task {task_id} does not exist.")


class TaskNameTaken(NameTaken):
    """Another task has the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"A task named {name!r} exists already. Choose another name.")


class TaskChanged(ChangedMeanwhile):
    """Somebody else changed the task meanwhile."""

    def __init__(self, task_id: int, version: int) -> None:
        super().__init__(f"Task {task_id} was changed meanwhile, to version {version}. Load it again, then change it.")


@dataclass(frozen=True, kw_only=True)
class TriggerWish:
    """A trigger that a task shall have: one that it has already, by id, or a new one."""

    id: int | None
    trigger: Trigger


@dataclass(frozen=True, kw_only=True)
class TaskDefinition:
    """Everything that a person decides about a task."""

    name: str
    description: str = ""
    project_id: int
    environment_id: int | None = None
    tags: tuple[str, ...] = ()
    command: str
    shell: bool = False
    active: bool = True
    overlap: str = "skip"
    max_parallel: int = 1
    catch_up: str = "latest"
    catch_up_window_seconds: int = 3600
    priority: int = 0
    timeout_seconds: float | None = 3600
    stop_grace_seconds: float = 10
    pool: str | None = None
    retry: Retry = field(default_factory=Retry)
    failure_threshold: int | None = None
    limits: Limits = field(default_factory=Limits)
    rate_limit: RateLimit = field(default_factory=RateLimit)
    blackouts: tuple[Blackout, ...] = ()
    proxy: str | None = None


async def create(
    session: AsyncSession, definition: TaskDefinition, triggers: Sequence[TriggerWish], now: datetime
) -> Task:
    """Make a task; its triggers count from now."""
    pool_id = await _check(session, definition)
    task = Task(**_columns(definition), pool_id=pool_id, created_at=now, updated_at=now)
    session.add(task)
    await _flush_name(session, definition.name)
    await _set_triggers(session, task, [replace(wish, id=None) for wish in triggers], now)
    await _count_use(session, definition, +1)
    announce(session, "task", task.id)
    announce(session, "schedule", task.id)
    return task


async def change(  # noqa: PLR0913 - what is changed, by whom it was seen last, and when
    session: AsyncSession,
    task_id: int,
    changes: dict[str, Any],
    triggers: Sequence[TriggerWish] | None,
    *,
    seen_version: int | None,
    now: datetime,
) -> Task:
    """Change some fields of a task, or its triggers; a change of a trigger never makes a past moment due."""
    task = await get(session, task_id, for_update=True)
    if seen_version is not None and seen_version != task.version:
        raise TaskChanged(task_id, task.version)
    before = await _definition(session, task)
    definition = replace(before, **changes)
    task.pool_id = await _check(session, definition)
    for name, value in _columns(definition).items():
        setattr(task, name, value)
    task.version += 1
    task.updated_at = now
    if definition.active != before.active:
        _forget_failures(task)
    await _flush_name(session, definition.name)
    if triggers is not None:
        await _set_triggers(session, task, triggers, now)
    if definition.active and not before.active:
        await _arm(session, task.id, now)
    await _count_use(session, before, -1)
    await _count_use(session, definition, +1)
    announce(session, "task", task.id)
    announce(session, "schedule", task.id)
    return task


async def set_active(session: AsyncSession, task_id: int, *, active: bool, now: datetime) -> Task:
    """Pause or resume; what came due meanwhile is past and stays so. Asking twice changes nothing."""
    task = await get(session, task_id, for_update=True)
    if task.active != active:
        task.active = active
        _forget_failures(task)
        task.version += 1
        task.updated_at = now
        if active:
            await _arm(session, task_id, now)
        announce(session, "task", task_id)
        announce(session, "schedule", task_id)
    return task


async def remove(session: AsyncSession, task_id: int, *, open_runs: int, now: datetime) -> None:
    """Delete a task; its runs and their logs stay. `Conflict` while runs of it are open."""
    task = await get(session, task_id, for_update=True)
    if open_runs:
        runs, them = ("1 run", "it") if open_runs == 1 else (f"{open_runs} runs", "them")
        raise Conflict(f"Task {task.name!r} has {runs} queued or going. Stop {them} first.")
    await refuse_followed(session, task)
    task.deleted_at = now
    task.active = False
    task.pool_id = None
    await session.execute(delete(TriggerRow).where(TriggerRow.task_id == task_id))
    await _count_use(session, await _definition(session, task), -1)
    announce(session, "task", task_id)


async def get(session: AsyncSession, task_id: int, *, for_update: bool = False) -> Task:
    """One task; `TaskNotFound` when it does not exist or is deleted."""
    query = select(Task).where(Task.id == task_id, is_listed())
    task = await session.scalar(query.with_for_update() if for_update else query)
    if task is None:
        raise TaskNotFound(task_id)
    return task


async def triggers_of(session: AsyncSession, task_ids: Sequence[int]) -> dict[int, list[TriggerRow]]:
    """The triggers of each of some tasks, in their order."""
    rows = await session.scalars(
        select(TriggerRow).where(TriggerRow.task_id.in_(task_ids)).order_by(TriggerRow.task_id, TriggerRow.position)
    )
    found: dict[int, list[TriggerRow]] = {task_id: [] for task_id in task_ids}
    for row in rows:
        found[row.task_id].append(row)
    return found


async def definition_of(session: AsyncSession, task_id: int) -> TaskDefinition:
    """What a person has decided about a task, which stays so until the transaction ends; or `TaskNotFound`."""
    return await _definition(session, await get(session, task_id, for_update=True))


def definition_in(task: Task, pool: str | None) -> TaskDefinition:
    """What a person has decided about a task whose pool has this name."""
    names = TaskDefinition.__dataclass_fields__.keys() - {"pool"} - _POLICIES.keys()
    values = {name: getattr(task, name) for name in names}
    values |= {name: policy.from_json(getattr(task, name)) for name, policy in _POLICIES.items()}
    blackouts = tuple(Blackout.from_json(each) for each in task.blackouts)
    return TaskDefinition(**values | {"tags": tuple(task.tags), "blackouts": blackouts, "pool": pool})


def declaration_of(task: Task) -> dict[str, Any] | None:
    """What the file of the task's project said of it; None where it never did, or the task has left it."""
    if task.declared is None or task.declared["project_id"] != task.project_id:
        return None
    return task.declared


def present_of(definition: TaskDefinition, triggers: Sequence[Trigger]) -> dict[str, Any]:
    """Everything that a person has decided about a task, as `kumo.tasks.declared` compares it."""
    values = _columns(definition) | {"pool": definition.pool}
    return values | {"triggers": [trigger_as_json(trigger) for trigger in triggers]}


async def pool_names(session: AsyncSession, pool_ids: Collection[int]) -> dict[int, str]:
    """The names of some pools."""
    if not pool_ids:
        return {}
    rows = await session.execute(select(Pool.id, Pool.name).where(Pool.id.in_(pool_ids)))
    return dict(rows.all())


async def _definition(session: AsyncSession, task: Task) -> TaskDefinition:
    pool = None if task.pool_id is None else (await pool_names(session, {task.pool_id}))[task.pool_id]
    return definition_in(task, pool)


def _columns(definition: TaskDefinition) -> dict[str, Any]:
    names = TaskDefinition.__dataclass_fields__.keys() - {"pool"}
    values = {name: getattr(definition, name) for name in names}
    values |= {name: values[name].to_json() for name in _POLICIES}
    return values | {"tags": list(definition.tags), "blackouts": [each.to_json() for each in definition.blackouts]}


def _forget_failures(task: Task) -> None:
    """Who pauses or resumes a task by hand has seen its failures: they count anew."""
    task.consecutive_failures = 0
    task.paused_reason = None


async def _check(session: AsyncSession, definition: TaskDefinition) -> int | None:
    """Refuse what cannot be, and give the id of the pool."""
    split_command(definition.command, shell=definition.shell)
    check_proxy(definition.proxy)
    check_blackouts(definition.blackouts)
    project = await session.get(Project, definition.project_id)
    if project is None or project.deleted_at is not None:
        raise _no_project(definition)
    if definition.environment_id is not None:
        environment = await session.get(Environment, definition.environment_id)
        if environment is None or environment.deleted_at is not None:
            raise _no_environment(definition)
    if definition.pool is None:
        return None
    pool_id = await session.scalar(select(Pool.id).where(Pool.name == definition.pool))
    if pool_id is None:
        raise InvalidInput.at("pool", f"There is no pool named {definition.pool!r}. Create it first.")
    return pool_id


async def _flush_name(session: AsyncSession, name: str) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        raise TaskNameTaken(name) from error


async def _set_triggers(session: AsyncSession, task: Task, wishes: Sequence[TriggerWish], now: datetime) -> None:
    """Keep the triggers that stay as they are, with their place in time; the others begin from now."""
    present = (await triggers_of(session, [task.id]))[task.id]
    await set_triggers(session, task, present, [(wish.id, wish.trigger) for wish in wishes], now)


async def _arm(session: AsyncSession, task_id: int, now: datetime) -> None:
    """Move every trigger whose moment passed while the task was paused on to its next one."""
    rows = (await triggers_of(session, [task_id]))[task_id]
    arm([row for row in rows if row.next_due_at is None or row.next_due_at < now], now)


async def _count_use(session: AsyncSession, definition: TaskDefinition, by: int) -> None:
    """Keep the counts that protect what tasks use from being deleted; refuse what was deleted a moment ago."""
    counted = await session.scalar(
        update(Project)
        .where(Project.id == definition.project_id, Project.deleted_at.is_(None))
        .values(task_count=Project.task_count + by)
        .returning(Project.id)
    )
    if counted is None and by > 0:
        raise _no_project(definition)
    if definition.environment_id is None:
        return
    counted = await session.scalar(
        update(Environment)
        .where(Environment.id == definition.environment_id, Environment.deleted_at.is_(None))
        .values(task_count=Environment.task_count + by)
        .returning(Environment.id)
    )
    if counted is None and by > 0:
        raise _no_environment(definition)


def _no_project(definition: TaskDefinition) -> InvalidInput:
    return InvalidInput.at("project_id", f"Project {definition.project_id} does not exist.")


def _no_environment(definition: TaskDefinition) -> InvalidInput:
    return InvalidInput.at("environment_id", f"Environment {definition.environment_id} does not exist.")
