"""Routes of interpreters: which there are, adding one by its path, installing one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, status
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.environments.interpreters import registry
from kumo.environments.interpreters.finding import Interpreter, Interpreters
from kumo.environments.interpreters.installs import Install, Installs
from kumo.environments.interpreters.probe import probe
from kumo.environments.interpreters.registry import InterpreterKnown
from kumo.environments.models import Environment
from kumo.environments.schemas import (
    InstallList,
    InstallOut,
    InstallRequest,
    InterpreterAdd,
    InterpreterList,
    InterpreterOut,
    NamedEnvironment,
)
from kumo.http import DatabaseDep, RowId, error_answers

router = APIRouter(tags=["environments"])

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "`progress` events, the last with its end."}
}


async def _interpreters(request: Request) -> Interpreters:
    found: Interpreters = request.app.state.interpreters
    return found


async def _installs(request: Request) -> Installs:
    found: Installs = request.app.state.installs
    return found


InterpretersDep = Annotated[Interpreters, Depends(_interpreters)]
InstallsDep = Annotated[Installs, Depends(_installs)]
Reader = Annotated[Actor, require(Permission.READ)]
Writer = Annotated[Actor, require(Permission.WRITE)]


@router.get(
    "/interpreters",
    summary="List the Pythons of this machine",
    responses=error_answers("unauthenticated", "validation_error", "unavailable"),
)
async def list_interpreters(
    _actor: Reader,
    database: DatabaseDep,
    interpreters: InterpretersDep,
    refresh: Annotated[bool, Query(description="Look again now.")] = False,  # noqa: FBT002 - a query parameter
) -> InterpreterList:
    """All interpreters, newest first: those that uv, pyenv, conda and PATH offer, those installed, and those added."""
    found = await interpreters.list(refresh=refresh)
    numbers = await registry.numbers_of(database, [one.path for one in found], utc_now())
    async with database.read() as session:
        return InterpreterList(items=await _answers(session, found, numbers))


@router.post(
    "/interpreters",
    status_code=status.HTTP_201_CREATED,
    summary="Add a Python by its path",
    responses=error_answers("unauthenticated", "forbidden", "validation_error", "conflict"),
)
async def add_interpreter(
    body: InterpreterAdd, _actor: Writer, database: DatabaseDep, interpreters: InterpretersDep
) -> InterpreterOut:
    """Add an interpreter that Kumo does not find by itself. It is started once, to ask which it is."""
    path = Path(body.path.strip())
    await probe(path)
    found = await interpreters.list()
    numbers = await registry.numbers_of(database, [one.path for one in found], utc_now())
    if path in {one.path for one in found}:
        raise InterpreterKnown(path, numbers[path])
    async with database.write() as session:
        row = await registry.add(session, path, utc_now())
    added = [one for one in await interpreters.list(refresh=True) if one.path == path]
    async with database.read() as session:
        return (await _answers(session, added, {path: row.id}))[0]


@router.post(
    "/interpreters/install",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Install a Python",
    responses=error_answers("unauthenticated", "forbidden", "validation_error"),
)
async def install_interpreter(body: InstallRequest, _actor: Writer, installs: InstallsDep) -> InstallOut:
    """Begin to download a Python and install it into the data directory; follow it by `stream`."""
    return _install_out(installs.start(body.version))


@router.get(
    "/interpreters/installs", summary="List the installations of Pythons", responses=error_answers("unauthenticated")
)
async def list_installs(_actor: Reader, installs: InstallsDep) -> InstallList:
    """Installations since the server was started, the newest first."""
    return InstallList(items=[_install_out(one) for one in installs.list()])


@router.get(
    "/interpreters/installs/{install_id}",
    summary="Show the installation of a Python",
    responses=error_answers("unauthenticated", "not_found", "validation_error"),
)
async def get_install(install_id: RowId, _actor: Reader, installs: InstallsDep) -> InstallOut:
    """How one installation stands."""
    return _install_out(installs.get(install_id))


@router.get(
    "/interpreters/installs/{install_id}/stream",
    summary="Follow the installation of a Python",
    response_class=StreamingResponse,
    responses=error_answers("unauthenticated", "not_found", "validation_error") | _EVENTS,
)
async def stream_install(install_id: RowId, _actor: Reader, installs: InstallsDep) -> StreamingResponse:
    """Server-sent events: each `progress` is the installation as it stands then."""
    installs.get(install_id)
    return StreamingResponse(
        _events(installs, install_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(installs: Installs, install_id: int) -> AsyncIterator[bytes]:
    async for state in installs.follow(install_id):
        yield f"event: progress\ndata: {_install_out(state).model_dump_json()}\n\n".encode()


async def _answers(
    session: AsyncSession, found: Sequence[Interpreter], numbers: dict[Path, int]
) -> list[InterpreterOut]:
    on = await registry.environments_on(session)
    return [_answer(one, numbers[one.path], on.get(str(one.path), [])) for one in found]


def _answer(one: Interpreter, number: int, environments: Sequence[Environment]) -> InterpreterOut:
    return InterpreterOut(
        **(vars(one) | {"path": str(one.path)}),
        id=number,
        environments=[NamedEnvironment(id=each.id, name=each.name) for each in environments],
        task_count=sum(each.task_count for each in environments),
    )


def _install_out(install: Install) -> InstallOut:
    return InstallOut(**vars(install))
