"""Environments and what runs ask of them; builds are asked for here and carried out by the builder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.environments.build_store import BuildStore
from kumo.environments.models import Build, Environment
from kumo.environments.pythons import parse_python_request
from kumo.environments.requirements import parse_packages, parse_requirements
from kumo.environments.spec import EnvironmentSpec, check_index_url
from kumo.environments.states import TRANSITIONS, BuildState
from kumo.errors import ChangedMeanwhile, InvalidInput, NameTaken, NotFound
from kumo.settings import Settings

LONGEST_NAME = 100
# A project's build that failed is tried again by the next run, but not by each of a burst of runs.
_RETRY_AFTER = timedelta(seconds=60)


class EnvironmentNotFound(NotFound):
    """The environment does not exist."""

    def __init__(self, environment_id: int) -> None:
        super().__init__(f"Environment {environment_id} does not exist.")


class BuildNotFound(NotFound):
    """The build does not exist, or belongs to something else."""

    def __init__(self, build_id: int) -> None:
        super().__init__(f"Build {build_id} does not exist.")


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


@dataclass(frozen=True, kw_only=True)
class EnvironmentDefinition:
    """Everything that a person decides about an environment; exactly one of the last three is given."""

    name: str
    python: str | None = None
    index_url: str | None = None
    packages: tuple[str, ...] | None = None
    requirements: str | None = None
    project_id: int | None = None

    @property
    def source(self) -> str:
        """Which of the three says what is needed."""
        if self.project_id is not None:
            return "project"
        return "packages" if self.requirements is None else "requirements"


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a project's state declares, as it was read outside the transaction."""

    snapshot_id: int
    spec: EnvironmentSpec


def checked(definition: EnvironmentDefinition) -> EnvironmentDefinition:
    """The definition in its normal form; `InvalidInput` names the field that is wrong."""
    name = definition.name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput.at("name", f"A name has 1 to {LONGEST_NAME} characters, all of them visible.")
    spec_of(definition)
    python, index_url = definition.python, definition.index_url
    return EnvironmentDefinition(
        name=name,
        python=None if python is None else parse_python_request(python).text,
        index_url=None if index_url is None else check_index_url(index_url),
        packages=definition.packages,
        requirements=definition.requirements,
        project_id=definition.project_id,
    )


def spec_of(definition: EnvironmentDefinition, declared: EnvironmentSpec | None = None) -> EnvironmentSpec:
    """What to build: the definition's own packages, or what its project declares under the definition's Python."""
    python = None if definition.python is None else parse_python_request(definition.python).text
    index_url = None if definition.index_url is None else check_index_url(definition.index_url)
    if definition.project_id is not None:
        declared = declared or EnvironmentSpec()
        values = declared.to_json() | {"python": python or declared.python, "index_url": index_url}
        return EnvironmentSpec.from_json(values)
    if definition.requirements is not None:
        requirements = parse_requirements(definition.requirements)
    else:
        requirements = parse_packages(definition.packages or ())
    return EnvironmentSpec(python=python, index_url=index_url, requirements=requirements)


# --- environments ----------------------------------------------------------------------------------------------------


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
    environment = Environment(**_columns(definition), backend="uv", created_at=now, updated_at=now)
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
) -> Environment:
    """Change an environment; where that changes what it holds, a build is asked for and runs go on in the old one."""
    environment = await get(session, environment_id, for_update=True)
    if seen_version is not None and seen_version != environment.version:
        raise EnvironmentChanged(environment_id, environment.version)
    definition = checked(definition)
    before = spec_columns(environment)
    for name, value in _columns(definition).items():
        setattr(environment, name, value)
    environment.version += 1
    environment.updated_at = now
    await _flush_name(session, definition.name)
    announce(session, "environment", environment.id)
    if spec_columns(environment) != before:
        await request_build(session, environment, declared, now)
    return environment


async def remove(session: AsyncSession, environment: Environment, now: datetime) -> None:
    """Delete an environment that was found for update; its builds stay for the runs that used them.

    Whoever calls this makes sure that no task uses it: see `kumo.tasks.uses`.
    """
    environment.deleted_at = now
    announce(session, "environment", environment.id)


def definition_of(environment: Environment) -> EnvironmentDefinition:
    """What people have decided about an environment."""
    packages = environment.packages
    return EnvironmentDefinition(
        name=environment.name,
        python=environment.python,
        index_url=environment.index_url,
        packages=None if packages is None else tuple(packages),
        requirements=environment.requirements,
        project_id=environment.project_id,
    )


