"""Routes of what builds print; the same under their environment and on their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.db.session import Database
from kumo.environments.answers import log_of
from kumo.environments.builds import service as builds
from kumo.environments.models import Build
from kumo.environments.states import UNFINISHED, BuildState
from kumo.http import DatabaseDep, ReadSession, RowId, error_answers
from kumo.logs.follow import sse_of
from kumo.logs.store import LogFile

router = APIRouter(tags=["environments"])

_LARGEST_PART = 4 << 20
_DEFAULT_PART = 1 << 16
_MOST_LINES = 100_000
_ANSWERS = error_answers("unauthenticated", "not_found", "validation_error")
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {}}, "description": "Bytes as they were printed."}
}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "`log` events, at last `end`."}
}

Offset = Annotated[int, Query(ge=0, le=2**63 - 1)]
Limit = Annotated[int, Query(ge=1, le=_LARGEST_PART)]
Tail = Annotated[int | None, Query(ge=1, le=_MOST_LINES, description="The last so many lines instead.")]
LastEventId = Annotated[int | None, Header(ge=0, lt=1 << 63, description="Resume where an earlier stream broke off.")]
Reader = Annotated[Actor, require(Permission.READ)]


@router.get("/builds/{build_id}/log", summary="Read a build's log", response_class=Response, responses=_ANSWERS | _TEXT)
async def read_build_log(  # noqa: PLR0913 - one parameter for each way to say which part
    build_id: RowId,
    request: Request,
    _actor: Reader,
    session: ReadSession,
    offset: Offset = 0,
    limit: Limit = _DEFAULT_PART,
    tail: Tail = None,
) -> Response:
    """Bytes of the log. `X-Log-Offset` says where they lie, `X-Log-Size` how many there are so far."""
    return await _part(request, await builds.get_build(session, build_id), offset, limit, tail)


@router.get(
    "/environments/{environment_id}/builds/{build_id}/log",
    summary="Read the log of an environment's build",
    response_class=Response,
    responses=_ANSWERS | _TEXT,
)
async def read_environment_build_log(  # noqa: PLR0913 - one parameter for each way to say which part
    environment_id: RowId,
    build_id: RowId,
    request: Request,
    _actor: Reader,
    session: ReadSession,
    offset: Offset = 0,
    limit: Limit = _DEFAULT_PART,
    tail: Tail = None,
) -> Response:
    """Bytes of the log. `X-Log-Offset` says where they lie, `X-Log-Size` how many there are so far."""
    build = await builds.get_build(session, build_id, environment_id=environment_id)
    return await _part(request, build, offset, limit, tail)


@router.get(
    "/builds/{build_id}/log/stream",
    summary="Follow a build's log",
    response_class=StreamingResponse,
    responses=_ANSWERS | _EVENTS,
)
async def stream_build_log(
    build_id: RowId,
    request: Request,
    _actor: Reader,
    database: DatabaseDep,
    offset: Offset = 0,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """Server-sent events: each `log` holds a piece of text, and its id is the offset after it."""
    async with database.read() as session:
        build = await builds.get_build(session, build_id)
    return _stream(request, database, build, offset if last_event_id is None else last_event_id)


@router.get(
    "/environments/{environment_id}/builds/{build_id}/log/stream",
    summary="Follow the log of an environment's build",
    response_class=StreamingResponse,
    responses=_ANSWERS | _EVENTS,
)
async def stream_environment_build_log(  # noqa: PLR0913 - one parameter for each way to say from where
    environment_id: RowId,
    build_id: RowId,
    request: Request,
    _actor: Reader,
    database: DatabaseDep,
    offset: Offset = 0,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """Server-sent events: each `log` holds a piece of text, and its id is the offset after it."""
    async with database.read() as session:
        build = await builds.get_build(session, build_id, environment_id=environment_id)
    return _stream(request, database, build, offset if last_event_id is None else last_event_id)


def _is_final(state: str) -> bool:
    return BuildState(state) not in UNFINISHED


async def _part(request: Request, build: Build, offset: int, limit: int, tail: int | None) -> Response:
    log = log_of(build, request.app.state.settings)
    if tail is not None:
        offset, limit = await asyncio.to_thread(log.tail_offset, tail, _LARGEST_PART), _LARGEST_PART
    data = await asyncio.to_thread(log.read, offset, limit)
    headers = {
        "X-Log-Offset": str(offset),
        "X-Log-Size": str(log.size),
        "X-Log-Final": "true" if _is_final(build.state) else "false",
    }
    return Response(data, media_type="text/plain; charset=utf-8", headers=headers)


def _stream(request: Request, database: Database, build: Build, offset: int) -> StreamingResponse:
    log = log_of(build, request.app.state.settings)
    return StreamingResponse(
        _events(database, build.id, log, offset),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(database: Database, build_id: int, log: LogFile, offset: int) -> AsyncIterator[bytes]:
    """The stream holds no connection: it asks once at the start, and then when it hears of the build."""
    with database.changes.subscribe("build") as subscription:
        async for event in sse_of(log, offset, _ended(database, build_id, subscription.has_word_of)):
            yield event


def _ended(
    database: Database, build_id: int, has_word_of: Callable[[str, int], bool]
) -> Callable[[], Awaitable[str | None]]:
    asked = False

    async def ended() -> str | None:
        nonlocal asked
        if asked and not has_word_of("build", build_id):
            return None
        asked = True
        async with database.read() as session:
            state = (await builds.get_build(session, build_id)).state
        return state if _is_final(state) else None

    return ended
