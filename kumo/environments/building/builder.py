"""The loop that carries out builds: takes a queued one, makes it outside any transaction, stores how it went.

It also asks for builds itself where an environment takes its packages from a project and the project has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.clock import Clock
from kumo.db.changes import announce
from kumo.db.session import Database
from kumo.environments import service
from kumo.environments.backends.by_name import backends_for
from kumo.environments.backends.interface import BuildFailed, BuildOrder
from kumo.environments.building.assembly import Assembled, Assembler
from kumo.environments.building.imports import Imports
from kumo.environments.builds import service as builds
from kumo.environments.builds.log import BuildLog, build_log_path
from kumo.environments.builds.store import BuildStore
from kumo.environments.declared import read_declared
from kumo.environments.indexes.access import access_for, unseal
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.models import Build, Environment
from kumo.environments.needs.definition import spec_of
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.environments.states import BuildState
from kumo.environments.tools.uv import Uv
from kumo.environments.tools.uv_failures import FULL_DISK, is_full_disk
from kumo.errors import InvalidInput
from kumo.loops import log_failure
from kumo.projects.models import Project
from kumo.secrets import Undecryptable, Vault
from kumo.settings import Settings

log = structlog.get_logger(__name__)

_ROUND_SECONDS = 10.0  # changes wake it; this is for what was missed
_DEFECT = "Something went wrong inside Kumo while this was built. The server's log says more."


class BuildCancelled(Exception):
    """Somebody wants the build to end; the message is the sentence that says who."""


class BuilderLoop:
    """Carries out queued builds, the oldest first, at most so many at once as the settings allow."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Clock,
        vault: Vault,
        interpreters: Interpreters | None = None,
    ) -> None:
        uv = Uv(settings)
        self._vault = vault
        self._database = database
        self._settings = settings
        self._clock = clock
        self._store = BuildStore(settings.home)
        self._assembler = Assembler(
            settings=settings,
            backends=backends_for(settings, uv, interpreters or Interpreters(uv)),
            store=self._store,
            imports=Imports(settings.home),
        )
        self._stranded: dict[int, int] = {}  # how often a build's outcome could not be stored, or it hit a defect

    async def forever(self) -> None:
        """Work until cancelled; a build that is cut short is carried out again at the next start."""
        await self.recover()
        async with asyncio.TaskGroup() as workers:
            workers.create_task(self._follow())
            for _ in range(self._settings.max_parallel_builds):
                workers.create_task(self._work())

    async def recover(self) -> None:
        """Mend what an ended server has left, before the first step.

        1. Remove directories that were being made. 2. Queue again what was being built, unless somebody wanted its
        end. 3. Queue again what runs use by the table but whose directory is gone; its lock is kept, so the same comes
        out. What else has no directory counts as collected, and is made again when something needs it.
        """
        await asyncio.to_thread(self._store.sweep)
        async with self._database.write() as session:
            building = await session.scalars(select(Build).where(Build.state == BuildState.BUILDING))
            for build in building.all():
                if build.cancel_requested_by is None:
                    await builds.queue_again(session, build.id, BuildState.BUILDING)
                else:
                    error, now = builds.cancelled_by(build.cancel_requested_by), self._clock()
                    await _end(session, build, BuildState.CANCELLED, error=error, ended_at=now)
        await self.mend(await self.lost())

    async def lost(self) -> list[int]:
        """The builds that are ready by the table, but whose directory is gone, or their interpreter."""
        async with self._database.read() as session:
            ready = (
                await session.execute(select(Build.id, Build.lock_hash).where(Build.state == BuildState.READY))
            ).all()
        return await asyncio.to_thread(self._lost, [(build_id, str(lock_hash)) for build_id, lock_hash in ready])

    async def mend(self, lost: Sequence[int]) -> None:
        """Make lost builds again where an environment uses them; others count as collected."""
        async with self._database.write() as session:
            active = select(Environment.active_build_id).where(Environment.deleted_at.is_(None))
            used = set((await session.scalars(active)).all())
            for build_id in lost:
                if build_id in used:
                    await builds.queue_again(session, build_id, BuildState.READY)
                else:
                    await builds.move_build(session, build_id, source=BuildState.READY, target=BuildState.COLLECTED)

    async def step(self, now: datetime) -> int:
        """Carry out the oldest queued build; 0 when there is none.

        1. Ask for builds of environments whose project has changed. 2. Claim one build. 3. Make it. 4. Store the end.
        """
        await self._settle_stranded()
        await self.follow_projects(now)
        build = await self._claim(now)
        if build is None:
            return 0
        try:
            await self._carry_out(build)
        except Exception:
            self._stranded[build.id] = self._stranded.get(build.id, 0) + 1
            raise
        self._stranded.pop(build.id, None)
        return 1

    async def _work(self) -> None:
        with self._database.changes.subscribe("build", "project") as subscription:
            while True:
                try:
                    done = await self.step(self._clock())
                except Exception as error:  # noqa: BLE001 - logged, with its traceback where it is a defect
                    log_failure(error, loop="builder")
                    done = 0
                if not done:
                    await subscription.wait(_ROUND_SECONDS)

    async def _follow(self) -> None:
        """Look at projects that change while all workers build: runs wait to hear whether a build is due at all."""
        with self._database.changes.subscribe("project") as subscription:
            while True:
                try:
                    await self.follow_projects(self._clock())
                except Exception as error:  # noqa: BLE001 - logged, with its traceback where it is a defect
                    log_failure(error, loop="builder")
                await subscription.wait(_ROUND_SECONDS)

    async def _settle_stranded(self) -> None:
        """Try once more what the database did not take; what strands twice would do so for ever, and fails."""
        for build_id, times in list(self._stranded.items()):
            async with self._database.write() as session:
                build = await builds.get_build(session, build_id)
                if build.state != BuildState.BUILDING:  # it waits for the second try, or went well after all
                    continue
                if times == 1:
                    await builds.queue_again(session, build_id, BuildState.BUILDING)
                    continue
            await self._store_failure(build, _DEFECT, log_bytes=0)
            self._stranded.pop(build_id, None)

    async def _claim(self, now: datetime) -> Build | None:
        oldest = select(Build.id).where(Build.state == BuildState.QUEUED).order_by(Build.id).limit(1)
        async with self._database.read() as session:
            if await session.scalar(oldest) is None:
                return None
        async with self._database.write() as session:
            # Skipped where locked: on PostgreSQL two workers look at the same time.
            build_id = await session.scalar(oldest.with_for_update(skip_locked=True))
            if build_id is None or not await builds.move_build(
                session,
                build_id,
                source=BuildState.QUEUED,
                target=BuildState.BUILDING,
                started_at=now,
                ended_at=None,
                error=None,
            ):
                return None
            return await session.get(Build, build_id)

    async def _carry_out(self, build: Build) -> None:
        try:
            opened = await asyncio.to_thread(BuildLog, build_log_path(self._settings.home, build.id))
        except OSError as error:
            why = (
                FULL_DISK if is_full_disk(str(error)) else f"The log of the build cannot be written: {error.strerror}."
            )
            await self._store_failure(build, why, log_bytes=0)
            return
        with opened as build_log:
            try:
                assembled = await self._made(build, build_log)
            except BuildFailed as error:
                size = _concluded(build_log, error.message)
                await self._store_failure(build, error.message, log_bytes=size, output=error.output)
                return
            except BuildCancelled as error:
                size = _concluded(build_log, str(error))
                await self._store_failure(build, str(error), log_bytes=size, state=BuildState.CANCELLED)
                return
            count = len(assembled.ready.packages)
            packages = "1 package" if count == 1 else f"{count} packages"
            size = _concluded(build_log, f"Ready: {packages} on Python {assembled.ready.python_version}.")
        try:
            await self._store_success(build, assembled, log_bytes=size)
        finally:
            self._assembler.settle(assembled)

    async def discard(self, lock_hash: str, is_needed: Callable[[str], Awaitable[bool]]) -> bool:
        """Remove the directory of a lock, unless it is needed, or a build that is under way has just come to it."""
        return await self._assembler.discard(lock_hash, is_needed)

    async def _made(self, build: Build, build_log: BuildLog) -> Assembled:
        """Make a build; `BuildFailed` when it cannot be made, `BuildCancelled` when somebody wants its end."""
        making = asyncio.create_task(
            self._assembler.assemble(await self._order(build, build_log)), name=f"build {build.id}"
        )
        watching = asyncio.create_task(self._cancellation_of(build.id), name=f"cancellation of build {build.id}")
        try:
            await asyncio.wait((making, watching), return_when=asyncio.FIRST_COMPLETED)
            if not watching.done():
                return making.result()
            if making.done() and making.exception() is None:
                self._assembler.settle(making.result())
            raise BuildCancelled(builds.cancelled_by(watching.result()))
        finally:
            making.cancel()
            watching.cancel()
            await asyncio.gather(making, watching, return_exceptions=True)

    async def _order(self, build: Build, build_log: BuildLog) -> BuildOrder:
        spec = EnvironmentSpec.from_json(build.spec)
        async with self._database.read() as session:
            kept = await session.scalar(select(Environment.credentials).where(Environment.id == build.environment_id))
        try:
            credentials = unseal(self._vault, kept)
        except Undecryptable as error:
            raise BuildFailed(f"The passwords of the environment's indexes cannot be read. {error.message}") from None
        access = access_for(self._settings, spec, credentials)
        locked = build if build.lock is not None else None
        # A directory of wheels changes whenever somebody puts one there.
        if locked is None and kept is None and access.wheel_folder is None:
            async with self._database.read() as session:
                locked = await builds.fresh_lock(session, build, self._clock())
            if locked is not None:
                build_log.line(f"Taking the lock of build {locked.id}, which asked for the same just now")
        return BuildOrder(
            spec=spec,
            access=access,
            lock=None if locked is None else locked.lock,
            lock_python=None if locked is None else locked.python_version,
            now=self._clock(),
            log=build_log,
        )

    async def _cancellation_of(self, build_id: int) -> str:
        """Wait until somebody wants the end of a build, and say who."""
        with self._database.changes.subscribe("build") as subscription:
            while True:
                try:
                    async with self._database.read() as session:
                        build = await builds.get_build(session, build_id)
                    if build.cancel_requested_by is not None:
                        return build.cancel_requested_by
                except Exception as error:  # noqa: BLE001 - a database that is away ends no build
                    log_failure(error, loop="builder")
                await subscription.wait(_ROUND_SECONDS)

    async def _store_failure(
        self,
        build: Build,
        why: str,
        *,
        log_bytes: int,
        output: str | None = None,
        state: BuildState = BuildState.FAILED,
    ) -> None:
        end = {"error": why, "error_output": output, "ended_at": self._clock(), "log_bytes": log_bytes}
        async with self._database.write() as session:
            await _end(session, build, state, **end)
        log.info("build failed" if state is BuildState.FAILED else "build was cancelled", build_id=build.id, why=why)

    async def _store_success(self, build: Build, assembled: Assembled, *, log_bytes: int) -> None:
        ready = assembled.ready
        async with self._database.write() as session:
            moved = await _end(
                session,
                build,
                BuildState.READY,
                lock=assembled.lock,
                lock_hash=ready.lock_hash,
                python_version=ready.python_version,
                interpreter_path=ready.interpreter_path or None,
                packages=[asdict(package) for package in ready.packages],
                variables=ready.variables,
                size_bytes=sum(package.size_bytes for package in ready.packages),
                ended_at=self._clock(),
                log_bytes=log_bytes,
            )
            if moved and build.environment_id is not None:
                await _activate(session, build.environment_id, build.id)
        log.info("build is ready", build_id=build.id, lock_hash=ready.lock_hash)

    async def follow_projects(self, now: datetime) -> None:
        """Ask for builds of environments whose project declares something else than before."""
        async with self._database.read() as session:
            changed = (await session.scalars(_environments_behind_their_project())).all()
        for environment_id in changed:
            await self._follow_project(environment_id, now)

    async def _follow_project(self, environment_id: int, now: datetime) -> None:
        async with self._database.read() as session:
            environment = await session.get(Environment, environment_id)
            assert environment is not None, "environments are only marked as deleted"
            project_id = environment.project_id
        assert project_id is not None, "the query asks for environments of projects"
        declared = await read_declared(self._database, self._settings, project_id)
        async with self._database.write() as session:
            environment = await session.get(Environment, environment_id, with_for_update=True)
            if environment is None or environment.deleted_at is not None or environment.project_id != project_id:
                return
            if environment.snapshot_id == declared.snapshot_id:  # another worker has looked meanwhile
                return
            if isinstance(declared.spec, InvalidInput):
                environment.snapshot_id = declared.snapshot_id
                await builds.record_refusal(session, environment, declared.spec.message, now)
                return
            spec = spec_of(service.definition_of(environment), declared.spec)
            await builds.follow_declaration(session, environment, spec, snapshot_id=declared.snapshot_id, now=now)

    def _lost(self, builds: list[tuple[int, str]]) -> list[int]:
        return [build_id for build_id, lock_hash in builds if self._store.find(lock_hash) is None]


def _concluded(build_log: BuildLog, sentence: str) -> int:
    """Write the end of a log and answer its size; a full disk must not hide the reason, which is stored anyway."""
    with suppress(OSError):
        build_log.conclude(sentence)
    return build_log.size


async def _end(session: AsyncSession, build: Build, state: BuildState, **columns: Any) -> bool:
    """Store how a build ended; False when it was not being made any more."""
    if build.environment_id is not None:
        announce(session, "environment", build.environment_id)
    return await builds.move_build(session, build.id, source=BuildState.BUILDING, target=state, **columns)


async def _activate(session: AsyncSession, environment_id: int, build_id: int) -> None:
    """Let runs use a build, unless another one was asked for or activated meanwhile."""
    await session.execute(
        update(Environment)
        .where(Environment.id == environment_id, Environment.wanted_build_id == build_id)
        .values(active_build_id=build_id, wanted_build_id=None)
    )


def _environments_behind_their_project() -> Select[int]:
    return (
        select(Environment.id)
        .join(Project, Project.id == Environment.project_id)
        .where(
            Environment.deleted_at.is_(None),
            Project.deleted_at.is_(None),
            Environment.snapshot_id.is_distinct_from(Project.snapshot_id),
        )
    )
