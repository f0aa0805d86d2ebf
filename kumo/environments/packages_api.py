"""Routes of packages: what an environment holds, what is newer, adding and removing, finding by name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.environments import service
from kumo.environments.answers import build_answer
from kumo.environments.builds import service as builds
from kumo.environments.indexes.access import IndexAccess, access_for, unseal
from kumo.environments.models import Build, Environment
from kumo.environments.needs.definition import spec_of
from kumo.environments.needs.editing import edited
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.environments.package_search import PackageSearch
from kumo.environments.schemas import (
    BuildOut,
    FoundPackageOut,
    FoundPackages,
    NewerVersionOut,
    OutdatedPackages,
    PackageEdit,
    PackageList,
    PackageOut,
)
from kumo.environments.states import BuildState
from kumo.errors import Conflict, InvalidInput
from kumo.http import DatabaseDep, ReadSession, RowId, error_answers
from kumo.secrets import Vault
from kumo.settings import Settings

router = APIRouter(tags=["environments"])


async def _search(request: Request) -> PackageSearch:
    found: PackageSearch = request.app.state.package_search
    return found


SearchDep = Annotated[PackageSearch, Depends(_search)]


class NothingBuilt(Conflict):
    """The environment has no build in use whose packages could be looked at."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(f"Environment {environment.name!r} has no build in use. Wait for its build.")


class NotOfAnIndex(Conflict):
    """The packages are those of conda's channels, which cannot be asked for newer ones."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(
            f"Environment {environment.name!r} is made by conda; build it again to take the newest that its "
            "environment.yml allows."
        )


@router.get(
    "/environments/{environment_id}/packages",
    summary="List the installed packages",
    responses=error_answers("unauthenticated", "not_found", "validation_error"),
)
async def list_packages(
    environment_id: RowId, _actor: Annotated[Actor, require(Permission.READ)], session: ReadSession
) -> PackageList:
    """What the build in use holds, with exact versions, sizes, and what needs what."""
    environment = await service.get(session, environment_id)
    build = await builds.build_or_none(session, environment.active_build_id)
    packages = (build.packages if build else None) or []
    needing: dict[str, list[str]] = {package["name"]: [] for package in packages}
    for package in packages:
        for name in package["requires"]:
            needing[name].append(package["name"])
    return PackageList(items=[PackageOut(**package, required_by=needing[package["name"]]) for package in packages])


@router.post(
    "/environments/{environment_id}/packages",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Add and remove packages",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "conflict"),
)
async def edit_packages(
    environment_id: RowId,
    body: PackageEdit,
    _actor: Annotated[Actor, require(Permission.WRITE)],
    database: DatabaseDep,
    request: Request,
) -> BuildOut:
    """Change the list of packages, or the requirements, and queue one build. Runs use the one before until then."""
    async with database.write() as session:
        environment = await service.get(session, environment_id, for_update=True)
        active = await builds.build_or_none(session, environment.active_build_id)
        installed = {package["name"] for package in (active.packages if active else None) or []}
        definition = edited(service.definition_of(environment), add=body.add, remove=body.remove, installed=installed)
        changed = await service.change(session, environment_id, definition, None, seen_version=None, now=utc_now())
        build = await builds.get_build(session, changed.latest_build_id or 0)
        return await build_answer(session, build, request.app.state.settings)


@router.get(
    "/environments/{environment_id}/packages/outdated",
    summary="Tell which packages have newer versions",
    responses=error_answers("unauthenticated", "not_found", "validation_error", "conflict", "unavailable"),
)
async def list_outdated(
    environment_id: RowId,
    _actor: Annotated[Actor, require(Permission.READ)],
    database: DatabaseDep,
    request: Request,
    search: SearchDep,
    refresh: Annotated[bool, Query(description="Ask again now.")] = False,  # noqa: FBT002 - a query parameter
) -> OutdatedPackages:
    """Ask the index for versions that are newer than those of the build in use; an answer is kept for ten minutes."""
    settings: Settings = request.app.state.settings
    async with database.read() as session:
        environment = await service.get(session, environment_id)
        build = await builds.build_or_none(session, environment.active_build_id)
    if build is None or build.state != BuildState.READY or build.lock_hash is None:
        raise NothingBuilt(environment)
    spec = EnvironmentSpec.from_json(build.spec)
    if spec.backend == "conda":
        raise NotOfAnIndex(environment)
    access = access_for(
        settings,
        spec,
        unseal(request.app.state.vault, environment.credentials),
    )
    python = builds.bin_directory(build, settings) / "python"
    found = await search.outdated(lock_hash=build.lock_hash, python=python, access=access, now=utc_now(), again=refresh)
    return OutdatedPackages(
        build_id=build.id,
        items=[NewerVersionOut(**vars(one)) for one in found.items],
        checked_at=found.checked_at,
    )


@router.get(
    "/packages/search",
    summary="Find packages by name",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error"),
)
async def search_packages(  # noqa: PLR0913 - one parameter for each way to say what is searched
    _actor: Annotated[Actor, require(Permission.WRITE)],
    database: DatabaseDep,
    request: Request,
    search: SearchDep,
    q: Annotated[str, Query(min_length=1, max_length=100, description="A name, or a part of one.")],
    index: Annotated[
        str | None, Query(max_length=2000, description="An index that the settings or an environment name.")
    ] = None,
    environment_id: Annotated[RowId | None, Query(description="Search as this environment does.")] = None,
) -> FoundPackages:
    """Ask the index by its simple API. Where it does not answer, the name comes back as it was typed, with a notice."""
    async with database.read() as session:
        access = await _access(session, request.app.state.settings, request.app.state.vault, index, environment_id)
        known = await _known_names(session)
    found = await search.search(q, access, known)
    return FoundPackages(items=[FoundPackageOut(**vars(one)) for one in found.items], notice=found.notice)


async def _access(
    session: AsyncSession, settings: Settings, vault: Vault, index: str | None, environment_id: int | None
) -> IndexAccess:
    """How to reach what shall be searched: only what somebody has set up is ever asked."""
    if environment_id is not None:
        environment = await service.get(session, environment_id)
        access = _access_of(environment, settings, vault)
        return access if index is None else _at(index, [access])
    everywhere = access_for(settings, EnvironmentSpec())
    if index is None:
        return everywhere
    query = select(Environment).where(Environment.deleted_at.is_(None)).order_by(Environment.id)
    own = [one for one in (await session.scalars(query)).all() if index in (one.index_url, *one.extra_index_urls)]
    return _at(index, [everywhere, *(_access_of(one, settings, vault) for one in own)])


def _access_of(environment: Environment, settings: Settings, vault: Vault) -> IndexAccess:
    return access_for(settings, spec_of(service.definition_of(environment)), unseal(vault, environment.credentials))


def _at(index: str, known: list[IndexAccess]) -> IndexAccess:
    for access in known:
        if index in (access.index_url, *access.extra_index_urls):
            return access.only(index)
    message = "No environment and no setting names this index; set it there, then search it."
    raise InvalidInput.at("index", message)


async def _known_names(session: AsyncSession) -> set[str]:
    """The names of what environments hold."""
    active = select(Environment.active_build_id).where(Environment.deleted_at.is_(None))
    rows = await session.scalars(select(Build.packages).where(Build.id.in_(active)))
    return {package["name"] for packages in rows for package in packages or []}
