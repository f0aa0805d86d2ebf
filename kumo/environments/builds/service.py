"""Builds as rows: asked for, chosen for runs, activated, cancelled. The builder carries them out."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import and_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.environments.builds.store import BuildStore
from kumo.environments.models import Build, Environment
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.environments.states import TRANSITIONS, UNFINISHED, BuildState
from kumo.errors import Conflict, NotFound
from kumo.projects.models import Project
from kumo.settings import Settings

# What a run needs and could not be built is tried again by the next run, but not by each of a burst of runs.
_RETRY_AFTER = timedelta(seconds=60)
_FRESH = timedelta(minutes=10)
_NOTED_EVERY = timedelta(hours=1)
_LOCKED = "kumo.builds"


class BuildNotFound(NotFound):
    """The build does not exist, or belongs to something else."""

    def __init__(self, build_id: int) -> None:
        super().__init__(f"Build {build_id} does not exist.")


async def get_build(session: AsyncSession, build_id: int, *, environment_id: int | None = None) -> Build:
    """One build, of a certain environment where one is named; or `BuildNotFound`."""
    build = await session.get(Build, build_id)
    if build is None or (environment_id is not None and build.environment_id != environment_id):
        raise BuildNotFound(build_id)
    return build


async def build_or_none(session: AsyncSession, build_id: int | None) -> Build | None:
    """The build with an id that may not be set."""
    return None if build_id is None else await session.get(Build, build_id)


def bin_directory(build: Build, settings: Settings) -> Path:
    """Where the `python` and the console scripts of a ready build lie."""
    assert build.lock_hash is not None, "a build that is not ready has no directory"
    return BuildStore(settings.home).directory(build.lock_hash) / "bin"


async def move_build(
    session: AsyncSession, build_id: int, *, source: BuildState, target: BuildState, **columns: Any
) -> bool:
    """Move a build from `source` to `target`; False when it was not there any more."""
    assert target in TRANSITIONS[source], f"{source} -> {target} is not a legal move"
    moved = await session.scalar(
        update(Build)
        .where(Build.id == build_id, Build.state == source)
        .values(state=target, **columns)
        .returning(Build.id)
    )
    if moved is not None:
        announce(session, "build", build_id)
    return moved is not None


async def queue_again(session: AsyncSession, build_id: int, source: BuildState) -> bool:
    """Let a build be made once more: from its lock, where it has one already."""
    fresh = dict.fromkeys(("started_at", "ended_at", "error", "error_output", "cancel_requested_by"))
    return await move_build(session, build_id, source=source, target=BuildState.QUEUED, **fresh)


# --- asking ----------------------------------------------------------------------------------------------------------


async def request_build(
    session: AsyncSession,
    environment: Environment,
    spec: EnvironmentSpec,
    *,
    snapshot_id: int | None = None,
    now: datetime,
) -> Build:
    """Ask for the next generation of an environment; one that waits for the same already is the answer.

    `snapshot_id` is the state of the project that the spec was read from. Whoever calls this holds the environment's
    row, so that no two builds get one number.
    """
    environment.snapshot_id = snapshot_id
    environment.spec_hash = spec.content_hash()
    environment.backend = spec.backend
    latest = await build_or_none(session, environment.latest_build_id)
    if latest is None or latest.state != BuildState.QUEUED or latest.spec_hash != environment.spec_hash:
        latest = _next_generation(environment, spec, now)
        session.add(latest)
        await session.flush()
        announce(session, "build", latest.id)
    environment.latest_build_id = environment.wanted_build_id = latest.id
    announce(session, "environment", environment.id)
    await session.flush()
    return latest


async def record_refusal(session: AsyncSession, environment: Environment, refusal: str, now: datetime) -> Build:
    """Note that what the environment's project declares cannot even be tried: a build that has failed already."""
    environment.spec_hash = ""
    build = _next_generation(environment, EnvironmentSpec(), now)
    build.spec_hash, build.state, build.error, build.ended_at = "", BuildState.FAILED, refusal, now
    session.add(build)
    await session.flush()
    environment.latest_build_id = environment.wanted_build_id = build.id
    announce(session, "build", build.id)
    announce(session, "environment", environment.id)
    return build


