"""What is shown of variables: never a secret, which does not even leave the database here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Select,
    and_,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from kumo.errors import NotFound
from kumo.projects.models import Project
from kumo.secrets import Vault
from kumo.tasks.models import Task
from kumo.variables.models import Variable, VariableVersion
from kumo.variables.resolution import read_value
from kumo.variables.rules import LARGEST_VALUE_BYTES, VariableScope

# Values that are longer stay out of lists, which would grow to hundreds of megabytes.
LONGEST_LISTED_BYTES: Final = 2000

_KEY_PREFIX_BYTES = 32


class VariableNotFound(NotFound):
    """The variable does not exist, or what it belonged to was deleted."""

    def __init__(self, variable_id: int) -> None:
        super().__init__(f"Variable {variable_id} does not exist.")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A variable as it may be shown."""

    variable: Variable
    owner_name: str | None
    number: int  # of its present value
    size_bytes: int
    is_secret: bool
    as_file: bool
    value: str | None  # None for a secret, and for one that is too long to be listed, or cannot be read
    is_readable: bool  # whether the key is there
    actor: str | None  # who has set the present value
    hides: list[VariableScope]  # the wider scopes that have a variable of this name too, the narrowest first


@dataclass(frozen=True, kw_only=True)
class Given:
    """A variable that a run was given, and which of its values; without these once the value is not kept any more."""

    name: str
    scope: VariableScope | None = None
    number: int | None = None


async def list_variables(
    session: AsyncSession,
    vault: Vault,
    conditions: Sequence[ColumnElement[bool]],
    *,
    after: tuple[str, int] | None,
    limit: int,
) -> list[Shown]:
    """Variables by name; `limit + 1` of them, which says whether there are more."""
    query = _shown(LONGEST_LISTED_BYTES).where(*conditions).order_by(Variable.name, Variable.id).limit(limit + 1)
    if after is not None:
        query = query.where(tuple_(Variable.name, Variable.id) > after)
    return [_show(vault, row) for row in await session.execute(query)]


async def show(session: AsyncSession, vault: Vault, variable_id: int) -> Shown:
    """One variable, with its value if that is no secret; `NotFound` when it does not exist."""
    row = (await session.execute(_shown(LARGEST_VALUE_BYTES).where(Variable.id == variable_id))).one_or_none()
    if row is None:
        raise VariableNotFound(variable_id)
    return _show(vault, row)


async def effective(session: AsyncSession, vault: Vault, *, project_id: int, task_id: int | None) -> list[Shown]:
    """What a run of the task is given, by name; without a task, what every run of the project is given at least."""
    seen = or_(
        Variable.scope == VariableScope.GLOBAL,
        and_(Variable.scope == VariableScope.PROJECT, Variable.project_id == project_id),
        and_(Variable.scope == VariableScope.TASK, Variable.task_id == task_id),
    )
    found: dict[str, dict[VariableScope, Shown]] = {}
    for row in await session.execute(_shown(LONGEST_LISTED_BYTES).where(seen).order_by(Variable.name)):
        shown = _show(vault, row)
        found.setdefault(shown.variable.name, {})[VariableScope(shown.variable.scope)] = shown
    return [
        next(by_scope[scope] for scope in reversed(VariableScope) if scope in by_scope) for by_scope in found.values()
    ]


async def list_versions(
    session: AsyncSession, vault: Vault, variable_id: int, *, before: int | None, limit: int
) -> list[tuple[VariableVersion, str | None]]:
    """The values that a variable has had, the newest first, each with what may be shown of it; `limit + 1` of them.

    Once a variable is secret, so is all that it has ever been.
    """
    shown = await show(session, vault, variable_id)
    query = (
        select(VariableVersion)
        .where(VariableVersion.variable_id == variable_id)
        .order_by(VariableVersion.number.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(VariableVersion.number < before)

    def value(version: VariableVersion) -> str | None:
        if shown.is_secret or version.is_secret or version.size_bytes > LONGEST_LISTED_BYTES:
            return None
        return _readable(vault, shown.variable.name, version.value)

    return [(version, value(version)) for version in await session.scalars(query)]


async def given_variables(session: AsyncSession, versions: Mapping[str, int]) -> list[Given]:
    """Which variables a run was given, by name, told by the ids that were kept with it."""
    query = (
        select(VariableVersion.id, VariableVersion.number, Variable.scope)
        .join(Variable, Variable.id == VariableVersion.variable_id)
        .where(VariableVersion.id.in_(versions.values()))
    )
    row_of = {row.id: row for row in await session.execute(query)}
    return [
        Given(name=name, scope=VariableScope(row.scope), number=row.number)
        if (row := row_of.get(version_id)) is not None
        else Given(name=name)
        for name, version_id in sorted(versions.items())
    ]


def _shown(largest_bytes: int) -> Select[Any]:
    """The question for `_show`: secrets and longer values do not even leave the database."""
    version = VariableVersion
    wider = aliased(Variable)
    # Words of the statement instead of parameters: only so does SQLite find these by the partial indexes.
    of_all, of_project = (
        wider.scope == literal_column(f"'{scope}'") for scope in (VariableScope.GLOBAL, VariableScope.PROJECT)
    )
    same_name = exists().where(wider.name == Variable.name)
    open_value = case((and_(version.is_secret.is_(False), version.size_bytes <= largest_bytes), version.value))
    return (
        select(
            Variable,
            func.coalesce(Project.name, Task.name).label("owner_name"),
            version.number,
            version.size_bytes,
            version.is_secret,
            version.as_file,
            version.actor,
            open_value.label("open_value"),
            and_(Variable.scope != VariableScope.GLOBAL, same_name.where(of_all)).label("hides_global"),
            same_name.where(of_project, wider.project_id == Task.project_id).label("hides_project"),
            func.substr(version.value, 1, _KEY_PREFIX_BYTES, type_=LargeBinary).label("prefix"),
        )
        .join(version, version.id == Variable.current_version_id)
        .outerjoin(Project, and_(Project.id == Variable.project_id, Project.deleted_at.is_(None)))
        .outerjoin(Task, and_(Task.id == Variable.task_id, Task.deleted_at.is_(None)))
        # Those of a deleted project or task are gone for everybody, and once it is purged in fact; see `orphans`.
        .where(or_(Variable.scope == VariableScope.GLOBAL, Project.id.is_not(None), Task.id.is_not(None)))
    )


def _show(vault: Vault, row: Any) -> Shown:
    return Shown(
        variable=row.Variable,
        owner_name=row.owner_name,
        number=row.number,
        size_bytes=row.size_bytes,
        is_secret=row.is_secret,
        as_file=row.as_file,
        value=None if row.open_value is None else _readable(vault, row.Variable.name, row.open_value),
        is_readable=vault.has_key_of(bytes(row.prefix)),
        actor=row.actor,
        hides=[
            *([VariableScope.PROJECT] if row.hides_project else []),
            *([VariableScope.GLOBAL] if row.hides_global else []),
        ],
    )


def _readable(vault: Vault, name: str, kept: bytes) -> str | None:
    return read_value(vault, name, kept) if vault.has_key_of(kept) else None
