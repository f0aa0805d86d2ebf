"""What projects follow, and their pulls, in the database.

A pull is a row: wanted (`queued`), under way (`running`), over (`succeeded`, `failed`). Of each project at most one is
wanted and one under way; whoever asks while one is wanted is given that one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.credentials import digest
from kumo.db.changes import announce
from kumo.errors import Conflict, NotFound
from kumo.projects.git.addresses import Address, Ref, read_address
from kumo.projects.git.failures import Problem
from kumo.projects.git.models import GitPull, GitSource
from kumo.projects.models import Project, Snapshot
from kumo.settings import Settings

KEPT_PULLS = 20
OPEN = ("queued", "running")


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a project is to follow, checked."""

    address: Address
    ref: Ref
    subdirectory: str
    submodules: bool
    credential_id: int | None
    pull_every_seconds: int | None


@dataclass(frozen=True, kw_only=True)
class Order:
    """Why a pull is wanted, and by whom."""

    cause: str
    now: datetime
    user_id: int | None = None
    overwrite: bool = False


def what_is_followed(source: GitSource) -> tuple[object, ...]:
    """All that decides which files a pull brings."""
    return source.url, source.ref_kind, source.ref_name, source.subdirectory, source.submodules


def ref_of(source: GitSource) -> Ref:
    """What of its repository a project follows."""
    return Ref(kind=source.ref_kind, name=source.ref_name)  # type: ignore[arg-type]  # stored by `write_source` alone


def address_of(source: GitSource, settings: Settings) -> Address:
    """Where the repository of a project is, judged by the present settings."""
    return read_address(source.url, allow_local=settings.git_allow_local)


async def find_source(session: AsyncSession, project_id: int, *, for_update: bool = False) -> GitSource | None:
    """What a project follows; None when it is from no repository."""
    query = select(GitSource).where(GitSource.project_id == project_id)
    found: GitSource | None = await session.scalar(query.with_for_update() if for_update else query)
    return found


async def require_source(session: AsyncSession, project_id: int, *, for_update: bool = False) -> GitSource:
    """The same; `Conflict` when the project is from no repository."""
    source = await find_source(session, project_id, for_update=for_update)
    if source is None:
        raise Conflict(f"Project {project_id} is not from git. Give it a repository first.")
    return source


async def write_source(
    session: AsyncSession, project_id: int, wanted: Source, now: datetime, *, pulled_tree_hash: str | None = None
) -> GitSource:
    """Let a project follow a repository from now on; the files that it has stay until the next pull."""
    source = await find_source(session, project_id, for_update=True)
    if source is None:
        source = GitSource(project_id=project_id, pulled_tree_hash=pulled_tree_hash)
        session.add(source)
    before = what_is_followed(source)
    after = (wanted.address.url, wanted.ref.kind, wanted.ref.name, wanted.subdirectory, wanted.submodules)
    if before != after:
        source.url, source.ref_kind, source.ref_name, source.subdirectory, source.submodules = after
        source.commit = source.main_branch = None
    source.credential_id = wanted.credential_id
    if source.pull_every_seconds != wanted.pull_every_seconds:
        source.pull_every_seconds = wanted.pull_every_seconds
        source.next_pull_at = _next_pull(source, now)
    await session.flush()
    announce(session, "project", project_id)
    return source


async def forget_source(session: AsyncSession, project_id: int) -> None:
    """Let a project follow nothing any more; its files and its history stay."""
    await session.execute(delete(GitPull).where(GitPull.project_id == project_id, GitPull.state != "running"))
    await session.execute(delete(GitSource).where(GitSource.project_id == project_id))
    announce(session, "project", project_id)


# --- webhooks --------------------------------------------------------------------------------------------------------


async def make_hook(session: AsyncSession, source: GitSource, sealed_secret: bytes | None) -> str:
    """Give a project a new address that hosts call after a push; the answer is its secret part, told this once."""
    token = secrets.token_urlsafe(32)
    source.hook_token_hash = digest(token)
    source.sealed_hook_secret = sealed_secret
    await session.flush()
    announce(session, "project", source.project_id)
    return token


async def drop_hook(session: AsyncSession, source: GitSource) -> None:
    """Let nobody ask for pulls by the address any more."""
    source.hook_token_hash = source.sealed_hook_secret = None
    await session.flush()
    announce(session, "project", source.project_id)


async def source_of_hook(session: AsyncSession, token: str) -> GitSource | None:
    """What the project of an address follows; None when there is no such address."""
    found: GitSource | None = await session.scalar(
        select(GitSource)
        .join(Project, Project.id == GitSource.project_id)
        .where(GitSource.hook_token_hash == digest(token), Project.deleted_at.is_(None))
    )
    return found


# --- pulls -----------------------------------------------------------------------------------------------------------


async def request_pull(session: AsyncSession, project_id: int, order: Order) -> GitPull:
    """Want a pull: a new one, or the one that waits already."""
    await find_source(session, project_id, for_update=True)  # of two who ask at once, the second sees the first's pull
    waiting = await session.scalar(
        select(GitPull).where(GitPull.project_id == project_id, GitPull.state == "queued").with_for_update()
    )
    if waiting is not None:
        waiting.overwrite = waiting.overwrite or order.overwrite
        return waiting
    pull = GitPull(
        project_id=project_id,
        state="queued",
        cause=order.cause,
        user_id=order.user_id,
        overwrite=order.overwrite,
        queued_at=order.now,
    )
    session.add(pull)
    await session.flush()
    announce(session, "pull", pull.id)
    announce(session, "project", project_id)
    return pull


