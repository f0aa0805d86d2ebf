"""Deleting what tasks use, which is refused as long as they do.

It stands here because projects and environments know nothing of tasks. The row to be deleted is locked before the tasks
are looked up: whoever gives it to a task meanwhile waits, and then finds it deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.environments import service as environments
from kumo.environments.interpreters import registry
from kumo.environments.models import Build, Environment, InterpreterRow
from kumo.environments.states import BuildState
from kumo.errors import Conflict, Detail
from kumo.projects import service as projects
from kumo.tasks import scratch
from kumo.tasks.models import Task, is_listed

_MOST_DETAILS = 20
_MOST_IN_A_SENTENCE = 3


class UsedByTasks(Conflict):
    """Tasks use what was to be deleted."""

    def __init__(self, used: str, names: Sequence[str], *, count: int, instead: str) -> None:
        """`names` are those of the first tasks, `count` is how many there are, `instead` a way to keep them all."""
        task, it = ("task", "it") if count == 1 else ("tasks", "them")
        super().__init__(
            f"{used} is used by the {task} {_listed(names, count)}. Delete {it} or {instead.format(it)} first.",
            details=tuple(Detail(field="task", message=name) for name in names),
        )


async def delete_project(session: AsyncSession, project_id: int, now: datetime) -> None:
    """Delete a project, or raise `UsedByTasks`."""
    project = await projects.find_project(session, project_id, for_update=True)
    await _refuse_used(session, Task.project_id == project_id, f"Project {project.name!r}", "move {}")
    await projects.delete_project(session, project, now=now)
    await scratch.forget(session, project_id, now)


async def delete_environment(session: AsyncSession, environment_id: int, now: datetime) -> None:
    """Delete an environment, or raise `UsedByTasks`."""
    environment = await environments.get(session, environment_id, for_update=True)
    used = f"Environment {environment.name!r}"
    await _refuse_used(session, Task.environment_id == environment_id, used, "give {} another environment")
    await environments.remove(session, environment, now)


@dataclass(frozen=True, kw_only=True)
class InterpreterUses:
    """What stands on an interpreter."""

    environments: Sequence[Environment]
    tasks: Sequence[tuple[int, str]]  # their ids and names


class InterpreterInUse(Conflict):
    """An interpreter was to be deleted on which environments or tasks stand."""

    def __init__(self, path: str, found: InterpreterUses) -> None:
        environments, tasks = [one.name for one in found.environments], [name for _id, name in found.tasks]
        parts = [
            f"the {noun if len(names) == 1 else noun + 's'} {_listed(names, len(names))}"
            for noun, names in (("environment", environments), ("task", tasks))
            if names
        ]
        super().__init__(
            f"{path} is used by {' and '.join(parts)}. Give them another Python first.",
            details=(
                *(Detail(field="environment", message=name) for name in environments[:_MOST_DETAILS]),
                *(Detail(field="task", message=name) for name in tasks[:_MOST_DETAILS]),
            ),
        )


class NotKumosOwn(Conflict):
    """An interpreter was to be deleted that neither Kumo nor its people have put there."""

    def __init__(self, path: str, source: str | None) -> None:
        by = {"pyenv": "pyenv", "conda": "conda", "uv": "uv"}.get(source or "", "the means that it was installed by")
        super().__init__(f"{path} was found on this machine, not put there by Kumo. Remove it with {by}.")


async def tasks_of_environments(session: AsyncSession, environment_ids: Sequence[int]) -> list[tuple[int, str]]:
    """The ids and names of all tasks that have one of some environments, by name."""
    return await _named(session, Task.environment_id.in_(environment_ids))


async def of_interpreter(session: AsyncSession, row: InterpreterRow) -> InterpreterUses:
    """What stands on an interpreter: environments by their build in use, projects by the builds of their own."""
    environments = await registry.environments_of(session, row)
    own_builds = select(Build.project_id).where(
        Build.environment_id.is_(None), Build.state == BuildState.READY, Build.interpreter_path == row.path
    )
    in_environment = Task.environment_id.in_([one.id for one in environments])
    tasks = await _named(session, in_environment | (Task.environment_id.is_(None) & Task.project_id.in_(own_builds)))
    return InterpreterUses(environments=environments, tasks=tasks)


async def forget_interpreter(session: AsyncSession, row: InterpreterRow, source: str | None) -> None:
    """Forget an interpreter that was added or installed by Kumo, or say why not."""
    if not row.is_added and source != "kumo":
        raise NotKumosOwn(row.path, source)
    found = await of_interpreter(session, row)
    if found.environments or found.tasks:
        raise InterpreterInUse(row.path, found)
    await registry.forget(session, row)


async def _named(session: AsyncSession, uses_it: ColumnElement[bool]) -> list[tuple[int, str]]:
    query = select(Task.id, Task.name).where(uses_it, is_listed()).order_by(Task.name)
    return [(task_id, name) for task_id, name in await session.execute(query)]


async def _refuse_used(session: AsyncSession, uses_it: ColumnElement[bool], used: str, instead: str) -> None:
    query = select(Task.name, func.count().over()).where(uses_it, is_listed())
    rows = (await session.execute(query.order_by(Task.name).limit(_MOST_DETAILS))).all()
    if rows:
        raise UsedByTasks(used, [name for name, _count in rows], count=rows[0][1], instead=instead)


def _listed(names: Sequence[str], count: int) -> str:
    """'a' · 'a' and 'b' · 'a', 'b' and 'c' · 'a', 'b' and 3 more."""
    quoted = [repr(name) for name in names]
    if count == 1:
        return quoted[0]
    if count > _MOST_IN_A_SENTENCE:
        quoted = [*quoted[: _MOST_IN_A_SENTENCE - 1], f"{count - _MOST_IN_A_SENTENCE + 1:,} more"]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"
