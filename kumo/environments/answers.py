"""From rows to what is answered about environments and builds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.environments.builds.log import build_log_path
from kumo.environments.models import Build, Environment
from kumo.environments.schemas import BuildOut, CredentialOut, EnvironmentOut
from kumo.environments.states import BuildState
from kumo.logs.store import LogFile
from kumo.settings import Settings

_POINTED_AT = ("active", "latest", "wanted")


async def build_answers(session: AsyncSession, builds: Sequence[Build], settings: Settings) -> list[BuildOut]:
    """Builds as they are answered, all that they need read at once."""
    positions = await _queue_positions(session) if any(one.state == BuildState.QUEUED for one in builds) else {}
    building = [build for build in builds if build.state == BuildState.BUILDING]
    # While a build is being made, its log is measured where it lies.
    sizes = await asyncio.to_thread(lambda: {build.id: log_of(build, settings).size for build in building})
    return [_answer(one, sizes.get(one.id, one.log_bytes), positions.get(one.id)) for one in builds]


async def build_answer(session: AsyncSession, build: Build, settings: Settings) -> BuildOut:
    """One build as it is answered."""
    return (await build_answers(session, [build], settings))[0]


async def environment_answers(
    session: AsyncSession, settings: Settings, environments: Sequence[Environment]
) -> list[EnvironmentOut]:
    """Environments with the builds that they point to, all read at once."""
    ids = {getattr(one, f"{kind}_build_id") for one in environments for kind in _POINTED_AT}
    rows = (await session.scalars(select(Build).where(Build.id.in_(ids - {None})))).all()
    builds: dict[int | None, BuildOut] = {build.id: build for build in await build_answers(session, rows, settings)}
    columns = [name for name in EnvironmentOut.model_fields if hasattr(Environment, name)]
    return [
        EnvironmentOut(
            **{name: getattr(one, name) for name in columns},
            index_credentials=[CredentialOut(**owner) for owner in one.credential_owners],
            **{f"{kind}_build": builds.get(getattr(one, f"{kind}_build_id")) for kind in _POINTED_AT},
        )
        for one in environments
    ]


def log_of(build: Build, settings: Settings) -> LogFile:
    """What the build printed; empty before it begins."""
    return LogFile(build_log_path(settings.home, build.id))


async def _queue_positions(session: AsyncSession) -> dict[int, int]:
    queued = await session.scalars(select(Build.id).where(Build.state == BuildState.QUEUED).order_by(Build.id))
    return {build_id: position for position, build_id in enumerate(queued, start=1)}


def _answer(build: Build, log_bytes: int, queue_position: int | None) -> BuildOut:
    duration = None
    if build.started_at is not None and build.ended_at is not None:
        duration = (build.ended_at - build.started_at).total_seconds()
    columns = {name: getattr(build, name) for name in BuildOut.model_fields if hasattr(Build, name)}
    return BuildOut(
        **(columns | {"log_bytes": log_bytes}),
        queue_position=queue_position,
        is_being_cancelled=build.state == BuildState.BUILDING and build.cancel_requested_by is not None,
        duration_seconds=duration,
    )
