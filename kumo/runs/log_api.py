"""Routes of a run's log: a part, its end, the live stream, a search, the whole file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.db.session import Database
from kumo.errors import NotFound
from kumo.http import DatabaseDep, ReadSession, RowId, error_answers
from kumo.logs.follow import sse_of
from kumo.logs.store import LogFile
from kumo.runner.contract import LOG, attempt_directory
from kumo.runs import service
from kumo.runs.states import RunState
from kumo.settings import Settings

router = APIRouter(tags=["logs"])

_LARGEST_PART = 4 << 20
_DEFAULT_PART = 1 << 16
_MOST_LINES = 100_000
_SEARCHED_AT_ONCE = 64 << 20
_ANSWERS = error_answers("unauthenticated", "not_found", "validation_error")

AttemptNumber = Annotated[int | None, Query(ge=1, lt=1 << 31, description="Which attempt; the last one without.")]


class MatchOut(BaseModel):
    """One line that a search found."""

    offset: int
    line: int
    text: str


class SearchOut(BaseModel):
    """What a search found; `next_offset` is where to go on, null at the end."""

    items: list[MatchOut]
    next_offset: int | None


@router.get(
    "/runs/{run_id}/log",
    summary="Read a part of a log",
    response_class=Response,
    responses=_ANSWERS | {200: {"content": {"text/plain": {}}, "description": "Bytes as the script printed them."}},
)
async def read_log(  # noqa: PLR0913 - one parameter for each way to say which part
    run_id: RowId,
    request: Request,
    _actor: Annotated[Actor, require(Permission.READ)],
    session: ReadSession,
    offset: Annotated[int, Query(ge=0, lt=1 << 63)] = 0,
    limit: Annotated[int, Query(ge=1, le=_LARGEST_PART)] = _DEFAULT_PART,
    tail: Annotated[int | None, Query(ge=1, le=_MOST_LINES, description="The last so many lines instead.")] = None,
    attempt: AttemptNumber = None,
) -> Response:
    """Bytes of the log. `X-Log-Offset` says where they lie, `X-Log-Size` how many there are so far."""
    run = await service.get(session, run_id)
    log = _log_of(request, run_id, attempt or run.attempt, run.attempt)
    if tail is not None:
        offset = await asyncio.to_thread(log.tail_offset, tail, _LARGEST_PART)
        limit = _LARGEST_PART
    data = await asyncio.to_thread(log.read, offset, limit)
    headers = {
        "X-Log-Offset": str(offset),
        "X-Log-Size": str(log.size),
        "X-Log-Final": "true" if RunState(run.state).is_final else "false",
    }
    return Response(data, media_type="text/plain; charset=utf-8", headers=headers)


@router.get(
    "/runs/{run_id}/log/stream",
    summary="Follow a log",
    response_class=StreamingResponse,
    responses=_ANSWERS | {200: {"content": {"text/event-stream": {}}, "description": "`log` events, at last `end`."}},
)
async def stream_log(  # noqa: PLR0913 - one parameter for each way to say from where
    run_id: RowId,
    request: Request,
    _actor: Annotated[Actor, require(Permission.READ)],
    database: DatabaseDep,
    offset: Annotated[int, Query(ge=0, lt=1 << 63)] = 0,
    attempt: AttemptNumber = None,
    last_event_id: Annotated[
        int | None, Header(ge=0, lt=1 << 63, description="Resume where an earlier stream broke off.")
    ] = None,
) -> StreamingResponse:
    """Server-sent events: each `log` holds a piece of text, and its id is the offset after it."""
    async with database.read() as session:
        run = await service.get(session, run_id)
    log = _log_of(request, run_id, attempt or run.attempt, run.attempt)
    return StreamingResponse(
        _stream(database, run_id, log, offset if last_event_id is None else last_event_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/runs/{run_id}/log/search", summary="Search a log", responses=_ANSWERS)
async def search_log(  # noqa: PLR0913 - one parameter for each part of the question
    run_id: RowId,
    request: Request,
    _actor: Annotated[Actor, require(Permission.READ)],
    session: ReadSession,
    q: Annotated[str, Query(min_length=1, max_length=500)],
    offset: Annotated[int, Query(ge=0, lt=1 << 63)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    attempt: AttemptNumber = None,
) -> SearchOut:
    """Lines that contain the words, letter case aside. A large log is searched in parts: go on at `next_offset`."""
    run = await service.get(session, run_id)
    log = _log_of(request, run_id, attempt or run.attempt, run.attempt)
    found = await asyncio.to_thread(log.search, q, offset=offset, limit=limit, most_bytes=_SEARCHED_AT_ONCE)
    items = [MatchOut(offset=match.offset, line=match.line, text=match.text) for match in found.matches]
    return SearchOut(items=items, next_offset=found.next_offset)


@router.get(
    "/runs/{run_id}/log/download",
    summary="Download a log",
    response_class=FileResponse,
    responses=_ANSWERS | {200: {"content": {"text/plain": {}}, "description": "The whole log."}},
)
async def download_log(
    run_id: RowId,
    request: Request,
    _actor: Annotated[Actor, require(Permission.READ)],
    session: ReadSession,
    attempt: AttemptNumber = None,
) -> Response:
    """The whole log as a file."""
    run = await service.get(session, run_id)
    number = attempt or run.attempt
    log = _log_of(request, run_id, number, run.attempt)
    name = f"run-{run_id}-{number}.log"
    if not log.size:
        return Response(b"", media_type="text/plain", headers={"Content-Disposition": f'attachment; filename="{name}"'})
    return FileResponse(log.path, media_type="text/plain; charset=utf-8", filename=name)


def _log_of(request: Request, run_id: int, number: int, attempts: int) -> LogFile:
    if number > attempts:
        raise NotFound(f"Run {run_id} has no attempt {number}; its last is {attempts}.")
    settings: Settings = request.app.state.settings
    return LogFile(attempt_directory(settings.home, run_id, number) / LOG)


async def _stream(database: Database, run_id: int, log: LogFile, offset: int) -> AsyncIterator[bytes]:
    """The stream holds no connection: it asks once at the start, and then when it hears of the run."""
    with database.changes.subscribe("run") as subscription:
        async for event in sse_of(log, offset, _ended(database, run_id, subscription.has_word_of)):
            yield event


def _ended(
    database: Database, run_id: int, has_word_of: Callable[[str, int], bool]
) -> Callable[[], Awaitable[str | None]]:
    asked = False

    async def ended() -> str | None:
        nonlocal asked
        if asked and not has_word_of("run", run_id):
            return None
        asked = True
        async with database.read() as session:
            state = RunState((await service.get(session, run_id)).state)
        return state if state.is_final else None

    return ended
