"""The loop that carries runs from the queue to their end.

Each round stores what runners have left and claims what can start, in one transaction. Word from the dispatcher and
from other transactions only makes the next round come sooner; each second a full round looks at every open run as it
stands in its directory, so that nothing depends on the word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.clock import Clock
from kumo.db.changes import Change, announce
from kumo.db.session import Database
from kumo.errors import KumoError
from kumo.projects.models import Project
from kumo.runner.contract import attempt_directory
from kumo.runs.models import Run
from kumo.runs.moves import give_up, start, store
from kumo.runs.observation import Observation, observe
from kumo.runs.preparation import WAITS_FOR_BUILD, Impossible, Preparation, Ready, Waits
from kumo.runs.states import ACTIVE, OPEN, RunState
from kumo.settings import Settings
from kumo.workers.dispatch import Dispatcher

log = structlog.get_logger(__name__)

_FULL_ROUND_SECONDS = 1.0
# A launch whose marker has not come by then is repeated; harmless, since only one runner can take an attempt.
_RELAUNCH_SECONDS = 10.0
_LARGEST_BATCH = 500
_NO_LIMIT = 1 << 31
_GATHER_SECONDS = 0.005


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """A queued run that might start now."""

    run: Run
    project_name: str


@dataclass(frozen=True, kw_only=True)
class _Launch:
    """A claimed run on its way to a runner."""

    run: Run
    project_name: str
    ready: Ready


@dataclass(kw_only=True)
class _Places:
    """Who holds a place now, while claims are made."""

    free: int
    of_task: dict[int, int] = field(default_factory=dict)

    def wait_for(self, run: Run) -> str | None:
        """What keeps the run from starting; None when it may."""
        going = self.of_task.get(run.task_id, 0)
        if run.max_parallel is not None and going >= run.max_parallel:
            return "Waits for an earlier run of the same task to end."
        if self.free <= 0:
            return "Waits for a free place; as many runs are going as this machine may run at once."
        return None

    def take(self, run: Run) -> None:
        """Give a place away."""
        self.free -= 1
        self.of_task[run.task_id] = self.of_task.get(run.task_id, 0) + 1


class Supervisor:
    """Starts queued runs, and stores how they go and end."""

    def __init__(
        self, database: Database, settings: Settings, dispatcher: Dispatcher, preparation: Preparation, clock: Clock
    ) -> None:
        self._database = database
        self._settings = settings
        self._dispatcher = dispatcher
        self._preparation = preparation
        self._clock = clock
        self._launched_at: dict[int, float] = {}

    async def forever(self) -> None:
        """Go round until cancelled."""
        with self._database.changes.subscribe("queue", "build") as subscription:
            self._dispatcher.listen(subscription.wake)
            full_at = monotonic()
            changes: list[Change] = []
            while True:
                full = monotonic() >= full_at
                if full:
                    full_at = monotonic() + _FULL_ROUND_SECONDS
                builds_changed = any(change.kind == "build" for change in changes)
                moved = await self.step(self._clock(), full=full, builds_changed=builds_changed)
                if moved:
                    # More is likely to come, and ten runs cost one round little more than one run.
                    await asyncio.sleep(_GATHER_SECONDS)
                changes = await subscription.wait(0.0 if moved else max(0.0, full_at - monotonic()))

    async def step(self, now: datetime, *, full: bool = True, builds_changed: bool = False) -> int:
        """Go round once, and say how many runs moved.

        1. Look at the attempts that runners spoke of; in a full round at all.
        2. Pass requests to stop on.
        3. Store ends and starts, and claim queued runs while there are places, in one transaction.
        4. Launch what was claimed. A crash before this leaves runs `starting` without a marker: launched again.
        """
        if not await self._anything_open():
            return 0
        observations, active = await self._observe(full=full)
        ended = sum(seen.is_end for seen in observations)
        candidates = await self._candidates(look_at_all=full or builds_changed, ending=ended)
        moved: list[int] = []
        launches: list[_Launch] = []
        if observations or candidates:
            async with self._database.write() as session:
                moved = await store(session, observations, now)
                launches = await self._claim(session, candidates, now, tell_reasons=full)
        for run_id in moved:
            self._launched_at.pop(run_id, None)
        if full:
            launches += await self._forgotten(active, observations)
        for launch in launches:
            await self._launch(launch, now)
        return len(moved) + len(launches)

    async def _anything_open(self) -> bool:
        """The one question of an idle second."""
        async with self._database.read() as session:
            return await session.scalar(select(Run.id).where(Run.state.in_(OPEN)).limit(1)) is not None

    async def _observe(self, *, full: bool) -> tuple[list[Observation], Sequence[Run]]:
        spoken_of = {event.run_id: event.attempt for event in self._dispatcher.take_events()}
        async with self._database.read() as session:
            query = select(Run).where(Run.state.in_(ACTIVE))
            if not full:
                query = query.where(Run.id.in_(spoken_of) | Run.stop_requested_at.is_not(None))
            active = (await session.scalars(query)).all()
        for run in active:
            if run.stop_requested_at is not None:
                directory = attempt_directory(self._settings.home, run.id, run.attempt)
                await asyncio.to_thread(self._dispatcher.stop, directory)
        looked_at = [(run.id, run.attempt) for run in active if full or run.id in spoken_of]
        if not looked_at:
            return [], active
        observations = await asyncio.to_thread(observe, self._settings.home, looked_at)
        state_of = {run.id: run.state for run in active}
        return [seen for seen in observations if _is_news(seen, state_of[seen.run_id])], active

    async def _candidates(self, *, look_at_all: bool, ending: int) -> list[_Candidate]:
        """The queued runs that are next, with everything slow about them already done.

        No more than there are places, those of runs that are `ending` included, and none that is known to wait for
        something else; a look at all finds out what runs wait for.
        """
        async with self._database.read() as session:
            places = await self._places(session)
            conditions = [Run.state == RunState.QUEUED]
            limit = _LARGEST_BATCH
            if not look_at_all:
                limit = min(limit, places.free + ending)
                conditions.append(Run.reason.is_distinct_from(WAITS_FOR_BUILD))
                if not ending:
                    conditions += [
                        ~((Run.task_id == task_id) & (func.coalesce(Run.max_parallel, _NO_LIMIT) <= going))
                        for task_id, going in places.of_task.items()
                    ]
            if limit <= 0:
                return []
            rows = await session.execute(
                select(Run, Project.name)
                .join(Project, Project.id == Run.project_id)
                .where(*conditions)
                .order_by(Run.priority.desc(), Run.id)
                .limit(limit)
            )
            candidates = [_Candidate(run=run, project_name=name) for run, name in rows]
            for candidate in candidates:
                await self._preparation.learn(session, candidate.run)
        return candidates

    async def _claim(
        self, session: AsyncSession, candidates: Sequence[_Candidate], now: datetime, *, tell_reasons: bool
    ) -> list[_Launch]:
        """Move queued runs to starting, the highest priority first, as far as there are places."""
        if not candidates:
            return []
        still_queued = set(
            await session.scalars(
                select(Run.id)
                .where(Run.id.in_([candidate.run.id for candidate in candidates]), Run.state == RunState.QUEUED)
                .with_for_update()
            )
        )
        places = await self._places(session)
        launches: list[_Launch] = []
        for candidate in candidates:
            run = candidate.run
            if run.id not in still_queued:
                continue
            reason = places.wait_for(run)
            if reason is None:
                match await self._preparation.prepare(session, run, now):
                    case Ready() as ready:
                        places.take(run)
                        launches.append(_Launch(run=run, project_name=candidate.project_name, ready=ready))
                        continue
                    case Impossible() as impossible:
                        await give_up(session, run, RunState.QUEUED, impossible.reason, now)
                        continue
                    case Waits() as waits:
                        reason = waits.reason
            if reason != run.reason and (tell_reasons or reason == WAITS_FOR_BUILD):
                await session.execute(update(Run).where(Run.id == run.id).values(reason=reason))
                announce(session, "run", run.id)
        await start(session, [(launch.run, launch.ready.build_id) for launch in launches])
        return launches

    async def _places(self, session: AsyncSession) -> _Places:
        rows = await session.execute(
            select(Run.task_id, func.count()).where(Run.state.in_(ACTIVE)).group_by(Run.task_id)
        )
        of_task = dict(rows.all())
        return _Places(free=self._settings.max_parallel_runs - sum(of_task.values()), of_task=of_task)

    async def _forgotten(self, active: Sequence[Run], observations: Sequence[Observation]) -> list[_Launch]:
        """Runs that are starting, but whose launch reached no runner: the server or the zygote was killed."""
        taken = {seen.run_id for seen in observations}
        overdue = monotonic() - _RELAUNCH_SECONDS
        forgotten = [
            run
            for run in active
            if run.state == RunState.STARTING
            and run.id not in taken
            and self._launched_at.get(run.id, float("-inf")) < overdue
        ]
        launches = []
        for run in forgotten:
            async with self._database.read() as session:
                await self._preparation.learn(session, run)
                ready = await self._preparation.as_before(session, run)
                name = await session.scalar(select(Project.name).where(Project.id == run.project_id))
            log.info("launching again", run_id=run.id)
            launches.append(_Launch(run=run, project_name=name or "", ready=ready))
        return launches

    async def _launch(self, launch: _Launch, now: datetime) -> None:
        run = launch.run
        self._launched_at[run.id] = monotonic()
        try:
            spec = await self._preparation.attempt_spec(run, launch.ready, launch.project_name)
            await self._dispatcher.launch(spec)
        except (KumoError, OSError) as error:
            log.warning("a run could not be launched", run_id=run.id, error=str(error))
            async with self._database.write() as session:
                await give_up(session, run, RunState.STARTING, f"It could not be started: {error}", now)


def _is_news(seen: Observation, state: str) -> bool:
    return seen.is_end or (seen.started is not None and state == RunState.STARTING)
