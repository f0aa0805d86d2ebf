"""Routes of environments; those of their builds are in `builds_api`, of what these print in `log_api`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, status
from sqlalchemy import ColumnElement, select

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.environments import service
from kumo.environments.answers import environment_answers
from kumo.environments.declared import declared_of
from kumo.environments.indexes.access import Credential, addresses_of, check_credentials, unseal
from kumo.environments.interpreters import registry
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.interpreters.registry import InterpreterNotFound
from kumo.environments.models import Environment
from kumo.environments.needs.definition import EnvironmentDefinition, checked, spec_of
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.environments.schemas import (
    EnvironmentChange,
    EnvironmentCreate,
    EnvironmentFields,
    EnvironmentList,
    EnvironmentOut,
)
from kumo.errors import InvalidInput
from kumo.http import DatabaseDep, PageDep, ReadSession, RowId, error_answers, search_pattern
from kumo.secrets import Vault
from kumo.settings import Settings

router = APIRouter(tags=["environments"])

_SOURCES = ("packages", "requirements", "environment_yml", "project_id", "interpreter_id")
_FIELD_OF = {"conda": "environment_yml", "project": "project_id", "interpreter": "interpreter_id"}
_NULLABLE = frozenset({"python", "index_url", "proxy", "wheel_folder"})

IfMatch = Annotated[
    int | None, Header(alias="If-Match", description="The version that the change is meant for; 409 when it is older.")
]


async def _interpreters(request: Request) -> Interpreters:
    found: Interpreters = request.app.state.interpreters
    return found


async def _settings(request: Request) -> Settings:
    found: Settings = request.app.state.settings
    return found


async def _vault(request: Request) -> Vault:
    found: Vault = request.app.state.vault
    return found


VaultDep = Annotated[Vault, Depends(_vault)]
InterpretersDep = Annotated[Interpreters, Depends(_interpreters)]
SettingsDep = Annotated[Settings, Depends(_settings)]


@router.get(
    "/environments", summary="List environments", responses=error_answers("unauthenticated", "validation_error")
)
async def list_environments(
    _actor: Annotated[Actor, require(Permission.READ)],
    session: ReadSession,
    settings: SettingsDep,
    page: PageDep,
    q: Annotated[str | None, Query(max_length=200, description="Part of a name.")] = None,
) -> EnvironmentList:
    """Environments by name."""
    conditions: list[ColumnElement[bool]] = [Environment.deleted_at.is_(None)]
    if q:
        conditions.append(Environment.name.ilike(search_pattern(q), escape="\\"))
    if (after := page.after_name()) is not None:
        conditions.append(Environment.name > after)
    statement = select(Environment).where(*conditions).order_by(Environment.name).limit(page.limit + 1)
    rows = (await session.scalars(statement)).all()
    shown = rows[: page.limit]
    return EnvironmentList(
        items=await environment_answers(session, settings, shown),
        next_cursor=page.next_cursor(rows, [shown[-1].name] if shown else None),
    )


@router.post(
    "/environments",
    status_code=status.HTTP_201_CREATED,
    summary="Create an environment",
    responses=error_answers("unauthenticated", "forbidden", "validation_error", "conflict"),
)
async def create_environment(
    body: EnvironmentCreate,
    _actor: Annotated[Actor, require(Permission.WRITE)],
    database: DatabaseDep,
    settings: SettingsDep,
    interpreters: InterpretersDep,
    vault: VaultDep,
) -> EnvironmentOut:
    """Create an environment; its first build is queued at once."""
    definition = await _said(database, EnvironmentDefinition(name=body.name), body)
    credentials = _credentials(body, (), settings, definition)
    declared = await declared_of(database, settings, definition)
    spec = spec_of(definition, declared.spec if declared else None)
    _refuse_other_backend(body.backend, definition, spec)
    if definition.python is not None:
        await _refuse_absent_python(interpreters, spec)
    async with database.write() as session:
        environment = await service.create(session, definition, declared, utc_now())
        service.set_credentials(environment, vault, credentials or ())
        return (await environment_answers(session, settings, [environment]))[0]


@router.get(
    "/environments/{environment_id}",
    summary="Show an environment",
    responses=error_answers("unauthenticated", "not_found"),
)
async def get_environment(
    environment_id: RowId,
    _actor: Annotated[Actor, require(Permission.READ)],
    session: ReadSession,
    settings: SettingsDep,
) -> EnvironmentOut:
    """One environment."""
    return (await environment_answers(session, settings, [await service.get(session, environment_id)]))[0]


@router.patch(
    "/environments/{environment_id}",
    summary="Change an environment",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "conflict"),
)
async def change_environment(  # noqa: PLR0913 - what is changed, by whom, and the tools for it
    environment_id: RowId,
    body: EnvironmentChange,
    _actor: Annotated[Actor, require(Permission.WRITE)],
    database: DatabaseDep,
    settings: SettingsDep,
    interpreters: InterpretersDep,
    vault: VaultDep,
    if_match: IfMatch = None,
) -> EnvironmentOut:
    """Change the fields that are given. Other packages queue a build; until it is ready runs use the one before."""
    async with database.read() as session:
        environment = await service.get(session, environment_id)
    before = service.definition_of(environment)
    named = before if body.name is None else replace(before, name=body.name)
    definition = await _said(database, named, body)
    kept = unseal(vault, environment.credentials) if body.index_credentials else ()
    credentials = _credentials(body, kept, settings, definition)
    declared = await declared_of(database, settings, definition)
    if definition.python not in (None, before.python):
        await _refuse_absent_python(interpreters, spec_of(definition, declared.spec if declared else None))
    async with database.write() as session:
        changed = await service.change(
            session,
            environment_id,
            definition,
            declared,
            # Without If-Match, at least nothing is lost between reading above and writing here.
            seen_version=environment.version if if_match is None else if_match,
            now=utc_now(),
            reach_changed=credentials is not None,
        )
        if credentials is not None:
            service.set_credentials(changed, vault, credentials)
        return (await environment_answers(session, settings, [changed]))[0]


async def _said(
    database: Database, definition: EnvironmentDefinition, body: EnvironmentFields
) -> EnvironmentDefinition:
    """The definition with what the request says, looked up and in its normal form."""
    said = checked(await _with_interpreter(database, _with_source(definition, body)))
    folder = said.wheel_folder
    if folder is not None and folder != definition.wheel_folder and not await asyncio.to_thread(Path(folder).is_dir):
        raise InvalidInput.at("wheel_folder", f"{folder} is no directory on the server.")
    return said


def _refuse_other_backend(named: str | None, definition: EnvironmentDefinition, spec: EnvironmentSpec) -> None:
    """What makes the builds follows from what they hold; who names something else means something else."""
    if named == "conda" and spec.backend != "conda":
        message = "Conda builds what an environment.yml asks for; give one as environment_yml, or leave this out."
        raise InvalidInput.at("backend", message)
    if named == "uv" and definition.environment_yml is not None:
        raise InvalidInput.at("backend", "What an environment.yml asks for is built by conda; leave this out.")


async def _refuse_absent_python(interpreters: Interpreters, spec: EnvironmentSpec) -> None:
    """Refuse at once what no build could find; conda brings its Pythons itself."""
    if spec.backend == "uv":
        await interpreters.select(spec.python_request)


def _with_source(definition: EnvironmentDefinition, body: EnvironmentFields) -> EnvironmentDefinition:
    """The definition with what the request says; another source replaces the one before."""
    said: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set if name in _NULLABLE}
    for name in ("use_index", "import_check", "extra_index_urls"):
        if (value := getattr(body, name)) is not None:
            said[name] = tuple(value) if isinstance(value, list) else value
    given = [name for name in _SOURCES if getattr(body, name) is not None]
    if len(given) > 1:
        message = f"Give {' or '.join(given)}, not both: only one can say what the environment holds."
        raise InvalidInput.at(given[1], message)
    if body.source is not None:
        wanted = _FIELD_OF.get(body.source, body.source)
        if given != [wanted]:
            raise InvalidInput.at(wanted, f"The source “{body.source}” needs {wanted}.")
    if given:
        said |= dict.fromkeys((*_SOURCES, "interpreter_path")) | {given[0]: getattr(body, given[0])}
        if said["packages"] is not None:
            said["packages"] = tuple(said["packages"])
    return replace(definition, **said)


async def _with_interpreter(database: Database, definition: EnvironmentDefinition) -> EnvironmentDefinition:
    if definition.interpreter_id is None or definition.interpreter_path is not None:
        return definition
    async with database.read() as session:
        try:
            row = await registry.get(session, definition.interpreter_id)
        except InterpreterNotFound as error:
            raise InvalidInput.at("interpreter_id", error.message) from None
    return replace(definition, interpreter_path=row.path)


def _credentials(
    body: EnvironmentFields, kept: Sequence[Credential], settings: Settings, definition: EnvironmentDefinition
) -> tuple[Credential, ...] | None:
    """The credentials that the request gives, with the passwords that it leaves as they are; None without any."""
    if body.index_credentials is None:
        return None
    known = {(one.url, one.username): one.password for one in kept}
    found = tuple(
        Credential(
            url=one.url.strip(),
            username=one.username,
            password=known.get((one.url.strip(), one.username), "") if one.password is None else one.password,
        )
        for one in body.index_credentials
    )
    check_credentials(found, addresses_of(settings, spec_of(definition)))
    return found