async def follow_declaration(
    session: AsyncSession, environment: Environment, spec: EnvironmentSpec, *, snapshot_id: int, now: datetime
) -> None:
    """Ask for a build if an environment's project declares something else than before; an edit need not change that.

    What is active may be what is declared now: then runs use it again, and nothing is built.
    """
    environment.snapshot_id = snapshot_id
    announce(session, "environment", environment.id)
    if environment.spec_hash == spec.content_hash():
        return
    active = await build_or_none(session, environment.active_build_id)
    if active is None or active.spec_hash != spec.content_hash():
        await request_build(session, environment, spec, snapshot_id=snapshot_id, now=now)
        return
    environment.spec_hash = active.spec_hash
    environment.backend = spec.backend
    environment.wanted_build_id = None


def _next_generation(environment: Environment, spec: EnvironmentSpec, now: datetime) -> Build:
    environment.last_generation += 1
    build = _queued(spec, now)
    build.environment_id, build.generation = environment.id, environment.last_generation
    return build


def _queued(spec: EnvironmentSpec, now: datetime) -> Build:
    return Build(state=BuildState.QUEUED, spec=spec.to_json(), spec_hash=spec.content_hash(), created_at=now)


async def fresh_lock(session: AsyncSession, build: Build, now: datetime) -> Build | None:
    """A build of somebody else that wished for the same just now, whose lock is therefore the answer here, too.

    As tools keep an index's answers for ten minutes, so does this. It is not for whoever builds again, and so wants to
    know what is new; nor is a lock taken that was found with passwords, to which an index may answer otherwise.
    """
    if build.generation not in (None, 1):
        return None
    own = and_(
        Build.environment_id.is_not_distinct_from(build.environment_id),
        Build.project_id.is_not_distinct_from(build.project_id),
    )
    query = (
        select(Build)
        .outerjoin(Environment, Environment.id == Build.environment_id)
        .where(
            Build.spec_hash == build.spec_hash,
            Build.state == BuildState.READY,
            Build.created_at > now - _FRESH,
            Environment.credentials.is_(None),
            ~own,
        )
        .order_by(Build.id.desc())
        .limit(1)
    )
    return await session.scalar(query)


# --- what runs use ---------------------------------------------------------------------------------------------------


async def is_behind_its_project(session: AsyncSession, environment: Environment) -> bool:
    """Whether the builder has yet to look at what the environment's project declares now."""
    if environment.project_id is None:
        return False
    project = await session.get(Project, environment.project_id)
    return project is not None and project.deleted_at is None and project.snapshot_id != environment.snapshot_id


async def build_for_environment(session: AsyncSession, environment: Environment, now: datetime) -> Build | None:
    """The build that a run takes: the active one; before there is any, the one to come, which may still wait or fail.

    Where the environment follows a project, it is the one to come also when that declares something else than the
    active one holds: the code that runs is as new. None when nothing was ever asked for.
    """
    active = await _held(session, environment.active_build_id)
    wanted = await build_or_none(session, environment.wanted_build_id)
    if active is not None and active.state in (BuildState.READY, *UNFINISHED):
        overtaken = environment.project_id is not None and wanted is not None and wanted.spec_hash != active.spec_hash
        if not overtaken:
            return active
    needed = wanted or await build_or_none(session, environment.latest_build_id)
    if needed is not None and needed.spec_hash and _may_be_tried_again(needed, now):
        await _queue_again_and_read(session, needed)
    return needed


async def build_for_project(session: AsyncSession, project_id: int, spec: EnvironmentSpec, now: datetime) -> Build:
    """The build of what a project's files declare, queued where there is none.

    A failure is tried again when it is a minute old.
    """
    statement = (
        select(Build.id)
        .where(Build.project_id == project_id, Build.environment_id.is_(None), Build.spec_hash == spec.content_hash())
        .order_by(Build.id.desc())
        .limit(1)
    )
    newest = await _held(session, await session.scalar(statement))
    if newest is not None:
        if not _may_be_tried_again(newest, now):
            return newest
        # What cannot be made from its lock any more, because the index has lost a file, is resolved anew below.
        if newest.lock is None:
            await _queue_again_and_read(session, newest)
            return newest
    build = _queued(spec, now)
    build.project_id = project_id
    session.add(build)
    await session.flush()
    announce(session, "build", build.id)
    return build


