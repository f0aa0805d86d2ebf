"""What there is in the database of that which a file speaks of, with names in the place of ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.declarations.models import ProjectDeclaration
from kumo.declarations.planning import Present, PresentTask
from kumo.declarations.reading import Reading
from kumo.environments import service as environments
from kumo.environments.models import Environment
from kumo.projects import service as projects
from kumo.projects.models import Project
from kumo.tasks import service as tasks
from kumo.tasks.declared import Difference, differences
from kumo.tasks.models import Pool, Task, TriggerRow
from kumo.tasks.trigger_rows import trigger_of


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of what tasks refer to by id."""

    environments: Mapping[int, str]
    tasks: Mapping[int, str]

    def put_in(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a task is, or is said to be, with names in the place of ids; the project is understood."""
        named = {name: value for name, value in values.items() if name not in ("project_id", "environment_id")}
        if "environment_id" in values:
            named["environment"] = self.environments.get(values["environment_id"])
        return named | {"triggers": [self._trigger(each) for each in values["triggers"]]}

    def _trigger(self, trigger: Mapping[str, Any]) -> dict[str, Any]:
        named = {name: value for name, value in trigger.items() if name != "task_id"}
        return named | ({"task": self.tasks.get(trigger["task_id"])} if "task_id" in trigger else {})


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A task that was changed since the file was applied."""

    task_id: int
    name: str
    fields: tuple[Difference, ...]


async def find_declaration(session: AsyncSession, project_id: int) -> ProjectDeclaration | None:
    """How a project's file is applied; None where it never was, and does not apply itself."""
    return await session.get(ProjectDeclaration, project_id)


async def rows_of(
    session: AsyncSession, project_id: int, *, task_id: int | None = None, for_update: bool = False
) -> Sequence[Task]:
    """The tasks of a project, or one of them, in the order in which they were made."""
    query = select(Task).where(Task.project_id == project_id, Task.deleted_at.is_(None)).order_by(Task.id)
    if task_id is not None:
        query = query.where(Task.id == task_id)
    return (await session.scalars(query.with_for_update() if for_update else query)).all()


async def named_fields(session: AsyncSession, rows: Sequence[Task]) -> dict[int, dict[str, Any]]:
    """What each of some tasks is, as `kumo.tasks.declared` compares it, with names in the place of ids."""
    triggers = await tasks.triggers_of(session, [row.id for row in rows])
    names = await _names(session, rows, triggers)
    pools = await tasks.pool_names(session, {row.pool_id for row in rows if row.pool_id is not None})
    return {row.id: names.put_in(_fields(row, triggers[row.id], pools)) for row in rows}


async def drift_of(session: AsyncSession, project_id: int) -> list[Drift]:
    """The declared tasks of a project that are not as the file said when it was applied last."""
    rows = [row for row in await rows_of(session, project_id) if tasks.declaration_of(row) is not None]
    triggers = await tasks.triggers_of(session, [row.id for row in rows])
    names = await _names(session, rows, triggers)
    present = await named_fields(session, rows)
    found = [
        Drift(task_id=row.id, name=row.name, fields=tuple(differences(names.put_in(row.declared), present[row.id])))
        for row in rows
        if row.declared is not None
    ]
    return [each for each in found if each.fields]


async def present_of(
    session: AsyncSession, project_id: int, reading: Reading, requirements: str | None, *, for_update: bool = False
) -> Present:
    """Everything that a plan for the project depends on."""
    project = await projects.find_project(session, project_id)
    rows = await rows_of(session, project_id, for_update=for_update)
    fields = await named_fields(session, rows)
    return Present(
        project_id=project_id,
        project_name=project.name,
        tasks=tuple(PresentTask(id=row.id, fields=fields[row.id], declared_as=declared_as(row)) for row in rows),
        tasks_elsewhere=await _elsewhere(session, project_id, reading),
        pools=frozenset(await session.scalars(select(Pool.name))),
        environments=frozenset(await session.scalars(select(Environment.name).where(Environment.deleted_at.is_(None)))),
        environment=await _made_environment(session, project_id),
        requirements=requirements,
    )


def declared_as(row: Task) -> str | None:
    """The name that the file of the task's project had for it; None where a person has made it, or moved it there."""
    declared = tasks.declaration_of(row)
    return None if declared is None else str(declared["name"])


async def made_environment(session: AsyncSession, declaration: ProjectDeclaration | None) -> Environment | None:
    """The environment that the file has made, as long as nobody has deleted it."""
    if declaration is None or declaration.environment_id is None:
        return None
    row = await session.get(Environment, declaration.environment_id)
    return None if row is None or row.deleted_at is not None else row


async def _made_environment(session: AsyncSession, project_id: int) -> Any:
    row = await made_environment(session, await find_declaration(session, project_id))
    return None if row is None else environments.definition_of(row)


async def _elsewhere(session: AsyncSession, project_id: int, reading: Reading) -> dict[str, str]:
    """The tasks of other projects that the file names, to declare them or to follow them, and those projects."""
    followed = {each["task"] for task in reading.tasks for each in task.said["triggers"] if each["type"] == "after"}
    query = select(Task.name, Project.name).join(Project, Project.id == Task.project_id)
    named = Task.name.in_(reading.names | followed)
    rows = await session.execute(query.where(named, Task.deleted_at.is_(None), Task.project_id != project_id))
    return dict(rows.all())


def _fields(row: Task, triggers: Sequence[TriggerRow], pools: Mapping[int, str]) -> dict[str, Any]:
    definition = tasks.definition_in(row, pools.get(row.pool_id or 0))
    return tasks.present_of(definition, [trigger_of(each) for each in triggers])


async def _names(session: AsyncSession, rows: Sequence[Task], triggers: Mapping[int, Sequence[TriggerRow]]) -> Names:
    said = [row.declared for row in rows if row.declared is not None]
    environment_ids = {row.environment_id for row in rows} | {each["environment_id"] for each in said}
    task_ids = {each.upstream_task_id for row in rows for each in triggers[row.id]}
    task_ids |= {trigger.get("task_id") for each in said for trigger in each["triggers"]}
    found = await session.execute(
        select(Environment.id, Environment.name).where(_is_in(Environment.id, environment_ids))
    )
    followed = await session.execute(select(Task.id, Task.name).where(_is_in(Task.id, task_ids)))
    return Names(environments=dict(found.all()), tasks=dict(followed.all()))


def _is_in(column: Any, ids: set[Any]) -> Any:
    return column.in_(ids - {None})