def spec_columns(environment: Environment) -> tuple[Any, ...]:
    """Everything that decides what is built."""
    of = environment
    return (of.python, of.index_url, of.source, of.packages, of.requirements, of.project_id)


def _columns(definition: EnvironmentDefinition) -> dict[str, Any]:
    packages = definition.packages
    if packages is None and definition.source == "packages":
        packages = ()
    return {
        "name": definition.name,
        "python": definition.python,
        "index_url": definition.index_url,
        "source": definition.source,
        "packages": None if packages is None else list(packages),
        "requirements": definition.requirements,
        "project_id": definition.project_id,
    }


async def _flush_name(session: AsyncSession, name: str) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        if "uq_environments_name" in str(error) or "environments.name" in str(error):
            raise EnvironmentNameTaken(name) from None
        raise


# --- builds ----------------------------------------------------------------------------------------------------------


async def request_build(
    session: AsyncSession, environment: Environment, declared: Declared | None, now: datetime
) -> Build:
    """Ask for a build of what the environment needs now; one that waits for the same already is the answer."""
    definition = definition_of(environment)
    spec = spec_of(definition, declared.spec if declared else None)
    environment.snapshot_id = declared.snapshot_id if declared else None
    latest = await build_or_none(session, environment.latest_build_id)
    if latest is not None and latest.state == BuildState.QUEUED and latest.spec_hash == spec.content_hash():
        return latest
    build = await _queue(session, spec, now, environment_id=environment.id)
    environment.latest_build_id = build.id
    announce(session, "environment", environment.id)
    await session.flush()
    return build


async def record_refusal(session: AsyncSession, environment: Environment, refusal: str, now: datetime) -> Build:
    """Note that what the environment's project declares cannot even be tried: a build that has failed already."""
    nothing = EnvironmentSpec().to_json()
    build = Build(
        environment_id=environment.id,
        state=BuildState.FAILED,
        spec=nothing,
        spec_hash="",
        error=refusal,
        created_at=now,
        ended_at=now,
    )
    session.add(build)
    await session.flush()
    environment.latest_build_id = build.id
    announce(session, "build", build.id)
    announce(session, "environment", environment.id)
    return build


async def build_for_environment(session: AsyncSession, environment_id: int) -> Build | None:
    """The build that a run takes: the active one; before there is any, the latest, which may still wait or have failed.

    None when the environment is deleted.
    """
    environment = await session.get(Environment, environment_id)
    if environment is None or environment.deleted_at is not None:
        return None
    active = await build_or_none(session, environment.active_build_id)
    if active is not None and active.state != BuildState.FAILED:
        return active
    return await build_or_none(session, environment.latest_build_id)


async def build_for_project(session: AsyncSession, project_id: int, spec: EnvironmentSpec, now: datetime) -> Build:
    """The build of what a project's files declare, queued where there is none.

    A failure is tried again when it is a minute old.
    """
    statement = (
        select(Build)
        .where(Build.project_id == project_id, Build.environment_id.is_(None), Build.spec_hash == spec.content_hash())
        .order_by(Build.id.desc())
        .limit(1)
    )
    newest = await session.scalar(statement)
    if newest is not None and not _may_be_tried_again(newest, now):
        return newest
    return await _queue(session, spec, now, project_id=project_id)


def bin_directory(build: Build, settings: Settings) -> Path:
    """Where the `python` and the console scripts of a ready build lie."""
    assert build.lock_hash is not None, "a build that is not ready has no directory"
    return BuildStore(settings.home).directory(build.lock_hash) / "bin"


async def get_build(session: AsyncSession, build_id: int, *, environment_id: int | None = None) -> Build:
    """One build, of a certain environment where one is named; or `BuildNotFound`."""
    build = await session.get(Build, build_id)
    if build is None or (environment_id is not None and build.environment_id != environment_id):
        raise BuildNotFound(build_id)
    return build


async def build_or_none(session: AsyncSession, build_id: int | None) -> Build | None:
    """The build with an id that may not be set."""
    return None if build_id is None else await session.get(Build, build_id)


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


async def _queue(session: AsyncSession, spec: EnvironmentSpec, now: datetime, **owner: int) -> Build:
    build = Build(**owner, state=BuildState.QUEUED, spec=spec.to_json(), spec_hash=spec.content_hash(), created_at=now)
    session.add(build)
    await session.flush()
    announce(session, "build", build.id)
    return build


def _may_be_tried_again(build: Build, now: datetime) -> bool:
    ended = build.ended_at
    return build.state == BuildState.FAILED and ended is not None and now - ended >= _RETRY_AFTER