async def hold(session: AsyncSession, build_id: int) -> Build:
    """A build that the caller is about to use, and that nobody collects before the transaction has ended."""
    locked: set[int] = session.info.setdefault(_LOCKED, set())
    if build_id in locked:
        return await get_build(session, build_id)
    build = await session.get(Build, build_id, with_for_update={"read": True}, populate_existing=True)
    if build is None:
        raise BuildNotFound(build_id)
    locked.add(build_id)
    return build


def note_use(build: Build, now: datetime) -> None:
    """Remember that a run uses a build that is held, to the hour."""
    if build.used_at is None or now - build.used_at >= _NOTED_EVERY:
        build.used_at = now


async def make_again(session: AsyncSession, build: Build) -> None:
    """Let a build be made again whose directory is not there: it was collected, or somebody has removed it."""
    if BuildState(build.state) in (BuildState.COLLECTED, BuildState.READY):
        await _queue_again_and_read(session, build)


async def _held(session: AsyncSession, build_id: int | None) -> Build | None:
    if build_id is None:
        return None
    build = await hold(session, build_id)
    if build.state == BuildState.COLLECTED:
        await make_again(session, build)
    return build


async def _queue_again_and_read(session: AsyncSession, build: Build) -> None:
    await queue_again(session, build.id, BuildState(build.state))
    await session.refresh(build)


def _may_be_tried_again(build: Build, now: datetime) -> bool:
    ended = build.ended_at
    over = build.state in (BuildState.FAILED, BuildState.CANCELLED)
    return over and ended is not None and now - ended >= _RETRY_AFTER


# --- choosing one ----------------------------------------------------------------------------------------------------


class NeverBuilt(Conflict):
    """What was to be activated never became a build."""

    def __init__(self, build: Build) -> None:
        how = "failed" if build.state == BuildState.FAILED else "was cancelled"
        super().__init__(f"Generation {build.generation} {how} and holds nothing. Activate another one, or build anew.")


async def activate(session: AsyncSession, environment: Environment, build_id: int, *, is_there: bool) -> Build:
    """Let new runs use one of the environment's builds, until another one is activated or a later one is made.

    One whose directory is gone (`is_there` says so) is made again from its lock, and used as soon as that is done.
    """
    await get_build(session, build_id, environment_id=environment.id)
    build = await hold(session, build_id)
    if BuildState(build.state) not in UNFINISHED and build.lock is None:
        raise NeverBuilt(build)
    announce(session, "environment", environment.id)
    if build.state == BuildState.READY and is_there:
        environment.active_build_id, environment.wanted_build_id = build.id, None
        return build
    environment.wanted_build_id = build.id
    if BuildState(build.state) not in UNFINISHED:
        await _queue_again_and_read(session, build)
    return build


# --- ending one ------------------------------------------------------------------------------------------------------


class BuildIsOver(Conflict):
    """What was to be cancelled has ended already."""

    def __init__(self, build: Build) -> None:
        super().__init__(f"Build {build.id} is over already: it is {build.state}.")


async def cancel(session: AsyncSession, build: Build, *, actor: str, now: datetime) -> Build:
    """End a build: at once while it waits, by the builder while it is being made. `BuildIsOver` when it is over."""
    queued, error = BuildState.QUEUED, cancelled_by(actor)
    if not await move_build(
        session, build.id, source=queued, target=BuildState.CANCELLED, error=error, ended_at=now
    ) and not await _request_cancellation(session, build.id, actor):
        raise BuildIsOver(build)
    if build.environment_id is not None:
        announce(session, "environment", build.environment_id)
    await session.refresh(build)
    return build


def cancelled_by(actor: str) -> str:
    """The sentence that a cancelled build has in place of an error."""
    return f"Cancelled by {actor}."


async def _request_cancellation(session: AsyncSession, build_id: int, actor: str) -> bool:
    building = (Build.id == build_id, Build.state == BuildState.BUILDING)
    requested = update(Build).where(*building).values(cancel_requested_by=actor).returning(Build.id)
    if await session.scalar(requested) is None:
        return False
    announce(session, "build", build_id)
    return True
