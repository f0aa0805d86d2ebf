"""Whether every run can still be given all of its variables after a change of one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.errors import InvalidInput
from kumo.tasks.models import Task
from kumo.variables.models import Variable
from kumo.variables.rules import LARGEST_ENVIRONMENT_BYTES, LARGEST_FILES_BYTES, VariableScope, kib

MOST_OF_ONE_OWNER = 1000


@dataclass(frozen=True, kw_only=True)
class _Sum:
    """What the variables of one owner take together."""

    count: int = 0
    environment: int = 0
    files: int = 0


@dataclass(frozen=True, kw_only=True)
class _Share:
    """What a run is given by each scope; without a task, what every run of the project or of all is given."""

    of_all: _Sum
    project_id: int | None
    of_project: _Sum
    task_id: int | None
    of_task: _Sum

    def total(self, kind: str) -> int:
        return sum(getattr(part, kind) for part in (self.of_all, self.of_project, self.of_task))

    def sentence(self, kind: str, most: int, advice: str) -> str:
        """Who gets too much, and which scope gives how much of it."""
        who = "every run"
        parts = [f"{kib(getattr(self.of_all, kind))} of the variables for all runs"]
        if self.project_id is not None:
            who = f"the runs of project {self.project_id}"
            parts.append(f"{kib(getattr(self.of_project, kind))} of the project")
        if self.task_id is not None:
            who = f"the runs of task {self.task_id}"
            parts.append(f"{kib(getattr(self.of_task, kind))} of the task")
        total = kib(self.total(kind))
        return f"With it, {who} would be given {total}: {', '.join(parts)}. The most is {kib(most)}. {advice}"


async def check_limits(session: AsyncSession, *, project_id: int | None, task_id: int | None) -> None:
    """`InvalidInput` when a run that the change concerns would be given too much; asked after the change.

    Of values that hide each other all are counted, so that a later deletion never breaks a run.
    """
    shares = list(_shares(await _sums(session, project_id, task_id)))
    for kind, most, advice in (
        ("environment", LARGEST_ENVIRONMENT_BYTES, "Shorten it, or let long ones be given as files."),
        ("files", LARGEST_FILES_BYTES, "Keep large ones in files of the project."),
    ):
        largest = max(shares, key=lambda share: share.total(kind))
        if largest.total(kind) > most:
            raise InvalidInput.at("value", largest.sentence(kind, most, advice))
    counted = [part.count for share in shares for part in (share.of_all, share.of_project, share.of_task)]
    if max(counted) > MOST_OF_ONE_OWNER:
        raise InvalidInput.at("name", f"There would be more than {MOST_OF_ONE_OWNER:,} variables in one scope.")


async def _sums(session: AsyncSession, project_id: int | None, task_id: int | None) -> list[Any]:
    """What each owner's variables take: of all that a run of this project, task, or of any can be given."""
    project = func.coalesce(Variable.project_id, Task.project_id)
    query = (
        select(
            Variable.scope,
            project.label("project_id"),
            Variable.task_id,
            func.count().label("count"),
            func.sum(Variable.environment_bytes).label("environment"),
            func.sum(Variable.files_bytes).label("files"),
        )
        .outerjoin(Task, Task.id == Variable.task_id)
        .group_by(Variable.scope, project, Variable.task_id)
    )
    if task_id is not None:
        own = select(Task.project_id).where(Task.id == task_id).scalar_subquery()
        of_project = and_(Variable.scope == VariableScope.PROJECT, Variable.project_id == own)
        query = query.where(or_(Variable.scope == VariableScope.GLOBAL, of_project, Variable.task_id == task_id))
    elif project_id is not None:
        query = query.where(or_(Variable.scope == VariableScope.GLOBAL, project == project_id))
    return list(await session.execute(query))


def _shares(rows: list[Any]) -> Iterator[_Share]:
    """Every combination that a run can be given."""
    of_all = _Sum()
    of_projects: dict[int | None, _Sum] = {}
    of_tasks: dict[int | None, dict[int | None, _Sum]] = defaultdict(dict)
    for row in rows:
        found = _Sum(count=row.count, environment=int(row.environment), files=int(row.files))
        match VariableScope(row.scope):
            case VariableScope.GLOBAL:
                of_all = found
            case VariableScope.PROJECT:
                of_projects[row.project_id] = found
            case VariableScope.TASK:
                of_tasks[row.project_id][row.task_id] = found
    for project_id in dict.fromkeys((*of_projects, *of_tasks, None)):
        of_project = of_projects.get(project_id, _Sum())
        for task, of_task in (of_tasks.get(project_id) or {None: _Sum()}).items():
            yield _Share(of_all=of_all, project_id=project_id, of_project=of_project, task_id=task, of_task=of_task)
