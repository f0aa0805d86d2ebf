"""Routes that search what runs have printed: one log, or the logs of many runs."""
# ruff: noqa: FAST003 - `AttemptLogDep` takes the path's `run_id`

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.http import (
    DatabaseDep,
    GivenMoment,
    Page,
    PageDep,
    RowId,
    UtcMoment,
    cursor_of,
    error_answers,
    unless_left,
    wrong_cursor,
)
from kumo.logs.query_api import SECONDS, QueryDep, SearchesDep
from kumo.logs.search import Match, Place
from kumo.logs.searching import Limits
from kumo.runs.log_api import LOG_ANSWERS, AttemptLogDep, moment_of
from kumo.runs.log_search import FoundRun, Position, RunSearch
from kumo.runs.models import Run
from kumo.runs.states import RunState

router = APIRouter(tags=["logs"])

_HIGHEST = 2**63 - 1


class MatchOut(BaseModel):
    """One line that a search found, with its first match."""

    offset: int = Field(description="Of the line's first byte.")
    line: int
    at: UtcMoment | None = Field(description="When the line was written, to the second; null where it is not known.")
    text: str = Field(description="The line; of a long one 4 KiB around the match.")
    match_offset: int = Field(description="Of the match's first byte.")
    match_start: int = Field(description="Where the match begins in `text`, in characters.")
    match_end: int


class SearchOut(BaseModel):
    """What a search found in one log."""

    items: list[MatchOut]
    next_cursor: str | None = Field(description="The byte to go on at; null when the log has been searched to its end.")
    scanned_bytes: int = Field(description="How much of the log was searched for this answer.")
    log_bytes: int = Field(description="How long the log is so far.")


class FoundRunOut(BaseModel):
    """One attempt of a run whose log has matches."""

    run_id: int
    attempt: int
    task_id: int
    task_name: str
    project_id: int
    scratch: bool
    state: RunState
    queued_at: UtcMoment
    matches: list[MatchOut]
    has_more: bool = Field(description="There may be more in this log; search it by itself.")


class SearchRunsOut(BaseModel):
    """What a search found in the logs of several runs."""

    items: list[FoundRunOut]
    next_cursor: str | None = Field(description="Null when the logs of all runs have been searched.")
    scanned_bytes: int
    searched_back_to: UtcMoment | None = Field(description="When the last run that was searched had been queued.")


@router.get("/runs/{run_id}/log/search", summary="Search a log", responses=LOG_ANSWERS | error_answers("unavailable"))
async def search_log(  # noqa: PLR0913 - one parameter for each part of the question
    _actor: Annotated[Actor, require(Permission.READ)],
    request: Request,
    source: AttemptLogDep,
    query: QueryDep,
    searches: SearchesDep,
    cursor: Annotated[int, Query(ge=0, le=_HIGHEST, description="`next_cursor` of the answer before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> SearchOut:
    """Lines that contain the words, or that fit the expression; letter case aside unless `case` is set.

    It takes two seconds at most: where these are not enough, or more than `limit` lines fit, go on at `next_cursor`.
    An answer without items is not the end while there is a `next_cursor`. An expression is looked for in each line by
    itself, and in its first 10,000 characters.
    """
    limits = Limits(seconds=SECONDS, most_per_log=limit)
    outcome = await unless_left(request, searches.search(query, [Place(log=source.log, offset=cursor)], limits))
    (log,) = outcome.logs
    size = source.log.size
    return SearchOut(
        items=[_match_out(match) for match in log.matches],
        next_cursor=None if log.is_at_end or log.offset >= size else str(log.offset),
        scanned_bytes=outcome.scanned_bytes,
        log_bytes=size,
    )


@router.get(
    "/logs/search",
    summary="Search the logs of many runs",
    responses=error_answers("unauthenticated", "validation_error", "unavailable"),
)
async def search_logs(  # noqa: PLR0913 - one parameter for each filter
    _actor: Annotated[Actor, require(Permission.READ)],
    request: Request,
    database: DatabaseDep,
    query: QueryDep,
    searches: SearchesDep,
    page: PageDep,
    task_id: RowId | None = None,
    project_id: RowId | None = None,
    state: Annotated[list[RunState] | None, Query(description="One or several states.")] = None,
    from_: Annotated[GivenMoment | None, Query(alias="from", description="Queued at or after this moment.")] = None,
    to: Annotated[GivenMoment | None, Query(description="Queued before this moment.")] = None,
) -> SearchRunsOut:
    """Runs in whose logs a line fits, the newest first, each with its first five such lines.

    It takes two seconds at most: go on at `next_cursor` as long as there is one, also after an answer without items.
    """
    conditions: list[ColumnElement[bool]] = []
    if task_id is not None:
        conditions.append(Run.task_id == task_id)
    if project_id is not None:
        conditions.append(Run.project_id == project_id)
    if state:
        conditions.append(Run.state.in_(state))
    if from_ is not None:
        conditions.append(Run.queued_at >= from_)
    if to is not None:
        conditions.append(Run.queued_at < to)
    search = RunSearch(
        database=database,
        searches=searches,
        settings=request.app.state.settings,
        query=query,
        conditions=conditions,
    )
    found = await unless_left(request, search.search(_position(page), most_runs=page.limit, seconds=SECONDS))
    return SearchRunsOut(
        items=[_found_run_out(run) for run in found.runs],
        next_cursor=_cursor(found.position),
        scanned_bytes=found.scanned_bytes,
        searched_back_to=found.searched_back_to,
    )


def _position(page: Page) -> Position | None:
    if page.after is None:
        return None
    match page.after:
        case (int(run_id), int(attempt), int(offset)) if (
            1 <= run_id <= _HIGHEST and 0 <= attempt < 1 << 31 and 0 <= offset <= _HIGHEST
        ):
            return Position(run_id=run_id, attempt=attempt, offset=offset)
    raise wrong_cursor()


def _cursor(position: Position | None) -> str | None:
    return None if position is None else cursor_of([position.run_id, position.attempt, position.offset])


def _match_out(match: Match) -> MatchOut:
    return MatchOut(
        offset=match.offset,
        line=match.line,
        at=None if match.written_at_ms is None else moment_of(match.written_at_ms),
        text=match.text,
        match_offset=match.match_offset,
        match_start=match.match_start,
        match_end=match.match_end,
    )


def _found_run_out(run: FoundRun) -> FoundRunOut:
    return FoundRunOut(
        run_id=run.run_id,
        attempt=run.attempt,
        task_id=run.task_id,
        task_name=run.task_name,
        project_id=run.project_id,
        scratch=run.scratch,
        state=RunState(run.state),
        queued_at=run.queued_at,
        matches=[_match_out(match) for match in run.matches],
        has_more=run.has_more,
    )
