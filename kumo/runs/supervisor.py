"""The loop that carries runs from the queue to their end.

Each round stores what runners have left and claims what can start, in one transaction. Word from the dispatcher and
from other transactions only makes the next round come sooner; each second a full round looks at every open run as it
stands in its directory, so that nothing depends on the word.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

import structlog
from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.clock import Clock
from kumo.db.base import UtcDateTime
from kumo.db.changes import Change, Subscription, take_back
from kumo.db.session import Database
from kumo.errors import KumoError
from kumo.projects.models import Project
from kumo.runner.contract import Report, attempt_directory
from kumo.runs.claims import Launch, claim_queued
from kumo.runs.models import Run
from kumo.runs.moves import give_up, is_news, queue_again, store
from kumo.runs.observation import Observation, observe
from kumo.runs.open_runs import COLUMNS, OpenRun
from kumo.runs.preparation import Preparation, ProjectOfRun
from kumo.runs.states import ACTIVE, OPEN, RunState
from kumo.runs.tally import Ended
from kumo.settings import Settings
from kumo.tasks.models import TriggerRow
from kumo.workers.dispatch import Dispatcher

log = structlog.get_logger(__name__)

_FULL_ROUND_SECONDS = 1.0
# A launch whose marker has not come by then is repeated; harmless, since only one runner can take an attempt.
_RELAUNCH_SECONDS = 10.0
_GATHER_SECONDS = 0.010


# Written down once: SQLAlchemy spends more time on making a statement anew than the database on executing it.
_ANY_OPEN = select(Run.id).where(Run.state.in_(OPEN)).limit(1)
_ALL_ACTIVE = select(*COLUMNS).where(Run.state.in_(ACTIVE))
_ANY_TRIGGER = select(TriggerRow.id).where(TriggerRow.next_due_at.is_not(None)).limit(1)
_ANY_WAITING = (
    select(Run.id)
    .where(
        or_(
            Run.state == RunState.QUEUED,
            and_(Run.state == RunState.RETRYING, Run.retry_at <= bindparam("b_now", type_=UtcDateTime)),
        )
    )
    .limit(1)
)


@dataclass(kw_only=True)
class _Round:
    """One round of the supervisor: how far it looks, and what comes of it."""

    full: bool
    look_at_all: bool
    moved: int = 0
    ends: list[Ended] = field(default_factory=list)  # runs that are over for good
    launches: list[Launch] = field(default_factory=list)
    unknown: list[OpenRun] = field(default_factory=list)  # queued, and to be learnt about first


OnEnds = Callable[[AsyncSession, Sequence[Ended], datetime], Awaitable[None]]


async def _nothing_follows(_session: AsyncSession, _ends: Sequence[Ended], _now: datetime) -> None:
    pass


class Supervisor:
    """Starts queued runs, and stores how they go and end."""

    def __init__(  # noqa: PLR0913 - the parts that it holds together
        self,
        database: Database,
        settings: Settings,
        dispatcher: Dispatcher,
        preparation: Preparation,
        clock: Clock,
        on_ends: OnEnds = _nothing_follows,
    ) -> None:
        """`on_ends` is told of runs that end for good, in the transaction that stores their ends."""
        self._database = database
        self._settings = settings
        self._dispatcher = dispatcher
        self._preparation = preparation
        self._clock = clock
        self._on_ends = on_ends
        self._launched_at: dict[tuple[int, int], float] = {}
        # Two transactions that claim at the same time would each count the places without the other's claims.
        self._claiming = asyncio.Lock()

    async def forever(self) -> None:
        """Go round until cancelled."""
        warming_up = asyncio.create_task(self._warm_up())
        try:
            with self._database.changes.subscribe("queue", "stop", "build", "environment") as subscription:
                self._dispatcher.listen(subscription.wake)
                await self._go_round(subscription)
        finally:
            warming_up.cancel()
            await asyncio.gather(warming_up, return_exceptions=True)

    async def _go_round(self, subscription: Subscription) -> None:
        full_at = monotonic()
        changes: list[Change] = []
        while True:
            full = monotonic() >= full_at or any(change.kind == "stop" for change in changes)
            if full:
                full_at = monotonic() + _FULL_ROUND_SECONDS
            builds_changed = any(change.kind in ("build", "environment") for change in changes)
            moved = await self.step(self._clock(), full=full, builds_changed=builds_changed)
            if moved:
                # More is likely to come, and ten runs cost one round little more than one run.
                await asyncio.sleep(_GATHER_SECONDS)
            changes = await subscription.wait(0.0 if moved else max(0.0, full_at - monotonic()))

    async def _warm_up(self) -> None:
        """Where something will be due, get ready what the first run would have to wait for."""
        async with self._database.read() as session:
            anything_due = await session.scalar(_ANY_TRIGGER) is not None
        if anything_due:
            await self._dispatcher.warm_up()
            await self._preparation.warm_up()

    async def step(self, now: datetime, *, full: bool = True, builds_changed: bool = False) -> int:
        """Go round once, and say how many runs moved.

        1. Take the reports of runners; in a full round look at all open attempts, and pass requests to stop on.
        2. Store ends and starts, and claim queued runs while there are places, in one transaction.
        3. Launch what was claimed. A crash before this leaves runs `starting` without a marker: launched again.
        """
        reports = self._dispatcher.take_reports()
        active: Sequence[OpenRun] = []
        anyone_waits = True
        if full:
            active, anyone_waits = await self._look_around(now)
            await self._pass_stops_on(active)
        news = await self._news(reports, active)
        round_ = _Round(full=full, look_at_all=full or builds_changed)
        if news or anyone_waits:
            async with self._claiming, self._database.write() as session:
                await self._carry_out(session, round_, news, now)
        if full:
            round_.launches += await self._forgotten(active, news)
        for launch in round_.launches:
            await self._launch(launch, now)
        for run in round_.unknown:
            await self._preparation.learn(self._database, run)
        return round_.moved + len(round_.launches) + len(round_.unknown)

    @asynccontextmanager
    async def queueing(self) -> AsyncIterator[AsyncSession]:
        """A transaction for whoever queues runs that are to start at once.

        Before it is committed, what can start is claimed in it, and after that launched. Word to the loop would do as
        well, only later: by a round, and by one more wait for the disk. What cannot start now is left to the loop.
        """
        round_ = _Round(full=False, look_at_all=False)
        now = self._clock()
        async with self._claiming, self._database.write() as session:
            yield session
            await self._claim(session, round_, now)
            if round_.ends:
                await self._on_ends(session, round_.ends, now)
            take_back(session, "queue", {launch.run.id for launch in round_.launches})
        for launch in round_.launches:
            await self._launch(launch, now)

    async def _carry_out(
        self, session: AsyncSession, round_: _Round, news: Sequence[Observation], now: datetime
    ) -> None:
        """Everything that one round stores."""
        stored = await store(session, news, now)
        round_.moved = len(stored.run_ids)
        round_.ends = stored.ends
        if round_.full:
            round_.moved += await queue_again(session, now)
        await self._claim(session, round_, now)
        if round_.ends:
            await self._on_ends(session, round_.ends, now)

    async def _look_around(self, now: datetime) -> tuple[Sequence[OpenRun], bool]:
        """The active runs, and whether others wait for what this round can give: the questions of an idle second."""
        async with self._database.read() as session:
            if await session.scalar(_ANY_OPEN) is None:
                return [], False
            active = [OpenRun._make(row) for row in await session.execute(_ALL_ACTIVE)]
            return active, await session.scalar(_ANY_WAITING, {"b_now": now}) is not None

    async def _pass_stops_on(self, active: Sequence[OpenRun]) -> None:
        for run in active:
            if run.stop_requested_at is not None:
                directory = attempt_directory(self._settings.home, run.id, run.attempt)
                await asyncio.to_thread(self._dispatcher.stop, directory)

    async def _news(self, reports: Sequence[Report], active: Sequence[OpenRun]) -> list[Observation]:
        """What runners have said, and what is new in the directories of the other attempts to look at."""
        said: dict[tuple[int, int], Observation] = {}
        look_at = dict.fromkeys((run.id, run.attempt) for run in active)
        for report in reports:
            key = (report.run_id, report.attempt)
            observation = Observation.of(report)
            if observation is None:
                look_at[key] = None
            elif key not in said or observation.is_end:
                said[key] = observation
        unsaid = [key for key in look_at if key not in said]
        found = await asyncio.to_thread(observe, self._settings.home, unsaid) if unsaid else []
        run_of = {run.id: run for run in active}
        new = [seen for seen in found if seen.run_id not in run_of or is_news(seen, run_of[seen.run_id])]
        return [*said.values(), *[seen for seen in new if await self._is_over(seen)]]

    async def _is_over(self, seen: Observation) -> bool:
        """Whether nothing of a lost attempt lives any more: what cannot be killed yet is looked at again."""
        if seen.lost_reason is None or seen.started is None:
            return True
        place = (self._settings.home, seen.run_id, seen.attempt, seen.started)
        return await asyncio.to_thread(self._dispatcher.clear_up, *place)

    async def _claim(self, session: AsyncSession, round_: _Round, now: datetime) -> None:
        """Claim what can start; noted as launched before it is, so that nobody takes it for forgotten meanwhile."""
        most = self._settings.max_parallel_runs
        claimed = await claim_queued(session, self._preparation, now, most=most, look_at_all=round_.look_at_all)
        round_.launches += claimed.launches
        round_.ends += claimed.ends
        round_.unknown += claimed.unknown
        for launch in claimed.launches:
            self._launched_at[launch.run.id, launch.run.attempt] = monotonic()

    async def _forgotten(self, active: Sequence[OpenRun], observations: Sequence[Observation]) -> list[Launch]:
        """Runs that are starting, but whose launch reached no runner: the server or the zygote was killed."""
        taken = {seen.run_id for seen in observations if seen.started is not None or seen.is_end}
        overdue = monotonic() - _RELAUNCH_SECONDS
        starting = {(run.id, run.attempt) for run in active if run.state == RunState.STARTING}
        self._launched_at = {key: at for key, at in self._launched_at.items() if key in starting or at > overdue}
        forgotten = [
            run
            for run in active
            if run.state == RunState.STARTING
            and run.id not in taken
            and self._launched_at.get((run.id, run.attempt), float("-inf")) < overdue
        ]
        launches = []
        for run in forgotten:
            await self._preparation.learn(self._database, run)
            async with self._database.read() as session:
                ready = await self._preparation.as_before(session, run)
                project = await session.get_one(Project, run.project_id)
            log.info("launching again", run_id=run.id)
            self._launched_at[run.id, run.attempt] = monotonic()
            launches.append(
                Launch(run=run, project=ProjectOfRun(name=project.name, output_dir=project.output_dir), ready=ready)
            )
        return launches

    async def _launch(self, launch: Launch, now: datetime) -> None:
        run = launch.run
        try:
            spec = await self._preparation.attempt_spec(run, launch.ready, launch.project)
            await self._dispatcher.launch(spec)
        except (KumoError, OSError) as error:
            log.warning("a run could not be launched", run_id=run.id, error=str(error))
            async with self._database.write() as session:
                ends = await give_up(session, run, RunState.STARTING, f"It could not be started: {error}", now)
                await self._on_ends(session, ends, now)
