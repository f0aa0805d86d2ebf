"""The loop that finds out what runs have written.

Word of runs says where to look; each round looks at a project once, whatever number of its runs ended meanwhile. After
a start it looks at all projects, since word is not kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from kumo.clock import Clock
from kumo.db.changes import Change
from kumo.db.session import Database
from kumo.errors import KumoError
from kumo.projects.models import Project
from kumo.projects.outputs.place import OutputPlace
from kumo.projects.outputs.walk import scan
from kumo.projects.service import output_place
from kumo.runs.models import OutputScan, Run
from kumo.runs.output_records import Written, attribute, forget_oldest, note_scan, runs_since, store
from kumo.runs.output_writers import Going
from kumo.runs.states import ACTIVE
from kumo.settings import Settings

log = structlog.get_logger(__name__)

MOST_ENTRIES = 100_000
MOST_SECONDS = 2.0
_ROUND_SECONDS = 10.0  # so often a project is looked at whose runs go on
_GATHER_SECONDS = 1.0
_PAUSE_SECONDS = 3.0  # between two looks at one project
_PAUSE_AFTER_FAILURE_SECONDS = 60.0
_PAUSE_FACTOR = 20  # a look that took long is not repeated soon: one part in twenty of the time at the most
_OVERLAP = timedelta(seconds=1)  # of two looks: what was changed during the first may not have been seen by it
_MOST_NOTED = 20_000  # runs of a project between two looks
_FORGET_AFTER_ROWS = 1000
_IDS_AT_ONCE = 500


@dataclass(kw_only=True)
class _Waiting:
    """A project to look at: the runs that ended since the last look, and whether there may be others."""

    run_ids: set[int] = field(default_factory=set)
    look_back: bool = False


@dataclass(frozen=True, kw_only=True)
class _Task:
    """One look at a project."""

    place: OutputPlace
    since: datetime
    runs: list[Going]


class OutputRecorder:
    """Keeps the rows of what runs have written."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._waiting: dict[int, _Waiting] = {}
        self._not_before: dict[int, float] = {}
        self._new_rows: dict[int, int] = {}

    async def forever(self) -> None:
        """Look at each project soon after its runs end, and now and then while they go."""
        with self._database.changes.subscribe("run") as subscription:
            await self.expect_all()
            while True:
                await self.step(self._clock())
                changes = await subscription.wait(_GATHER_SECONDS if self._waiting else _ROUND_SECONDS)
                await asyncio.sleep(_GATHER_SECONDS)
                changes += subscription.take()
                if subscription.overflowed:
                    subscription.overflowed = False
                    await self.expect_all()
                await self.note(changes)

    async def step(self, now: datetime) -> int:
        """Look at each project whose turn it is, and say how many rows were written."""
        await self._expect_going()
        count = 0
        for project_id in [one for one in self._waiting if self._not_before.get(one, 0.0) <= monotonic()]:
            waiting = self._waiting.pop(project_id)
            began = monotonic()
            try:
                count += await self._look(project_id, waiting, now)
            except (KumoError, IntegrityError, OSError) as error:
                # A run was deleted meanwhile, or the directory cannot be read: again after the pause.
                log.warning(
                    "outputs could not be looked at", project_id=project_id, reason=str(error).partition("\n")[0]
                )
                self._expect(project_id).look_back = True
                pause = _PAUSE_AFTER_FAILURE_SECONDS
            else:
                pause = max(_PAUSE_SECONDS, _PAUSE_FACTOR * (monotonic() - began))
            self._not_before[project_id] = monotonic() + pause
        return count

    async def note(self, changes: Sequence[Change]) -> None:
        """Remember which of these runs are over."""
        ids = [change.id for change in changes if change.kind == "run"]
        async with self._database.read() as session:
            for begin in range(0, len(ids), _IDS_AT_ONCE):
                query = select(Run.id, Run.project_id).where(
                    Run.id.in_(ids[begin : begin + _IDS_AT_ONCE]),
                    Run.ended_at.is_not(None),
                    Run.started_at.is_not(None),
                )
                for run_id, project_id in await session.execute(query):
                    waiting = self._expect(project_id)
                    if len(waiting.run_ids) < _MOST_NOTED:
                        waiting.run_ids.add(run_id)

    async def expect_all(self) -> None:
        """Look at every project: what its runs wrote since the last look is not known."""
        async with self._database.read() as session:
            for project_id in await session.scalars(select(Project.id).where(Project.deleted_at.is_(None))):
                self._expect(project_id).look_back = True

    async def _expect_going(self) -> None:
        async with self._database.read() as session:
            for project_id in set(await session.scalars(select(Run.project_id).where(Run.state.in_(ACTIVE)))):
                if self._not_before.get(project_id, 0.0) + _ROUND_SECONDS <= monotonic():
                    self._expect(project_id)

    def _expect(self, project_id: int) -> _Waiting:
        return self._waiting.setdefault(project_id, _Waiting())

    async def _look(self, project_id: int, waiting: _Waiting, now: datetime) -> int:
        """1. Read whose files they may be. 2. Look, in a thread. 3. Write down what is new, then that it is known."""
        task = await self._task(project_id, waiting)
        if task is None:
            return 0
        written, complete = await asyncio.to_thread(_find, task)
        count = await store(self._database, project_id, written, task.runs)
        async with self._database.write() as session:
            await note_scan(session, project_id, now, complete=complete)
        await self._forget(project_id, count)
        return count

    async def _task(self, project_id: int, waiting: _Waiting) -> _Task | None:
        """What to look at; None where no run can have written anything."""
        async with self._database.read() as session:
            project = await session.get(Project, project_id)
            last = await session.get(OutputScan, project_id)
            if project is None or project.deleted_at is not None:
                return None
            known_to = None if last is None else last.scanned_at
            runs = await runs_since(
                session, project_id, sorted(waiting.run_ids), known_to, look_back=waiting.look_back or last is None
            )
        if not runs:
            return None
        since = known_to or min(run.started_at for run in runs)
        place = output_place(self._settings, project_id, project.output_dir)
        return _Task(place=place, since=since - _OVERLAP, runs=runs)

    async def _forget(self, project_id: int, new_rows: int) -> None:
        rows = self._new_rows.get(project_id, _FORGET_AFTER_ROWS) + new_rows
        if rows > _FORGET_AFTER_ROWS:
            await forget_oldest(self._database, project_id)
            rows = 0
        self._new_rows[project_id] = rows


def _find(task: _Task) -> tuple[list[Written], bool]:
    found = scan(
        task.place,
        changed_since_ns=int(task.since.timestamp() * 1_000_000_000),
        most_entries=MOST_ENTRIES,
        most_seconds=MOST_SECONDS,
    )
    return attribute(found.changed, task.runs), found.complete
