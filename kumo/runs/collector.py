"""The loop that removes the directories of builds that nothing uses any more.

It stands here, above environments, because runs are what uses a build. What it removes can be made again from its lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, and_, func, or_, select

from kumo.clock import Clock
from kumo.db.changes import announce
from kumo.db.session import Database
from kumo.environments.building.builder import BuilderLoop
from kumo.environments.builds import service as builds
from kumo.environments.builds.store import BuildStore
from kumo.environments.models import Build, Environment
from kumo.environments.states import UNFINISHED, BuildState
from kumo.runs.models import Run
from kumo.runs.states import OPEN
from kumo.settings import Settings

log = structlog.get_logger(__name__)

_ROUND_SECONDS = 600.0
_MOST_AT_ONCE = 500  # further ones are for the next round


class Collector:
    """Collects builds whose last use is longer ago than the settings' grace time."""

    def __init__(self, database: Database, settings: Settings, builder: BuilderLoop, clock: Clock) -> None:
        self._database = database
        self._grace = timedelta(days=settings.unused_build_days)
        self._store = BuildStore(settings.home)
        self._builder = builder
        self._clock = clock

    async def forever(self) -> None:
        """Look every ten minutes."""
        while True:
            await self.step(self._clock())
            await asyncio.sleep(_ROUND_SECONDS)

    async def step(self, now: datetime) -> int:
        """Collect what is unused for long enough, and say how many directories were removed.

        1. Move rows from ready to collected, each in a transaction that finds no user of it. 2. Remove directories that
        no row needs: those of 1, what an earlier server did not come to, and what no table knows.
        """
        unused_since = now - self._grace
        async with self._database.read() as session:
            query = select(Build.id).where(_is_unused(unused_since)).order_by(Build.id).limit(_MOST_AT_ONCE)
            candidates = (await session.scalars(query)).all()
        for build_id in candidates:
            await self._collect(build_id, unused_since)
        return await self.discard(await self.unneeded(unused_since))

    async def unneeded(self, made_before: datetime) -> list[str]:
        """The locks whose directories no row needs."""
        found = await asyncio.to_thread(self._store.made_before, made_before.timestamp())
        return [lock_hash for lock_hash in found if not await self._is_needed(lock_hash)]

    async def discard(self, lock_hashes: Sequence[str]) -> int:
        """Remove the directories that are still not needed when their turn comes, and say how many."""
        return sum([await self._builder.discard(lock_hash, self._is_needed) for lock_hash in lock_hashes])

    async def _collect(self, build_id: int, unused_since: datetime) -> None:
        async with self._database.write() as session:
            # Waits for whoever is about to use it (`builds.hold`); only the statement after that sees what they did.
            await session.get(Build, build_id, with_for_update=True)
            build = await session.scalar(select(Build).where(Build.id == build_id, _is_unused(unused_since)))
            if build is None:
                return
            await builds.move_build(session, build_id, source=BuildState.READY, target=BuildState.COLLECTED)
            if build.environment_id is not None:
                announce(session, "environment", build.environment_id)
        log.info("build is collected", build_id=build_id)

    async def _is_needed(self, lock_hash: str) -> bool:
        """Whether a row that is not collected has this directory, or a run that is not over began in it."""
        same = Build.lock_hash == lock_hash
        async with self._database.read() as session:
            held = select(Build.id).where(same, or_(Build.state.in_((BuildState.READY, *UNFINISHED)), _has_open_run()))
            return await session.scalar(held.limit(1)) is not None


def _is_unused(since: datetime) -> ColumnElement[bool]:
    """What no environment points to, no open run needs, and none has used since then."""
    pointed_at = (
        select(Environment.id)
        .where(
            Environment.deleted_at.is_(None),
            or_(Environment.active_build_id == Build.id, Environment.wanted_build_id == Build.id),
        )
        .exists()
    )
    # A run of the project that waits in the queue has no build yet, and may be about to take this one.
    of_its_project = (
        select(Run.id)
        .where(Run.state.in_(OPEN), Run.project_id == Build.project_id, Run.environment_id.is_(None))
        .exists()
    )
    return and_(
        Build.state == BuildState.READY,
        func.coalesce(Build.used_at, Build.ended_at) < since,
        ~pointed_at,
        ~_has_open_run(),
        ~and_(Build.environment_id.is_(None), of_its_project),
    )


def _has_open_run() -> ColumnElement[bool]:
    return select(Run.id).where(Run.state.in_(OPEN), Run.build_id == Build.id).exists()
