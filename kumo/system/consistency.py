"""What the database names and the disk lacks, and what lies on the disk that no row names.

Neither comes from Kumo itself, which stores a row before it makes files and removes files after the row. It comes from
crashes in between, from backups of one without the other, and from people who tidy up the data directory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import func, select

from kumo.clock import Clock
from kumo.db.session import Database
from kumo.environments.building.builder import BuilderLoop
from kumo.projects.models import Project, Snapshot
from kumo.projects.store.snapshots import SnapshotStore
from kumo.runner.contract import run_directory, run_shard
from kumo.runs.collector import Collector
from kumo.runs.history_collector import HistoryCollector
from kumo.runs.models import Attempt, Run
from kumo.runs.removal import remove_files
from kumo.runs.states import OPEN
from kumo.settings import Settings

MOST_FINDINGS = 500
_YOUNG = timedelta(hours=1)  # a directory so young may be one that is just being made
_NAMED_PATHS = 3


class Kind(StrEnum):
    """What is wrong."""

    BUILD_WITHOUT_DIRECTORY = "build_without_directory"
    DIRECTORY_WITHOUT_BUILD = "directory_without_build"
    RUN_WITHOUT_DIRECTORY = "run_without_directory"
    DIRECTORY_WITHOUT_RUN = "directory_without_run"
    SNAPSHOT_WITHOUT_FILES = "snapshot_without_files"
    DIRECTORY_CHANGED = "directory_changed"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that does not fit together."""

    kind: Kind
    subject: str  # the id of the row, or the name of the directory
    message: str
    repair: str | None  # what mending it does; None where only a person can


class Consistency:
    """Compares the tables with the data directory, and mends what can be mended."""

    def __init__(  # noqa: PLR0913 - what mends what it finds
        self,
        database: Database,
        settings: Settings,
        builder: BuilderLoop,
        collector: Collector,
        history: HistoryCollector,
        clock: Clock,
    ) -> None:
        self._database = database
        self._home = settings.home
        self._builder = builder
        self._collector = collector
        self._history = history
        self._clock = clock
        self._snapshots = SnapshotStore(settings.home)

    async def look(self) -> tuple[list[Finding], bool]:
        """What does not fit together, and whether there is more than is told; changes nothing."""
        found: list[Finding] = []
        async for finding in self._findings():
            if len(found) == MOST_FINDINGS:
                return found, True
            found.append(finding)
        return found, False

    async def repair(self) -> list[Finding]:
        """Mend everything that can be, and tell what was mended; each thing is looked at again before it is touched.

        A crash in the middle leaves the rest as it was.
        """
        mended: list[Finding] = []
        async for finding in self._findings():
            if finding.repair is None:
                continue
            match finding.kind:
                case Kind.BUILD_WITHOUT_DIRECTORY:
                    await self._builder.mend([int(finding.subject)])
                case Kind.DIRECTORY_WITHOUT_BUILD:
                    if not await self._collector.discard([finding.subject]):
                        continue
                case Kind.DIRECTORY_CHANGED:
                    if not await self._history.discard_directory(finding.subject):
                        continue
                case _:
                    await asyncio.to_thread(remove_files, self._home, int(finding.subject))
            mended.append(finding)
        return mended

    async def _findings(self) -> AsyncIterator[Finding]:
        for build_id in await self._builder.lost():
            yield Finding(
                kind=Kind.BUILD_WITHOUT_DIRECTORY,
                subject=str(build_id),
                message=f"Build {build_id} is ready by the database, but its directory or its Python is gone.",
                repair="It is made again from its lock: now if an environment uses it, else once something needs it.",
            )
        for lock_hash in await self._collector.unneeded(self._clock() - _YOUNG):
            yield Finding(
                kind=Kind.DIRECTORY_WITHOUT_BUILD,
                subject=lock_hash,
                message=f"No build needs the directory {self._home / 'builds' / lock_hash}.",
                repair="The directory is removed.",
            )
        async for finding in self._runs():
            yield finding
        async for finding in self._projects():
            yield finding

    async def _runs(self) -> AsyncIterator[Finding]:
        async with self._database.read() as session:
            last = await session.scalar(select(func.max(Run.id))) or 0
        number = 0
        while True:
            ids, on_disk = await asyncio.to_thread(run_shard, self._home, number)
            if ids.start > last and not on_disk:
                return
            number += 1
            # The rows are read after the names: a directory that was seen had its row before.
            of_shard = Run.id.between(ids.start, ids.stop - 1)
            begun = select(Attempt.run_id).join(Run, Run.id == Attempt.run_id).where(of_shard, Run.state.not_in(OPEN))
            async with self._database.read() as session:
                known = set((await session.scalars(select(Run.id).where(of_shard))).all())
                ended = set((await session.scalars(begun)).all())
            for run_id in sorted(on_disk - known):
                yield Finding(
                    kind=Kind.DIRECTORY_WITHOUT_RUN,
                    subject=str(run_id),
                    message=f"The directory {run_directory(self._home, run_id)} belongs to no run.",
                    repair="The directory is removed.",
                )
            for run_id in sorted(ended - on_disk):
                if not await asyncio.to_thread(run_directory(self._home, run_id).exists) and await self._exists(run_id):
                    yield Finding(
                        kind=Kind.RUN_WITHOUT_DIRECTORY,
                        subject=str(run_id),
                        message=f"The log of run {run_id} is gone: {run_directory(self._home, run_id)} does not exist.",
                        repair=None,
                    )

    async def _exists(self, run_id: int) -> bool:
        async with self._database.read() as session:
            return await session.get(Run, run_id) is not None

    async def _laid_out(self, project_name: str, tree_hash: str) -> AsyncIterator[Finding]:
        """What scripts have changed of the files that they run from: too slow to be asked before each run."""
        if not await asyncio.to_thread(self._snapshots.is_laid_out, tree_hash):
            return
        changed = await asyncio.to_thread(self._snapshots.changed_by_scripts, tree_hash)
        if changed:
            yield Finding(
                kind=Kind.DIRECTORY_CHANGED,
                subject=tree_hash,
                message=f"The directory that runs of the project {project_name!r} work in does not hold any more what "
                f"the project holds: {_some(changed)}. A script has changed it.",
                repair="The directory is removed as soon as no run works in it; the next run gets the files anew.",
            )

    async def _projects(self) -> AsyncIterator[Finding]:
        query = (
            select(Project.name, Snapshot.id, Snapshot.tree_hash)
            .join(Snapshot, Snapshot.id == Project.snapshot_id)
            .where(Project.deleted_at.is_(None))
            .order_by(Project.id)
        )
        async with self._database.read() as session:
            projects = (await session.execute(query)).all()
        for name, snapshot_id, tree_hash in projects:
            missing = await asyncio.to_thread(self._snapshots.missing, tree_hash)
            if not missing:
                async for finding in self._laid_out(name, tree_hash):
                    yield finding
            else:
                yield Finding(
                    kind=Kind.SNAPSHOT_WITHOUT_FILES,
                    subject=str(snapshot_id),
                    message=f"The store lacks what the project {name!r} holds: {_some(missing)}. "
                    "Upload the project again, or restore a backup.",
                    repair=None,
                )


def _some(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_NAMED_PATHS]) + (" …" if len(paths) > _NAMED_PATHS else "")
