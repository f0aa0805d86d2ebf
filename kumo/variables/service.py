"""Setting, changing and deleting variables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.errors import ChangedMeanwhile, InvalidInput, NameTaken
from kumo.projects.models import Project
from kumo.secrets import Vault
from kumo.tasks.models import Task, is_listed
from kumo.variables.limits import check_limits
from kumo.variables.listing import VariableNotFound
from kumo.variables.models import Variable, VariableGeneration, VariableVersion
from kumo.variables.resolution import WORD_OF_CHANGES, read_value
from kumo.variables.rules import VariableScope, check_name, check_value, size_of, weigh

VERSIONS_KEPT = 500  # of one variable: a script that renews a token each minute must not fill the disk


class VariableNameTaken(NameTaken):
    """The owner has a variable of that name already."""

    def __init__(self, name: str, scope: VariableScope) -> None:
        where = {
            VariableScope.GLOBAL: "for all runs",
            VariableScope.PROJECT: "in the project",
            VariableScope.TASK: "in the task",
        }[scope]
        super().__init__(f"There is already a variable {name} {where}. Change that one, or choose another name.")


class VariableChanged(ChangedMeanwhile):
    """Somebody else changed the variable meanwhile."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(f"The variable {name} was changed meanwhile, to version {version}. Load it, then change it.")


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose runs a variable is for."""

    scope: VariableScope
    id: int | None = None  # of the project or the task; None for all runs

    @property
    def project_id(self) -> int | None:
        """The project, where it is for one."""
        return self.id if self.scope is VariableScope.PROJECT else None

    @property
    def task_id(self) -> int | None:
        """The task, where it is for one."""
        return self.id if self.scope is VariableScope.TASK else None


@dataclass(frozen=True, kw_only=True)
class Definition:
    """Everything that a person decides about a variable, but its value."""

    owner: Owner
    name: str
    description: str = ""
    is_secret: bool = False
    as_file: bool = False


@dataclass(frozen=True, kw_only=True)
class By:
    """Who changes something, and when."""

    actor: str | None  # None: Kumo itself
    now: datetime


async def create(session: AsyncSession, vault: Vault, definition: Definition, value: str, by: By) -> Variable:
    """Set a new variable; `VariableNameTaken` when its owner has one of that name."""
    check_name(definition.name)
    check_value(value)
    await _begin_change(session)
    await _require_owner(session, definition.owner)
    variable = Variable(version=1, created_at=by.now)
    _write(variable, definition, size_of(value), by)
    session.add(variable)
    await _flush(session, definition)
    await _add_version(session, vault, variable, definition, value, number=1, by=by)
    await check_limits(session, project_id=variable.project_id, task_id=variable.task_id)
    announce(session, "variable", variable.id)
    return variable


async def change(  # noqa: PLR0913 - what is changed, how, and in which version it was seen
    session: AsyncSession,
    vault: Vault,
    variable_id: int,
    changes: dict[str, Any],
    value: str | None,
    *,
    seen_version: int | None,
    by: By,
) -> Variable:
    """Change some fields of a variable's definition, or its value.

    A new value, or another way of keeping or giving it, makes a new version of the value. Once it is secret, so is all
    that it has ever been. A secret becomes readable only together with a new value.
    """
    await _begin_change(session)
    variable, current = await _find(session, variable_id, seen_version)
    before = _definition(variable, current)
    after = replace(before, **changes)
    check_name(after.name)
    if value is not None:
        check_value(value)
    elif before.is_secret and not after.is_secret:
        raise InvalidInput.at("secret", "A secret becomes readable only together with a new value. Give that value.")
    await _require_owner(session, after.owner)
    _write(variable, after, current.size_bytes if value is None else size_of(value), by)
    variable.version += 1
    await _flush(session, after)
    if value is not None or (before.is_secret, before.as_file) != (after.is_secret, after.as_file):
        kept = read_value(vault, before.name, current.value) if value is None else value
        await _add_version(session, vault, variable, after, kept, number=current.number + 1, by=by)
    await check_limits(session, project_id=variable.project_id, task_id=variable.task_id)
    announce(session, "variable", variable.id)
    return variable


async def remove(session: AsyncSession, variable_id: int, *, seen_version: int | None = None) -> None:
    """Delete a variable with all values that it has had: what a person deletes must be gone."""
    await _begin_change(session)
    variable, _current = await _find(session, variable_id, seen_version)
    await session.execute(delete(Variable).where(Variable.id == variable.id))
    announce(session, "variable", variable_id)


async def _begin_change(session: AsyncSession) -> None:
    """Count the change, and so wait for others that are being made: see `VariableGeneration`."""
    generation = await session.scalar(
        update(VariableGeneration)
        .values(generation=VariableGeneration.generation + 1)
        .returning(VariableGeneration.generation)
    )
    assert generation is not None, "the migration has made the row"
    announce(session, WORD_OF_CHANGES, generation)


async def _find(session: AsyncSession, variable_id: int, seen_version: int | None) -> tuple[Variable, VariableVersion]:
    row = (
        await session.execute(
            select(Variable, VariableVersion)
            .join(VariableVersion, VariableVersion.id == Variable.current_version_id)
            .where(Variable.id == variable_id)
        )
    ).one_or_none()
    if row is None:
        raise VariableNotFound(variable_id)
    variable, current = row
    if seen_version is not None and seen_version != variable.version:
        raise VariableChanged(variable.name, variable.version)
    return variable, current


def _definition(variable: Variable, current: VariableVersion) -> Definition:
    return Definition(
        owner=Owner(scope=VariableScope(variable.scope), id=variable.project_id or variable.task_id),
        name=variable.name,
        description=variable.description,
        is_secret=current.is_secret,
        as_file=current.as_file,
    )


def _write(variable: Variable, definition: Definition, size_bytes: int, by: By) -> None:
    weight = weigh(definition.name, size_bytes, as_file=definition.as_file)
    variable.name = definition.name
    variable.scope = definition.owner.scope
    variable.project_id = definition.owner.project_id
    variable.task_id = definition.owner.task_id
    variable.description = definition.description
    variable.environment_bytes = weight.environment
    variable.files_bytes = weight.files
    variable.updated_at = by.now


async def _require_owner(session: AsyncSession, owner: Owner) -> None:
    if owner.scope is VariableScope.GLOBAL:
        return
    table = Project if owner.scope is VariableScope.PROJECT else Task
    query = select(table.id).where(table.id == owner.id, table.deleted_at.is_(None))
    if owner.scope is VariableScope.TASK:
        query = query.where(is_listed())
    if await session.scalar(query) is None:
        raise InvalidInput.at("scope_id", f"{owner.scope.capitalize()} {owner.id} does not exist.")


async def _flush(session: AsyncSession, definition: Definition) -> None:
    try:
        await session.flush()
    except IntegrityError:
        raise VariableNameTaken(definition.name, definition.owner.scope) from None


async def _add_version(  # noqa: PLR0913 - the columns of a version
    session: AsyncSession,
    vault: Vault,
    variable: Variable,
    definition: Definition,
    value: str,
    *,
    number: int,
    by: By,
) -> None:
    """Keep a value as the present one, and no more than the newest of those before."""
    version = VariableVersion(
        variable_id=variable.id,
        number=number,
        value=vault.encrypt(value.encode()),
        size_bytes=size_of(value),
        is_secret=definition.is_secret,
        as_file=definition.as_file,
        actor=by.actor,
        created_at=by.now,
    )
    session.add(version)
    await session.flush()
    variable.current_version_id = version.id
    of_variable = VariableVersion.variable_id == variable.id
    await session.execute(delete(VariableVersion).where(of_variable, VariableVersion.number <= number - VERSIONS_KEPT))
    if definition.is_secret:
        earlier = update(VariableVersion).where(of_variable, VariableVersion.is_secret.is_(False))
        await session.execute(earlier.values(is_secret=True))
    await session.flush()
