"""Environments: made, changed and deleted by people; what comes of them is in `builds`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.environments.builds import service as builds
from kumo.environments.indexes.access import Credential, seal
from kumo.environments.models import Build, Environment
from kumo.environments.needs.definition import Declared, EnvironmentDefinition, checked, spec_of
from kumo.environments.states import BuildState
from kumo.errors import ChangedMeanwhile, NameTaken, NotFound
from kumo.secrets import Vault

# Everything that decides what is built, as the definition and the table name it.
_SPEC = (
    *("python", "packages", "requirements", "environment_yml", "project_id", "interpreter_id", "interpreter_path"),
    *("index_url", "extra_index_urls", "proxy", "wheel_folder", "use_index", "import_check"),
)


class EnvironmentNotFound(NotFound):
    """The environment does not exist."""

    def __init__(self, environment_id: int) -> None:
        super().__init__(f"Environment {environment_id} does not exist.")


class EnvironmentNameTaken(NameTaken):
    """Another environment has the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"An environment named “{name}” exists already. Choose another name.")


class EnvironmentChanged(ChangedMeanwhile):
    """Somebody else changed the environment meanwhile."""

    def __init__(self, environment_id: int, version: int) -> None:
        super().__init__(
            f"Environment {environment_id} was changed meanwhile, to version {version}. Load it again, then change it."
        )


async def get(session: AsyncSession, environment_id: int, *, for_update: bool = False) -> Environment:
    """One environment that is not deleted, or `EnvironmentNotFound`."""
    statement = select(Environment).where(Environment.id == environment_id, Environment.deleted_at.is_(None))
    environment = await session.scalar(statement.with_for_update() if for_update else statement)
    if environment is None:
        raise EnvironmentNotFound(environment_id)
    return environment


async def create(
    session: AsyncSession, definition: EnvironmentDefinition, declared: Declared | None, now: datetime
) -> Environment:
    """Make an environment and ask for its first build; `declared` is what its project declares."""
    definition = checked(definition)
    environment = Environment(**_columns(definition), created_at=now, updated_at=now)
    session.add(environment)
    await _flush_name(session, definition.name)
    await request_build(session, environment, declared, now)
    return environment


async def change(  # noqa: PLR0913 - what is changed, by whom it was seen last, and when
    session: AsyncSession,
    environment_id: int,
    definition: EnvironmentDefinition,
    declared: Declared | None,
    *,
    seen_version: int | None,
    now: datetime,
    reach_changed: bool = False,
) -> Environment:
    """Change an environment; where that changes what it holds, a build is asked for and runs go on in the old one.

    `reach_changed` says that other passwords are given: then what failed may work now, and is built again.
    """
    environment = await get(session, environment_id, for_update=True)
    refuse_other_version(environment, seen_version)
    definition = checked(definition)
    before = definition_of(environment)
    for name, value in _columns(definition).items():
        setattr(environment, name, value)
    environment.version += 1
    environment.updated_at = now
    await _flush_name(session, definition.name)
    announce(session, "environment", environment.id)
    after = definition_of(environment)
    latest = await builds.build_or_none(session, environment.latest_build_id)
    may_work_now = reach_changed and latest is not None and latest.state == BuildState.FAILED
    if may_work_now or replace(after, name=before.name) != before:
        await request_build(session, environment, declared, now)
    return environment


def refuse_other_version(environment: Environment, seen_version: int | None) -> None:
    """Raise `EnvironmentChanged` when it is not the version any more that somebody has seen."""
    if seen_version is not None and seen_version != environment.version:
        raise EnvironmentChanged(environment.id, environment.version)


async def request_build(
    session: AsyncSession, environment: Environment, declared: Declared | None, now: datetime
) -> Build:
    """Ask for a build of what the environment needs now; `declared` is what its project declares."""
    spec = spec_of(definition_of(environment), declared.spec if declared else None)
    snapshot_id = declared.snapshot_id if declared else None
    return await builds.request_build(session, environment, spec, snapshot_id=snapshot_id, now=now)


@dataclass(frozen=True, kw_only=True)
class SizeOfBuilds:
    """What the builds of an environment take, whether or not others share it."""

    ready_builds: int
    size_bytes: int


async def size_of_builds(session: AsyncSession, environment_id: int) -> SizeOfBuilds:
    """What the ready builds of an environment take; equal ones are counted once."""
    ready = select(Build.lock_hash, Build.size_bytes).where(
        Build.environment_id == environment_id, Build.state == BuildState.READY
    )
    rows = (await session.execute(ready)).all()
    return SizeOfBuilds(ready_builds=len(rows), size_bytes=sum({key: size or 0 for key, size in rows}.values()))


async def remove(session: AsyncSession, environment: Environment, now: datetime) -> None:
    """Delete an environment that was found for update; its builds stay for the runs that used them.

    Whoever calls this makes sure that no task uses it: see `kumo.tasks.uses`.
    """
    environment.deleted_at = now
    announce(session, "environment", environment.id)


def set_credentials(environment: Environment, vault: Vault, credentials: Sequence[Credential]) -> None:
    """Give an environment other passwords, encrypted; and note whose they are, for people to see."""
    environment.credentials = seal(vault, credentials)
    environment.credential_owners = [{"url": one.url, "username": one.username} for one in credentials]


def definition_of(environment: Environment) -> EnvironmentDefinition:
    """What people have decided about an environment."""
    values = {name: getattr(environment, name) for name in ("name", *_SPEC)}
    packages = environment.packages
    return EnvironmentDefinition(
        **values
        | {
            "packages": None if packages is None else tuple(packages),
            "extra_index_urls": tuple(environment.extra_index_urls),
        }
    )


def _columns(definition: EnvironmentDefinition) -> dict[str, Any]:
    packages = definition.packages
    if packages is None and definition.source == "packages":
        packages = ()
    return {name: getattr(definition, name) for name in ("name", "source", *_SPEC)} | {
        "packages": None if packages is None else list(packages),
        "extra_index_urls": list(definition.extra_index_urls),
    }


async def _flush_name(session: AsyncSession, name: str) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        if "uq_environments_name" in str(error) or "environments.name" in str(error):
            raise EnvironmentNameTaken(name) from None
        raise
