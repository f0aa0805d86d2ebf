"""From rows to what is answered about environments and builds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.environments.build_log import build_log_path
from kumo.environments.models import Build, Environment
from kumo.environments.schemas import BuildOut, EnvironmentOut
from kumo.environments.states import BuildState
from kumo.logs.store import LogFile
from kumo.settings import Settings


def build_answer(build: Build, settings: Settings) -> BuildOut:
    """A build as it is answered; while it is being made, its log is measured where it lies."""
    log_bytes = build.log_bytes
    if build.state == BuildState.BUILDING:
        log_bytes = log_of(build, settings).size
    duration = None
    if build.started_at is not None and build.ended_at is not None:
        duration = (build.ended_at - build.started_at).total_seconds()
    columns = {name: getattr(build, name) for name in BuildOut.model_fields if hasattr(Build, name)}
    return BuildOut(**(columns | {"log_bytes": log_bytes}), duration_seconds=duration)


async def build_answers(builds: Sequence[Build], settings: Settings) -> list[BuildOut]:
    """Several builds as they are answered."""
    return await asyncio.to_thread(lambda: [build_answer(build, settings) for build in builds])


async def environment_answers(
    session: AsyncSession, settings: Settings, environments: Sequence[Environment]
) -> list[EnvironmentOut]:
    """Environments with the builds that they point to, all read at once."""
    ids = {one.active_build_id for one in environments} | {one.latest_build_id for one in environments}
    rows = (await session.scalars(select(Build).where(Build.id.in_(ids - {None})))).all()
    builds: dict[int | None, BuildOut] = {build.id: build for build in await build_answers(rows, settings)}
    columns = [name for name in EnvironmentOut.model_fields if hasattr(Environment, name)]
    return [
        EnvironmentOut(
            **{name: getattr(one, name) for name in columns},
            active_build=builds.get(one.active_build_id),
            latest_build=builds.get(one.latest_build_id),
        )
        for one in environments
    ]


def log_of(build: Build, settings: Settings) -> LogFile:
    """What the build printed; empty before it begins."""
    return LogFile(build_log_path(settings.home, build.id))
