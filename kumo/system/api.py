"""Routes of the installation itself: health, version, and word of every change."""

from __future__ import annotations

import asyncio
import platform
import shutil
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import text

import kumo
from kumo.access.credentials import Caller
from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.db.session import Database
from kumo.http import DatabaseDep, UtcMoment, error_answers
from kumo.loops import Loops
from kumo.settings import Settings

public_router = APIRouter(tags=["system"])
router = APIRouter(tags=["system"])

_KEEP_ALIVE_SECONDS = 15.0
_GATHER_SECONDS = 0.05


class ConnectionsOut(BaseModel):
    """How busy the database connections are."""

    size: int
    in_use: int
    overflow: int


class LoopOut(BaseModel):
    """How one background duty is doing."""

    name: str
    running: bool
    failures: int
    last_error: str | None
    failed_at: UtcMoment | None


class Health(BaseModel):
    """Whether Kumo works; the rest only with login."""

    status: str
    database: str | None = None
    pool: ConnectionsOut | None = None
    loops: list[LoopOut] | None = None
    disk_free_bytes: int | None = None


class Version(BaseModel):
    """What is running here."""

    version: str
    python: str
    database: str


class SystemInfo(Version):
    """What is running here, and on what."""

    platform: str
    home: str
    max_parallel_runs: int
    disk_free_bytes: int
    disk_total_bytes: int


@public_router.get(
    "/health",
    summary="Say whether Kumo works",
    response_model_exclude_none=True,
    responses=error_answers("unavailable"),
)
async def health(request: Request, database: DatabaseDep) -> Health:
    """`ok` once the database answers; with login also how its parts are doing."""
    async with database.read() as session:
        await session.execute(text("SELECT 1"))
    caller: Caller | None = request.scope.get("kumo.caller")
    if caller is None:
        return Health(status="ok")
    loops: Loops = request.app.state.loops
    figures = database.pool_figures()
    return Health(
        status="ok" if all(state.running for state in loops.states.values()) else "degraded",
        database=database.url.get_backend_name(),
        pool=ConnectionsOut(size=figures.size, in_use=figures.in_use, overflow=figures.overflow),
        loops=[LoopOut.model_validate(state, from_attributes=True) for state in loops.states.values()],
        disk_free_bytes=shutil.disk_usage(_settings(request).home).free,
    )


@router.get("/version", summary="Show the version", responses=error_answers("unauthenticated"))
async def version(_actor: Annotated[Actor, require(Permission.READ)], database: DatabaseDep) -> Version:
    """The versions of Kumo and of what it runs on."""
    return Version(**_version(database))


@router.get("/system/info", summary="Describe this installation", responses=error_answers("unauthenticated"))
async def info(
    _actor: Annotated[Actor, require(Permission.READ)], request: Request, database: DatabaseDep
) -> SystemInfo:
    """Where it keeps its data, and what it runs on."""
    settings = _settings(request)
    disk = shutil.disk_usage(settings.home)
    return SystemInfo(
        **_version(database),
        platform=platform.platform(),
        home=str(settings.home),
        max_parallel_runs=settings.max_parallel_runs,
        disk_free_bytes=disk.free,
        disk_total_bytes=disk.total,
    )


@router.get(
    "/events",
    summary="Follow all changes",
    response_class=StreamingResponse,
    responses=error_answers("unauthenticated")
    | {200: {"content": {"text/event-stream": {}}, "description": "`run`, `task`, `build` … with the row's id."}},
)
async def events(_actor: Annotated[Actor, require(Permission.READ)], database: DatabaseDep) -> StreamingResponse:
    """Server-sent events: which rows have changed. A hint to read again; `reset` says that some word was dropped."""
    return StreamingResponse(
        _events(database),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


_TOLD = ("run", "task", "build", "project", "environment", "variable", "interpreter")


async def _events(database: Database) -> AsyncIterator[bytes]:
    with database.changes.subscribe(*_TOLD) as subscription:
        yield b"retry: 1000\nevent: reset\ndata: {}\n\n"
        while True:
            changes = await subscription.wait(_KEEP_ALIVE_SECONDS)
            if subscription.overflowed:
                subscription.overflowed = False
                yield b"event: reset\ndata: {}\n\n"
            if not changes:
                yield b": still here\n\n"
                continue
            yield b"".join(b'event: %s\ndata: {"id": %d}\n\n' % (c.kind.encode(), c.id) for c in changes)
            # A thousand runs a minute need not be a thousand redrawings.
            await asyncio.sleep(_GATHER_SECONDS)


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _version(database: Database) -> dict[str, str]:
    return {
        "version": kumo.__version__,
        "python": platform.python_version(),
        "database": database.url.get_backend_name(),
    }
