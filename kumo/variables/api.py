"""Routes of variables."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, status
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.dependencies import Actor, VaultDep, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.errors import InvalidInput
from kumo.http import PageDep, ReadSession, RowId, WriteSession, error_answers, search_pattern
from kumo.projects.service import find_project
from kumo.secrets import Vault
from kumo.tasks.service import get as get_task
from kumo.variables import listing, service
from kumo.variables.listing import Shown
from kumo.variables.models import Variable
from kumo.variables.rules import VariableScope, goes_as_file, warnings
from kumo.variables.schemas import (
    EffectiveList,
    VariableChange,
    VariableCreate,
    VariableFields,
    VariableList,
    VariableOut,
    VariableVersionList,
    VariableVersionOut,
)
from kumo.variables.service import By, Definition, Owner

router = APIRouter(tags=["variables"])

Reader = Annotated[Actor, require(Permission.READ)]
Writer = Annotated[Actor, require(Permission.WRITE)]
IfMatch = Annotated[
    int | None, Header(alias="If-Match", description="The version that the change is meant for; 409 when it is older.")
]
# Names of the API, and what they are inside.
_FIELDS = {"name": "name", "description": "description", "secret": "is_secret", "as_file": "as_file"}


@router.get(
    "/variables",
    summary="List variables",
    responses=error_answers("unauthenticated", "forbidden", "validation_error"),
)
async def list_variables(  # noqa: PLR0913 - one parameter for each filter
    _actor: Reader,
    session: ReadSession,
    vault: VaultDep,
    page: PageDep,
    scope: VariableScope | None = None,
    project_id: Annotated[RowId | None, Query(description="Those of the project's own.")] = None,
    task_id: Annotated[RowId | None, Query(description="Those of the task's own.")] = None,
    q: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$", description="Part of a name.")] = None,
) -> VariableList:
    """Variables by name; the values of secrets are not among what is told."""
    conditions: list[ColumnElement[bool]] = []
    if scope is not None:
        conditions.append(Variable.scope == scope)
    if project_id is not None:
        conditions.append(Variable.project_id == project_id)
    if task_id is not None:
        conditions.append(Variable.task_id == task_id)
    if q:
        conditions.append(Variable.name.ilike(search_pattern(q), escape="\\"))
    rows = await listing.list_variables(session, vault, conditions, after=_after(page.after), limit=page.limit)
    shown = rows[: page.limit]
    last = shown[-1].variable if shown else None
    return VariableList(
        items=[VariableOut(**_fields(row)) for row in shown],
        next_cursor=page.next_cursor(rows, (last.name, last.id) if last else None),
    )


@router.post(
    "/variables",
    status_code=status.HTTP_201_CREATED,
    summary="Set a new variable",
    responses=error_answers("unauthenticated", "forbidden", "validation_error", "conflict"),
)
async def create_variable(body: VariableCreate, actor: Writer, session: WriteSession, vault: VaultDep) -> VariableOut:
    """Give all runs, or those of one project or task, a value under this name, from their next start on."""
    owner = _owner(body.scope or VariableScope.GLOBAL, body.scope_id)
    definition = Definition(**{"owner": owner} | _said(body))
    variable = await service.create(session, vault, definition, body.value, _by(actor))
    return await _answer(session, vault, variable.id, body.value)


@router.get(
    "/variables/effective",
    summary="Show which variables runs are given",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error"),
)
async def effective_variables(
    _actor: Reader,
    session: ReadSession,
    vault: VaultDep,
    task_id: Annotated[RowId | None, Query(description="Those that the task's runs are given.")] = None,
    project_id: Annotated[
        RowId | None, Query(description="Those that every run of the project is given, beside its task's own.")
    ] = None,
) -> EffectiveList:
    """Of each name the variable that wins: the task's over the project's over that for all."""
    match task_id, project_id:
        case int(), None:
            of_project = (await get_task(session, task_id)).project_id
        case None, int():
            of_project = (await find_project(session, project_id)).id
        case _:
            raise InvalidInput.at("task_id", "Say either which task_id or which project_id.")
    found = await listing.effective(session, vault, project_id=of_project, task_id=task_id)
    return EffectiveList(items=[VariableOut(**_fields(shown)) for shown in found])


@router.get(
    "/variables/{variable_id}",
    summary="Show a variable",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error"),
)
async def show_variable(_actor: Reader, session: ReadSession, vault: VaultDep, variable_id: RowId) -> VariableOut:
    """One variable, with its whole value if it is not secret."""
    return await _answer(session, vault, variable_id)


@router.patch(
    "/variables/{variable_id}",
    summary="Change a variable",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "conflict", "unavailable"),
)
async def change_variable(  # noqa: PLR0913 - who changes what, and in which version it was seen
    variable_id: RowId,
    body: VariableChange,
    actor: Writer,
    session: WriteSession,
    vault: VaultDep,
    if_match: IfMatch = None,
) -> VariableOut:
    """Change the fields that are given. Runs that go on keep what they were given."""
    for name in sorted(body.model_fields_set - {"scope_id"}):
        if getattr(body, name) is None:
            raise InvalidInput.at(name, f"The field {name} cannot be null. Leave it out to keep its value.")
    said = _said(body)
    if "scope" in body.model_fields_set or "scope_id" in body.model_fields_set:
        if body.scope is None:
            raise InvalidInput.at("scope", "Say the scope too: project or task.")
        said["owner"] = _owner(body.scope, body.scope_id)
    await service.change(session, vault, variable_id, said, body.value, seen_version=if_match, by=_by(actor))
    return await _answer(session, vault, variable_id, body.value)


@router.delete(
    "/variables/{variable_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a variable",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "conflict"),
)
async def delete_variable(variable_id: RowId, _actor: Writer, session: WriteSession, if_match: IfMatch = None) -> None:
    """Delete a variable with all values that it has had; runs that were given one cannot be repeated exactly then."""
    await service.remove(session, variable_id, seen_version=if_match)


@router.get(
    "/variables/{variable_id}/versions",
    summary="List the values that a variable has had",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error"),
)
async def list_versions(
    _actor: Reader, session: ReadSession, vault: VaultDep, page: PageDep, variable_id: RowId
) -> VariableVersionList:
    """Give a page of values, the newest first: who has set which, and when; what they were, if it is no secret."""
    rows = await listing.list_versions(session, vault, variable_id, before=page.after_id(), limit=page.limit)
    shown = rows[: page.limit]
    return VariableVersionList(
        items=[
            VariableVersionOut(
                number=version.number,
                secret=version.is_secret,
                as_file=version.as_file,
                value=value,
                created_at=version.created_at,
                actor=version.actor,
            )
            for version, value in shown
        ],
        next_cursor=page.next_cursor(rows, (shown[-1][0].number,) if shown else None),
    )


def _said(body: VariableFields) -> dict[str, Any]:
    given = {inside: getattr(body, name) for name, inside in _FIELDS.items()}
    return {inside: value for inside, value in given.items() if value is not None}


def _owner(scope: VariableScope, scope_id: int | None) -> Owner:
    if scope is VariableScope.GLOBAL and scope_id is not None:
        raise InvalidInput.at("scope_id", "A variable for all runs has no scope_id. Leave it out, or say the scope.")
    if scope is not VariableScope.GLOBAL and scope_id is None:
        raise InvalidInput.at("scope_id", f"Say which {scope} it is for: its id.")
    return Owner(scope=scope, id=scope_id)


def _by(actor: Actor) -> By:
    return By(actor=actor.username, now=utc_now())


async def _answer(session: AsyncSession, vault: Vault, variable_id: int, given: str | None = None) -> VariableOut:
    """`given` is the value that the caller has just sent, and may be told about."""
    return VariableOut(**_fields(await listing.show(session, vault, variable_id), given))


def _fields(shown: Shown, given: str | None = None) -> dict[str, Any]:
    variable = shown.variable
    is_file = goes_as_file(variable.name, shown.size_bytes, as_file=shown.as_file)
    return {
        "id": variable.id,
        "version": variable.version,
        "name": variable.name,
        "scope": variable.scope,
        "scope_id": variable.project_id or variable.task_id,
        "scope_name": shown.owner_name,
        "description": variable.description,
        "secret": shown.is_secret,
        "value": shown.value,
        "size_bytes": None if shown.is_secret else shown.size_bytes,
        "as_file": shown.as_file,
        "given_as": "file" if is_file else "environment",
        "value_number": shown.number,
        "readable": shown.is_readable,
        "hides": shown.hides,
        "warnings": warnings(variable.name, given, is_secret=shown.is_secret),
        "created_at": variable.created_at,
        "updated_at": variable.updated_at,
        "updated_by": shown.actor,
    }


def _after(after: tuple[Any, ...] | None) -> tuple[str, int] | None:
    match after:
        case None:
            return None
        case (str(name), int(variable_id)) if 0 <= variable_id < 2**63 and "\0" not in name:
            return name, variable_id
    raise InvalidInput.at("cursor", "This cursor is not valid; start again from the first page.")
