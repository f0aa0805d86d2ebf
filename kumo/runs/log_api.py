"""Routes of a run's log: a part, its end, the times of its lines, the live stream, the whole file."""
# ruff: noqa: FAST003 - `AttemptLogDep` takes the path's `run_id`

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.db.session import Database
from kumo.http import DatabaseDep, RowId, UtcMoment, error_answers
from kumo.logs.follow import sse_of
from kumo.runs.attempt_logs import AttemptLog, attempt_log, end_of

router = APIRouter(tags=["logs"])

_LARGEST_PART = 4 << 20
_DEFAULT_PART = 1 << 16
_MOST_LINES = 100_000
_MOST_TIMES = 2000
LOG_ANSWERS = error_answers("unauthenticated", "not_found", "validation_error")

LogOffset = Annotated[int, Query(ge=0, lt=1 << 63)]


async def _attempt_log(
    run_id: RowId,
    request: Request,
    database: DatabaseDep,
    attempt: Annotated[int | None, Query(ge=1, lt=1 << 31, description="Which attempt; the last one without.")] = None,
) -> AttemptLog:
    return await attempt_log(database, request.app.state.settings, run_id, attempt)


# The attempt that a route is asked about; `NotFound` when there is none.
AttemptLogDep = Annotated[AttemptLog, Depends(_attempt_log)]


class LineTime(BaseModel):
    """When the line at an offset was written. Lines up to the next entry were written within a second of it."""

    offset: int
    at: UtcMoment
    line: int


class LineTimes(BaseModel):
    """Times of lines, in their order."""

    items: list[LineTime]


@router.get(
    "/runs/{run_id}/log",
    summary="Read a part of a log",
    response_class=Response,
    responses=LOG_ANSWERS | {200: {"content": {"text/plain": {}}, "description": "Bytes as the script printed them."}},
)
async def read_log(
    _actor: Annotated[Actor, require(Permission.READ)],
    source: AttemptLogDep,
    offset: LogOffset = 0,
    limit: Annotated[int, Query(ge=1, le=_LARGEST_PART)] = _DEFAULT_PART,
    tail: Annotated[int | None, Query(ge=1, le=_MOST_LINES, description="The last so many lines instead.")] = None,
) -> Response:
    """Bytes of the log.

    `X-Log-Offset` says where they lie, `X-Log-Line` the number of the line that the first one belongs to, `X-Log-Size`
    how many bytes there are so far, and `X-Log-Final` whether more can come.
    """
    log = source.log
    if tail is not None:
        offset = await asyncio.to_thread(log.tail_offset, tail, _LARGEST_PART)
        limit = _LARGEST_PART
    data = await asyncio.to_thread(log.read, offset, limit)
    headers = {
        "X-Log-Offset": str(offset),
        "X-Log-Line": str(await asyncio.to_thread(log.lines_before, offset) + 1),
        "X-Log-Size": str(log.size),
        "X-Log-Final": "false" if source.final_state is None else "true",
    }
    return Response(data, media_type="text/plain; charset=utf-8", headers=headers)


@router.get("/runs/{run_id}/log/times", summary="Show when a log's lines were written", responses=LOG_ANSWERS)
async def log_times(
    _actor: Annotated[Actor, require(Permission.READ)],
    source: AttemptLogDep,
    from_offset: LogOffset = 0,
    to_offset: LogOffset = (1 << 63) - 1,
) -> LineTimes:
    """Entries of the log's index that cover a range of bytes, at most 2,000: of a long range only some, evenly spread.

    A line's time is that of the last entry at or before it.
    """
    entries = await asyncio.to_thread(source.log.index.between, from_offset, to_offset, most=_MOST_TIMES)
    return LineTimes(
        items=[
            LineTime(offset=entry.offset, at=moment_of(entry.written_at_ms), line=entry.lines + 1) for entry in entries
        ]
    )


@router.get(
    "/runs/{run_id}/log/stream",
    summary="Follow a log",
    response_class=StreamingResponse,
    responses=LOG_ANSWERS
    | {200: {"content": {"text/event-stream": {}}, "description": "`log` events, at last `end`."}},
)
async def stream_log(
    _actor: Annotated[Actor, require(Permission.READ)],
    database: DatabaseDep,
    source: AttemptLogDep,
    offset: LogOffset = 0,
    last_event_id: Annotated[
        int | None, Header(ge=0, lt=1 << 63, description="Resume where an earlier stream broke off.")
    ] = None,
) -> StreamingResponse:
    """Server-sent events: each `log` holds a piece of text, and its id is the offset after it.

    `end` comes when the attempt has ended, and says how; a run that is tried again goes on in the next attempt's log.
    """
    return StreamingResponse(
        _stream(database, source, offset if last_event_id is None else last_event_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get(
    "/runs/{run_id}/log/download",
    summary="Download a log",
    response_class=FileResponse,
    responses=LOG_ANSWERS | {200: {"content": {"text/plain": {}}, "description": "The whole log."}},
)
async def download_log(_actor: Annotated[Actor, require(Permission.READ)], source: AttemptLogDep) -> Response:
    """The whole log as a file, named after run and attempt."""
    if not source.log.size:
        headers = {"Content-Disposition": f'attachment; filename="{source.name}"'}
        return Response(b"", media_type="text/plain; charset=utf-8", headers=headers)
    return FileResponse(source.log.path, media_type="text/plain; charset=utf-8", filename=source.name)


def moment_of(milliseconds: int) -> datetime:
    """The moment that the index of a log writes as milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


async def _stream(database: Database, source: AttemptLog, offset: int) -> AsyncIterator[bytes]:
    """The stream holds no connection: it asks once at the start, and then when it hears of the run."""
    with database.changes.subscribe("run") as subscription:
        ended = end_of(database, source.run_id, source.number, subscription.has_word_of)
        async for event in sse_of(source.log, offset, ended):
            yield event
