"""Searching the logs of many runs, the newest first, and going on where an earlier request stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select

from kumo.db.session import Database
from kumo.logs.finders import Query
from kumo.logs.search import Match, Place
from kumo.logs.searching import Limits, Outcome, Searches, SlowPattern
from kumo.logs.store import LogFile
from kumo.runner.contract import LOG, attempt_directory
from kumo.runs.models import Attempt, Run
from kumo.settings import Settings

MATCHES_PER_LOG = 5
_LOGS_AT_ONCE = 200
_LEAST_SECONDS = 0.3  # with less there is no use in starting on further logs


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a search goes on: in the log of this attempt, if there is one, from this byte on; then those before it."""

    run_id: int
    attempt: int
    offset: int


@dataclass(frozen=True, kw_only=True)
class FoundRun:
    """One attempt of a run, with the first lines that were found in its log."""

    run_id: int
    task_id: int
    task_name: str
    project_id: int
    scratch: bool
    state: str
    queued_at: datetime
    attempt: int
    matches: list[Match]
    has_more: bool  # its log has not been searched to the end


@dataclass(kw_only=True)
class FoundRuns:
    """What one request has found; `position` is None once all has been searched."""

    runs: list[FoundRun] = field(default_factory=list)
    position: Position | None = None
    scanned_bytes: int = 0
    searched_back_to: datetime | None = None  # when the last run that was searched had been queued


@dataclass(frozen=True, kw_only=True)
class RunSearch:
    """A search through the logs of the runs that fit some conditions."""

    database: Database
    searches: Searches
    settings: Settings
    query: Query
    conditions: Sequence[ColumnElement[bool]]

    async def search(self, position: Position | None, *, most_runs: int, seconds: float) -> FoundRuns:
        """Search until so many runs had matches, or the time is over.

        No connection is held while logs are read.
        """
        ends_at = monotonic() + seconds
        found = FoundRuns(position=position)
        while True:
            rows = await self._logs_from(found.position)
            if not rows:
                found.position = None
                return found
            limits = Limits(
                seconds=max(_LEAST_SECONDS, ends_at - monotonic()),
                most_per_log=MATCHES_PER_LOG,
                most_logs=most_runs - len(found.runs),
            )
            try:
                outcome = await self.searches.search(self.query, self._places(rows, found.position), limits)
            except SlowPattern:
                if found.scanned_bytes == 0:
                    raise
                return found  # the next request begins with this log, and has more time for it
            _note(found, rows, outcome)
            if len(rows) < _LOGS_AT_ONCE and len(outcome.logs) == len(rows) and outcome.logs[-1].is_done:
                found.position = None
                return found
            if len(found.runs) >= most_runs or ends_at - monotonic() < _LEAST_SECONDS:
                return found

    async def _logs_from(self, position: Position | None) -> Sequence[Any]:
        """The attempts that have printed something, from a position on, the newest first."""
        conditions = [*self.conditions, or_(Attempt.log_bytes.is_(None), Attempt.log_bytes > 0)]
        if position is not None:
            here = and_(Run.id == position.run_id, Attempt.number <= position.attempt)
            conditions.append(or_(Run.id < position.run_id, here))
        query = (
            select(
                Run.id,
                Run.task_id,
                Run.task_name,
                Run.project_id,
                Run.scratch,
                Run.state,
                Run.queued_at,
                Attempt.number,
            )
            .join(Attempt, Attempt.run_id == Run.id)
            .where(*conditions)
            .order_by(Run.id.desc(), Attempt.number.desc())
            .limit(_LOGS_AT_ONCE)
        )
        async with self.database.read() as session:
            return (await session.execute(query)).all()

    def _places(self, rows: Sequence[Any], position: Position | None) -> list[Place]:
        places = [Place(log=LogFile(attempt_directory(self.settings.home, row.id, row.number) / LOG)) for row in rows]
        if position is not None and (rows[0].id, rows[0].number) == (position.run_id, position.attempt):
            places[0] = Place(log=places[0].log, offset=position.offset)
        return places


def _note(found: FoundRuns, rows: Sequence[Any], outcome: Outcome) -> None:
    found.scanned_bytes += outcome.scanned_bytes
    for row, log in zip(rows, outcome.logs, strict=False):
        found.searched_back_to = row.queued_at
        # Attempts are numbered from 1: before the first of a run there is only the run before.
        found.position = Position(run_id=row.id, attempt=row.number - 1, offset=0)
        if not log.is_done:
            found.position = Position(run_id=row.id, attempt=row.number, offset=log.offset)
        if log.matches:
            found.runs.append(
                FoundRun(
                    run_id=row.id,
                    task_id=row.task_id,
                    task_name=row.task_name,
                    project_id=row.project_id,
                    scratch=row.scratch,
                    state=row.state,
                    queued_at=row.queued_at,
                    attempt=row.number,
                    matches=log.matches,
                    has_more=not log.is_at_end,
                )
            )
