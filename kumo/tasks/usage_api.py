"""Routes that tell which tasks use an environment or an interpreter, and that delete an interpreter nobody uses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request, status

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.environments import service
from kumo.environments.interpreters import registry
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.interpreters.places import remove_installed
from kumo.environments.schemas import NamedEnvironment
from kumo.http import DatabaseDep, ReadSession, RowId, error_answers
from kumo.settings import Settings
from kumo.tasks import uses
from kumo.tasks.schemas import EnvironmentUsage, InterpreterUsage, NamedTask

router = APIRouter(tags=["environments"])

_READING = error_answers("unauthenticated", "not_found", "validation_error")


@router.get("/environments/{environment_id}/usage", summary="Tell who uses an environment", responses=_READING)
async def environment_usage(
    environment_id: RowId, _actor: Annotated[Actor, require(Permission.READ)], session: ReadSession
) -> EnvironmentUsage:
    """The tasks that run in it, and what its builds take."""
    await service.get(session, environment_id)
    tasks = await uses.tasks_of_environments(session, [environment_id])
    size = await service.size_of_builds(session, environment_id)
    return EnvironmentUsage(
        environment_id=environment_id,
        tasks=[NamedTask(id=task_id, name=name) for task_id, name in tasks],
        ready_builds=size.ready_builds,
        size_bytes=size.size_bytes,
    )


@router.get("/interpreters/{interpreter_id}/usage", summary="Tell who uses an interpreter", responses=_READING)
async def interpreter_usage(
    interpreter_id: RowId, _actor: Annotated[Actor, require(Permission.READ)], session: ReadSession
) -> InterpreterUsage:
    """The environments whose build in use stands on it, and the tasks that run in these or in their project's build."""
    row = await registry.get(session, interpreter_id)
    found = await uses.of_interpreter(session, row)
    return InterpreterUsage(
        interpreter_id=interpreter_id,
        environments=[NamedEnvironment(id=one.id, name=one.name) for one in found.environments],
        tasks=[NamedTask(id=task_id, name=name) for task_id, name in found.tasks],
    )


@router.delete(
    "/interpreters/{interpreter_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Forget a Python, or remove one that Kumo has installed",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error"),
)
async def delete_interpreter(
    interpreter_id: RowId,
    _actor: Annotated[Actor, require(Permission.WRITE)],
    database: DatabaseDep,
    request: Request,
) -> None:
    """Forget a path that was added, without touching what lies there; or remove what Kumo has installed itself.

    Refused while something uses it, and for interpreters that somebody else has put on this machine.
    """
    interpreters: Interpreters = request.app.state.interpreters
    settings: Settings = request.app.state.settings
    source = {str(one.path): one.source for one in await interpreters.list()}
    async with database.write() as session:
        row = await registry.get(session, interpreter_id, for_update=True)
        await uses.forget_interpreter(session, row, source.get(row.path))
    if source.get(row.path) == "kumo":
        await asyncio.to_thread(remove_installed, Path(row.path), settings.home)
    await interpreters.list(refresh=True)
