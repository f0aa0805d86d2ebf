"""The loop that thins out the history of projects, and empties the trash.

It stands here, above projects, because runs are what keeps a state. Why it cannot take away what a run, an upload or an
edit is just about to use is in docs/decisions/0018.
"""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog
from sqlalchemy import select

from kumo.clock import Clock
from kumo.db.session import Database
from kumo.projects import collection, trash
from kumo.projects.collection import Bounds
from kumo.projects.git.sources import forget_source
from kumo.projects.models import Project, Snapshot
from kumo.projects.service import output_directory
from kumo.projects.store.objects import Damaged
from kumo.projects.store.snapshots import SnapshotStore
from kumo.runs import history
from kumo.settings import Settings

log = structlog.get_logger(__name__)

_ROUND_SECONDS = 600.0
_MOST_AT_ONCE = 500  # in one transaction
_SWEEP_EVERY = timedelta(days=1)  # where no state was removed: what failed uploads have left
_LATELY = timedelta(days=1)


class HistoryCollector:
    """Removes states beyond the settings' bounds, what is stored for them alone, and directories nobody works in."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._store = SnapshotStore(settings.home)
        self._clock = clock
        self._swept_at: datetime | None = None

    async def forever(self) -> None:
        """Look every ten minutes; not at once, when a server that has just started has better things to do."""
        while True:
            await asyncio.sleep(_ROUND_SECONDS)
            await self.step(self._clock())

    async def step(self, now: datetime) -> None:
        """Go round once.

        1. Sweep what no row needs any more. Before 2, so that whoever reads a state has a round's time to end.
        2. Purge what is due, and remove rows beyond the bounds. 3. Remove what purged projects have left on the disk.
        4. Remove directories that were laid out for runs. A crash in between leaves the rest to the next round.
        """
        if self._swept_at is None or now - self._swept_at >= _SWEEP_EVERY:
            await self.sweep()
            self._swept_at = now
        await self._purge_due(now)
        if await self.thin_out(now):
            self._swept_at = None
        await self._remove_outputs()
        await self.remove_directories(now - _LATELY)
        self._store.forget_ended_claims()

    async def purge(self, project_id: int) -> None:
        """Purge a project now; `NotFound` when it is not in the trash, `Conflict` while a run of it goes."""
        async with self._database.write() as session:
            # Nobody can ask for another run: the project has no task.
            project = await session.get(Project, project_id, with_for_update=True)
            if project is None or not await trash.purge(session, project_id, now=self._clock()):
                raise trash.NotInTrash(project_id)
            if (run_id := await history.open_run(session, project_id)) is not None:
                raise history.StillRunning(project.name, run_id)
            await forget_source(session, project_id)
        log.info("project is purged", project_id=project_id)
        await asyncio.to_thread(self._remove_output, project_id)
        self._swept_at = None

    async def sweep(self) -> int:
        """Remove the blobs that no row needs, nor a change under way, and say how many."""
        async with self._database.read() as session:
            named = (await session.scalars(select(Snapshot.tree_hash).distinct())).all()
        try:
            count, size = await asyncio.to_thread(self._store.sweep, named)
        except Damaged as error:
            log.warning("the store is not swept while a state in it is damaged", reason=error.message)
            return 0
        if count:
            log.info("store is swept", files=count, size_bytes=size)
        return count

    async def thin_out(self, now: datetime) -> int:
        """Remove the rows of states that are beyond the bounds, and say how many."""
        bounds = Bounds(
            keep_count=self._settings.snapshot_keep_count,
            replaced_before=now - timedelta(days=self._settings.snapshot_keep_days),
        )
        removed = 0
        while True:
            async with self._database.read() as session:
                candidates = await collection.collectable(session, bounds, limit=_MOST_AT_ONCE)
            if not candidates:
                break
            async with self._database.write() as session:
                count = await collection.remove(session, candidates)
            removed += count
            if not count:
                break
        if removed:
            log.info("states are collected", states=removed)
        return removed

    async def remove_directories(self, used_before: datetime) -> int:
        """Remove what is laid out and needed no more, and say how many directories that were."""
        removed = 0
        for tree_hash in await asyncio.to_thread(self._store.laid_out):
            made_at = await asyncio.to_thread(self._store.laid_out_at, tree_hash)
            if made_at is None or datetime.fromtimestamp(made_at, UTC) >= used_before:
                continue
            looked_at = monotonic()
            async with self._database.read() as session:
                if await history.needs_directory(session, tree_hash, used_before):
                    continue
            removed += await asyncio.to_thread(self._store.remove_laid_out, tree_hash, looked_at=looked_at)
        if removed:
            log.info("directories of states are removed", directories=removed)
        return removed

    async def discard_directory(self, tree_hash: str) -> bool:
        """Remove a directory unless a run that is not over works in it; the next run gets it as it was stored."""
        looked_at = monotonic()
        async with self._database.read() as session:
            if await history.has_open_run(session, tree_hash):
                return False
        return await asyncio.to_thread(self._store.remove_laid_out, tree_hash, looked_at=looked_at)

    async def _purge_due(self, now: datetime) -> None:
        async with self._database.read() as session:
            due = await history.to_purge(session, now - timedelta(days=self._settings.trash_days))
        for project_id in due:
            try:
                await self.purge(project_id)
            except (trash.NotInTrash, history.StillRunning) as error:  # since the look a moment ago
                log.info("project is not purged", project_id=project_id, reason=error.message)

    async def _remove_outputs(self) -> None:
        """Of projects that were purged: what a crash has left, or what somebody could not remove then."""
        there = await asyncio.to_thread(self._output_ids)
        async with self._database.read() as session:
            query = select(Project.id).where(Project.purged_at.is_not(None))
            purged = set((await session.scalars(query)).all()) if there else set()
        for project_id in there & purged:
            await asyncio.to_thread(self._remove_output, project_id)

    def _output_ids(self) -> set[int]:
        root = output_directory(self._settings, 0, None).parent
        return {int(entry.name) for entry in root.iterdir() if entry.name.isdecimal()} if root.exists() else set()

    def _remove_output(self, project_id: int) -> None:
        shutil.rmtree(output_directory(self._settings, project_id, None), ignore_errors=True)
