"""Routes of builds: what was asked for, what came of it, and which one runs use. Their logs are in `log_api`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, status
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.environments import service
from kumo.environments.answers import build_answer, build_answers, environment_answers
from kumo.environments.builds import service as builds
from kumo.environments.builds.comparison import compare
from kumo.environments.builds.store import BuildStore
from kumo.environments.declared import declared_of
from kumo.environments.models import Build
from kumo.environments.schemas import (
    BuildChanges,
    BuildList,
    BuildOut,
    EnvironmentOut,
    PackageChange,
    PackageVersion,
    PythonChange,
)
from kumo.errors import InvalidInput, NotFound
from kumo.http import DatabaseDep, PageDep, ReadSession, RowId, WriteSession, error_answers
from kumo.settings import Settings

router = APIRouter(tags=["environments"])

_READING = error_answers("unauthenticated", "not_found", "validation_error")
_CHANGING = error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "conflict")
_LOCK: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {}}, "description": "In the form of a requirements file, with hashes."}
}


async def _settings(request: Request) -> Settings:
    found: Settings = request.app.state.settings
    return found


SettingsDep = Annotated[Settings, Depends(_settings)]
Reader = Annotated[Actor, require(Permission.READ)]
Writer = Annotated[Actor, require(Permission.WRITE)]
Against = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="A build; the one before without.")]


class NoLockYet(NotFound):
    """The build has come to no lock."""

    def __init__(self, build: Build) -> None:
        super().__init__(f"Build {build.id} has no lock, because it is {build.state}. Only what was resolved has one.")


# --- what there is ---------------------------------------------------------------------------------------------------


@router.get("/environments/{environment_id}/builds", summary="List the builds of an environment", responses=_READING)
async def list_builds(
    environment_id: RowId, _actor: Reader, session: ReadSession, settings: SettingsDep, page: PageDep
) -> BuildList:
    """Builds, newest first."""
    await service.get(session, environment_id)
    statement = select(Build).where(Build.environment_id == environment_id)
    if (after := page.after_id()) is not None:
        statement = statement.where(Build.id < after)
    rows = (await session.scalars(statement.order_by(Build.id.desc()).limit(page.limit + 1))).all()
    shown = rows[: page.limit]
    return BuildList(
        items=await build_answers(session, shown, settings),
        next_cursor=page.next_cursor(rows, [shown[-1].id] if shown else None),
    )


@router.get("/builds/{build_id}", summary="Show a build", responses=_READING)
async def get_build(build_id: RowId, _actor: Reader, session: ReadSession, settings: SettingsDep) -> BuildOut:
    """One build, of an environment or of a project."""
    return await build_answer(session, await builds.get_build(session, build_id), settings)


@router.get("/environments/{environment_id}/builds/{build_id}", summary="Show a build", responses=_READING)
async def get_environment_build(
    environment_id: RowId, build_id: RowId, _actor: Reader, session: ReadSession, settings: SettingsDep
) -> BuildOut:
    """One build of an environment."""
    build = await builds.get_build(session, build_id, environment_id=environment_id)
    return await build_answer(session, build, settings)


@router.get(
    "/builds/{build_id}/lock", summary="Read a build's lock", response_class=Response, responses=_READING | _LOCK
)
async def read_lock(build_id: RowId, _actor: Reader, session: ReadSession) -> Response:
    """The exact versions and hashes that the build consists of."""
    return _lock_of(await builds.get_build(session, build_id))


@router.get(
    "/environments/{environment_id}/builds/{build_id}/lock",
    summary="Read the lock of an environment's build",
    response_class=Response,
    responses=_READING | _LOCK,
)
async def read_environment_lock(
    environment_id: RowId, build_id: RowId, _actor: Reader, session: ReadSession
) -> Response:
    """The exact versions and hashes that the build consists of."""
    return _lock_of(await builds.get_build(session, build_id, environment_id=environment_id))


@router.get("/builds/{build_id}/changes", summary="Compare a build with another", responses=_READING)
async def read_changes(build_id: RowId, _actor: Reader, session: ReadSession, against: Against = None) -> BuildChanges:
    """Which packages were added, removed or changed, from the build `against` to this one."""
    return await _changes(session, await builds.get_build(session, build_id), against)


@router.get(
    "/environments/{environment_id}/builds/{build_id}/changes",
    summary="Compare a build of an environment with another",
    responses=_READING,
)
async def read_environment_changes(
    environment_id: RowId, build_id: RowId, _actor: Reader, session: ReadSession, against: Against = None
) -> BuildChanges:
    """Which packages were added, removed or changed, from the build `against` to this one."""
    build = await builds.get_build(session, build_id, environment_id=environment_id)
    return await _changes(session, build, against)


# --- what is done with it --------------------------------------------------------------------------------------------


@router.post(
    "/environments/{environment_id}/build",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Build an environment again",
    responses=_CHANGING,
)
async def build_environment(
    environment_id: RowId, _actor: Writer, database: DatabaseDep, settings: SettingsDep
) -> BuildOut:
    """Queue a build, which takes the newest versions that the requirements allow."""
    async with database.read() as session:
        seen = await service.get(session, environment_id)
    declared = await declared_of(database, settings, service.definition_of(seen))
    async with database.write() as session:
        environment = await service.get(session, environment_id, for_update=True)
        service.refuse_other_version(environment, seen.version)
        build = await service.request_build(session, environment, declared, utc_now())
        return await build_answer(session, build, settings)


@router.post(
    "/environments/{environment_id}/builds/{build_id}/activate",
    summary="Let runs use a certain build",
    responses=_CHANGING,
)
async def activate_build(
    environment_id: RowId, build_id: RowId, _actor: Writer, database: DatabaseDep, settings: SettingsDep
) -> EnvironmentOut:
    """Let new runs use this build, until another one is activated or a later one is ready.

    One that was collected is made again from its lock first: it is the `wanted_build` until then.
    """
    store = BuildStore(settings.home)
    async with database.read() as session:
        build = await builds.get_build(session, build_id, environment_id=environment_id)
    is_there = build.lock_hash is not None and await store.has(build.lock_hash)
    async with database.write() as session:
        environment = await service.get(session, environment_id, for_update=True)
        await builds.activate(session, environment, build_id, is_there=is_there)
        return (await environment_answers(session, settings, [environment]))[0]


@router.post("/builds/{build_id}/cancel", summary="Cancel a build", responses=_CHANGING)
async def cancel_build(build_id: RowId, actor: Writer, session: WriteSession, settings: SettingsDep) -> BuildOut:
    """End a build: at once while it waits, within moments while it is being made. Runs go on with the one before."""
    return await _cancel(session, await builds.get_build(session, build_id), actor, settings)


@router.post(
    "/environments/{environment_id}/builds/{build_id}/cancel",
    summary="Cancel a build of an environment",
    responses=_CHANGING,
)
async def cancel_environment_build(
    environment_id: RowId, build_id: RowId, actor: Writer, session: WriteSession, settings: SettingsDep
) -> BuildOut:
    """End a build: at once while it waits, within moments while it is being made. Runs go on with the one before."""
    build = await builds.get_build(session, build_id, environment_id=environment_id)
    return await _cancel(session, build, actor, settings)


async def _cancel(session: AsyncSession, build: Build, actor: Actor, settings: Settings) -> BuildOut:
    cancelled = await builds.cancel(session, build, actor=actor.username, now=utc_now())
    return await build_answer(session, cancelled, settings)


def _lock_of(build: Build) -> Response:
    if build.lock is None:
        raise NoLockYet(build)
    headers = {"Content-Disposition": f'attachment; filename="build-{build.id}.lock.txt"'}
    return Response(build.lock, media_type="text/plain; charset=utf-8", headers=headers)


async def _changes(session: AsyncSession, build: Build, against: int | None) -> BuildChanges:
    if against is None:
        other = await _before(session, build)
    else:
        other = await builds.build_or_none(session, against)
        if other is None:
            raise InvalidInput.at("against", f"Build {against} does not exist.")
    found = compare(_versions(other), _versions(build))
    pythons = (None if other is None else other.python_version, build.python_version)
    return BuildChanges(
        build_id=build.id,
        against=None if other is None else other.id,
        python=None if pythons[0] == pythons[1] else PythonChange(before=pythons[0], after=pythons[1]),
        added=[PackageVersion(name=name, version=version) for name, version in found.added],
        removed=[PackageVersion(name=name, version=version) for name, version in found.removed],
        changed=[
            PackageChange(name=one.name, before=one.before, after=one.after, is_upgrade=one.is_upgrade)
            for one in found.changed
        ],
    )


async def _before(session: AsyncSession, build: Build) -> Build | None:
    """The build before it of the same environment, or of the same project, that came to something."""
    same = Build.environment_id == build.environment_id
    if build.environment_id is None:
        same = Build.environment_id.is_(None) & (Build.project_id == build.project_id)
    earlier = select(Build).where(same, Build.id < build.id, Build.lock.is_not(None))
    return await session.scalar(earlier.order_by(Build.id.desc()).limit(1))


def _versions(build: Build | None) -> dict[str, str]:
    packages = (build.packages if build else None) or []
    return {package["name"]: package["version"] for package in packages}
