"""Letting a project follow a repository: from its creation on, from now on, another one, or none any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from kumo.errors import InvalidInput, Unavailable
from kumo.projects import editing, service
from kumo.projects.editing import Workshop
from kumo.projects.git import credentials, sources
from kumo.projects.git.addresses import Address, read_address, read_ref
from kumo.projects.git.models import GitCredential, GitSource
from kumo.projects.git.program import git_is_installed, git_missing
from kumo.projects.git.sources import Order, Source
from kumo.projects.models import Project, Snapshot
from kumo.projects.paths import project_path
from kumo.settings import Settings


@dataclass(frozen=True, kw_only=True)
class GitWish:
    """What a project is to follow, as somebody has written it."""

    url: str
    branch: str | None = None
    tag: str | None = None
    commit: str | None = None
    subdirectory: str = ""
    submodules: bool = False
    credential_id: int | None = None
    credential: str | None = None  # by name
    pull_every_seconds: int | None = None


async def create(shop: Workshop, *, name: str, description: str, wish: GitWish) -> tuple[Project, Snapshot]:
    """A project that follows a repository; it is empty until its first pull, which is wanted with it."""
    require_git()
    async with shop.database.read() as session:
        wanted = await _checked(session, shop.settings, wish)

    async def follow_it(session: AsyncSession, project: Project, snapshot: Snapshot) -> None:
        now = project.created_at
        await sources.write_source(session, project.id, wanted, now, pulled_tree_hash=snapshot.tree_hash)
        await sources.request_pull(session, project.id, Order(cause="created", user_id=shop.user_id, now=now))

    return await editing.create_empty(shop, name=name, description=description, also=follow_it)


async def follow(session: AsyncSession, settings: Settings, project_id: int, wish: GitWish, now: datetime) -> GitSource:
    """Let a project follow a repository from now on; nothing is pulled before somebody, or its schedule, wants it."""
    snapshot = await service.current_snapshot(session, project_id)
    wanted = await _checked(session, settings, wish)
    untouched = snapshot.tree_hash if snapshot.file_count == 0 else None
    return await sources.write_source(session, project_id, wanted, now, pulled_tree_hash=untouched)


def wish_of(source: GitSource) -> GitWish:
    """What a project follows, as somebody could have written it."""
    named = {source.ref_kind: source.ref_name}
    return GitWish(
        url=source.url,
        branch=named.get("branch"),
        tag=named.get("tag"),
        commit=named.get("commit"),
        subdirectory=source.subdirectory,
        submodules=source.submodules,
        credential_id=source.credential_id,
        pull_every_seconds=source.pull_every_seconds,
    )


def require_git() -> None:
    """`Unavailable` where git is not installed: better now than after a pull that fails."""
    if not git_is_installed():
        raise Unavailable(git_missing().message)


async def _checked(session: AsyncSession, settings: Settings, wish: GitWish) -> Source:
    address = read_address(wish.url, allow_local=settings.git_allow_local)
    ref = read_ref(branch=wish.branch, tag=wish.tag, commit=wish.commit)
    subdirectory = wish.subdirectory.strip("/")
    if subdirectory:
        subdirectory = project_path(subdirectory, field="git.subdirectory")
    credential = await _credential(session, wish)
    if credential is not None:
        _check_kind(credential, address)
    return Source(
        address=address,
        ref=ref,
        subdirectory=subdirectory,
        submodules=wish.submodules,
        credential_id=None if credential is None else credential.id,
        pull_every_seconds=wish.pull_every_seconds,
    )


async def _credential(session: AsyncSession, wish: GitWish) -> GitCredential | None:
    if wish.credential is not None:
        found = await credentials.credential_by_name(session, wish.credential)
        if found is None:
            raise InvalidInput.at("git.credential", "There is no git credential of this name.")
        return found
    if wish.credential_id is None:
        return None
    by_id = await session.get(GitCredential, wish.credential_id)
    if by_id is None:
        raise InvalidInput.at("git.credential_id", f"Git credential {wish.credential_id} does not exist.")
    return by_id


def _check_kind(credential: GitCredential, address: Address) -> None:
    if address.scheme == "file":
        raise InvalidInput.at("git.credential_id", "A directory of the server is opened by no credential.")
    if address.scheme == "ssh" and credential.kind != "ssh_key":
        raise InvalidInput.at("git.credential_id", "An address of ssh is opened by a private key, not by a password.")
    if address.scheme == "https" and credential.kind == "ssh_key":
        raise InvalidInput.at(
            "git.credential_id", "An address of https is opened by a password or token, not by a key."
        )