async def work_waits(session: AsyncSession, now: datetime) -> bool:
    """Whether a pull is wanted or due: asked often, and for reading only."""
    wanted = select(GitPull.id).where(GitPull.state == "queued").limit(1)
    due = (
        select(GitSource.project_id)
        .join(Project, Project.id == GitSource.project_id)
        .where(GitSource.next_pull_at <= now, Project.deleted_at.is_(None))
        .limit(1)
    )
    return await session.scalar(wanted) is not None or await session.scalar(due) is not None


async def request_due_pulls(session: AsyncSession, now: datetime) -> None:
    """Want the pulls that are due, and say when the next ones are."""
    due = await session.scalars(
        select(GitSource)
        .join(Project, Project.id == GitSource.project_id)
        .where(GitSource.next_pull_at <= now, Project.deleted_at.is_(None))
        .with_for_update(of=GitSource)
    )
    for source in due.all():
        source.next_pull_at = _next_pull(source, now)
        await request_pull(session, source.project_id, Order(cause="schedule", now=now))


async def list_pulls(session: AsyncSession, project_id: int) -> Sequence[GitPull]:
    """The last pulls of a project, the newest first."""
    query = select(GitPull).where(GitPull.project_id == project_id).order_by(GitPull.id.desc()).limit(KEPT_PULLS)
    return (await session.scalars(query)).all()


async def find_pull(session: AsyncSession, project_id: int, pull_id: int) -> GitPull:
    """One pull; `NotFound` when the project has had none such, or it is not kept any more."""
    pull = await session.get(GitPull, pull_id)
    if pull is None or pull.project_id != project_id:
        raise NotFound(f"Project {project_id} has no pull {pull_id}.")
    return pull


async def last_pulls(session: AsyncSession, project_ids: Sequence[int]) -> dict[int, GitPull]:
    """The newest pull of each project."""
    newest = select(func.max(GitPull.id)).where(GitPull.project_id.in_(project_ids)).group_by(GitPull.project_id)
    query = select(GitPull).where(GitPull.id.in_(newest))
    return {pull.project_id: pull for pull in await session.scalars(query)}


async def claim_pull(session: AsyncSession, now: datetime) -> GitPull | None:
    """Take the oldest pull that is wanted, of a project that none is under way for; None when there is none."""
    going = select(GitPull.project_id).where(GitPull.state == "running")
    oldest = (
        select(GitPull.id)
        .where(GitPull.state == "queued", GitPull.project_id.not_in(going))
        .order_by(GitPull.id)
        .limit(1)
    )
    pull_id = await session.scalar(oldest.with_for_update(skip_locked=True))
    if pull_id is None:
        return None
    claimed: GitPull | None = await session.scalar(
        update(GitPull)
        .where(GitPull.id == pull_id, GitPull.state == "queued")
        .values(state="running", started_at=now)
        .returning(GitPull)
    )
    if claimed is not None:
        announce(session, "project", claimed.project_id)
    return claimed


async def queue_again(session: AsyncSession) -> None:
    """Want again what a server that has ended had under way; where another one is wanted already, that one does it."""
    for pull in (await session.scalars(select(GitPull).where(GitPull.state == "running"))).all():
        waiting = await session.scalar(
            select(GitPull).where(GitPull.project_id == pull.project_id, GitPull.state == "queued")
        )
        if waiting is None:
            pull.state, pull.started_at = "queued", None
        else:
            waiting.overwrite = waiting.overwrite or pull.overwrite
            await session.delete(pull)
        await session.flush()


async def end_pull(session: AsyncSession, pull: GitPull, now: datetime, **columns: Any) -> bool:
    """Store how a pull has ended, and forget the oldest ones; False when it was not under way any more."""
    ended = await session.scalar(
        update(GitPull)
        .where(GitPull.id == pull.id, GitPull.state == "running")
        .values(ended_at=now, **columns)
        .returning(GitPull.id)
    )
    if ended is None:
        return False
    kept = select(GitPull.id).where(GitPull.project_id == pull.project_id).order_by(GitPull.id.desc()).limit(KEPT_PULLS)
    # In two steps: SQLite and PostgreSQL differ about a limit within a condition.
    ids = (await session.scalars(kept)).all()
    await session.execute(
        delete(GitPull).where(GitPull.project_id == pull.project_id, GitPull.id < min(ids), GitPull.state.not_in(OPEN))
    )
    announce(session, "project", pull.project_id)
    return True


async def settle_schedule(session: AsyncSession, project_id: int, problem: str | None, now: datetime) -> None:
    """Stop the schedule of a project whose files were changed here; go on with it once a pull has succeeded."""
    source = await find_source(session, project_id, for_update=True)
    if source is None or source.pull_every_seconds is None:
        return
    if problem == Problem.LOCAL_CHANGES:
        source.next_pull_at = None
    elif problem is None and source.next_pull_at is None:
        source.next_pull_at = _next_pull(source, now)


async def has_local_changes(session: AsyncSession, source: GitSource) -> bool:
    """Whether a project's files are not those that git has brought."""
    tree_hash = await session.scalar(
        select(Snapshot.tree_hash)
        .join(Project, Project.snapshot_id == Snapshot.id)
        .where(Project.id == source.project_id)
    )
    return tree_hash != source.pulled_tree_hash


def _next_pull(source: GitSource, now: datetime) -> datetime | None:
    every = source.pull_every_seconds
    return None if every is None else now + timedelta(seconds=every)
