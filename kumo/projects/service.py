"""Projects and their states, in the database.

The files themselves are stored before: what is written here names states that are already on the disk. Changes that
need both are in `editing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.models import User
from kumo.db.changes import announce
from kumo.errors import ChangedMeanwhile, Conflict, NameTaken, NotFound
from kumo.projects.models import Project, Snapshot, Source
from kumo.projects.outputs.place import OutputPlace, allowed_place, default_place
from kumo.projects.store.trees import Tree
from kumo.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is kept of a change beside the files: what was done, by whom, when."""

    message: str
    user_id: int | None  # None: Kumo itself
    now: datetime
    origin: dict[str, Any] | None = None  # as in `Snapshot`
    source: Source = Source.EDIT


def output_directory(settings: Settings, project_id: int, own: str | None) -> Path:
    """Where a project's scripts leave their files: where its row says, or else below the data directory."""
    return default_place(settings.home, project_id).path if own is None else Path(own)


def output_place(settings: Settings, project_id: int, own: str | None) -> OutputPlace:
    """The same place with what of it may be trusted; `Conflict` where the settings do not allow it any more."""
    if own is None:
        return default_place(settings.home, project_id)
    place = allowed_place(own, settings.allowed_output_roots)
    if place is None:
        raise Conflict(
            f"The project's output directory {own} lies below no directory of KUMO_OUTPUT_ROOTS any more. "
            "Choose another one in the project's settings."
        )
    return place


# --- reading ---------------------------------------------------------------------------------------------------------


async def find_project(session: AsyncSession, project_id: int, *, for_update: bool = False) -> Project:
    """One project; `NotFound` when it does not exist or was deleted."""
    query = select(Project).where(Project.id == project_id, Project.deleted_at.is_(None))
    project = await session.scalar(query.with_for_update() if for_update else query)
    if project is None:
        raise NotFound(f"Project {project_id} does not exist.")
    return project


async def list_projects(
    session: AsyncSession, *, query: str | None, after: tuple[str, int] | None, limit: int
) -> Sequence[tuple[Project, Snapshot]]:
    """Projects with their current states, by name; `limit + 1` of them, which says whether there are more."""
    statement = (
        select(Project, Snapshot)
        .join(Snapshot, Snapshot.id == Project.snapshot_id)
        .where(Project.deleted_at.is_(None))
        .order_by(Project.name, Project.id)
        .limit(limit + 1)
    )
    if query:
        statement = statement.where(Project.name.icontains(query, autoescape=True))
    if after is not None:
        statement = statement.where(tuple_(Project.name, Project.id) > after)
    return [(project, snapshot) for project, snapshot in await session.execute(statement)]


async def current_snapshot(session: AsyncSession, project_id: int) -> Snapshot:
    """The state that a project is in; `NotFound` when the project does not exist or was deleted."""
    snapshot = await session.scalar(
        select(Snapshot)
        .join(Project, Project.snapshot_id == Snapshot.id)
        .where(Project.id == project_id, Project.deleted_at.is_(None))
    )
    if snapshot is None:
        raise NotFound(f"Project {project_id} does not exist.")
    return snapshot


async def find_snapshot(session: AsyncSession, project_id: int, snapshot_id: int) -> Snapshot:
    """One state that a project has had; `NotFound` when it has had no such state, or it was collected.

    Also of a project that was deleted: its runs can be explained as long as they are kept.
    """
    snapshot = await session.get(Snapshot, snapshot_id)
    if snapshot is None or snapshot.project_id != project_id:
        raise NotFound(f"Project {project_id} has no snapshot {snapshot_id}.")
    return snapshot


async def list_snapshots(
    session: AsyncSession, project_id: int, *, before: int | None, limit: int
) -> Sequence[tuple[Snapshot, str | None]]:
    """The states that a project has had, newest first, with the names of who made them; `limit + 1` of them."""
    statement = (
        select(Snapshot, User.username)
        .outerjoin(User, User.id == Snapshot.created_by)
        .where(Snapshot.project_id == project_id)
        .order_by(Snapshot.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        statement = statement.where(Snapshot.id < before)
    return [(snapshot, actor) for snapshot, actor in await session.execute(statement)]


async def list_own_outputs(session: AsyncSession, but: int) -> Sequence[tuple[str, str]]:
    """The names of the other projects that have an output directory of their own, each with that directory."""
    rows = await session.execute(
        select(Project.name, Project.output_dir).where(
            Project.output_dir.is_not(None), Project.deleted_at.is_(None), Project.id != but
        )
    )
    return [(name, path) for name, path in rows if path is not None]


async def refuse_taken_name(session: AsyncSession, name: str) -> None:
    """`Conflict` when a project has this name just now."""
    if await session.scalar(select(Project.id).where(Project.name == name, Project.deleted_at.is_(None))):
        raise name_taken(name)


# --- changing --------------------------------------------------------------------------------------------------------


async def add_project(
    session: AsyncSession, *, name: str, description: str, tree: Tree, change: Change
) -> tuple[Project, Snapshot]:
    """Create a project in its first state; `Conflict` when the name is taken."""
    project = Project(
        name=name, description=description, version=1, task_count=0, created_at=change.now, updated_at=change.now
    )
    session.add(project)
    await _flush_name(session, name)
    snapshot = await _add_snapshot(session, project.id, None, tree, change)
    project.snapshot_id = snapshot.id
    await session.flush()
    announce(session, "project", project.id)
    return project, snapshot


async def advance(
    session: AsyncSession, project_id: int, *, base_id: int, tree: Tree, change: Change
) -> Snapshot | None:
    """Bring a project from one state to the next; None when it is not in that state any more, or is gone.

    The state is part of the WHERE clause: of two editors one wins, and the other looks at what has changed.
    """
    snapshot = await _add_snapshot(session, project_id, base_id, tree, change)
    moved = await session.scalar(
        update(Project)
        .where(Project.id == project_id, Project.snapshot_id == base_id, Project.deleted_at.is_(None))
        .values(snapshot_id=snapshot.id, version=Project.version + 1, updated_at=change.now)
        .returning(Project.id)
    )
    if moved is None:
        await session.delete(snapshot)
        return None
    announce(session, "project", project_id)
    return snapshot


@dataclass(frozen=True, kw_only=True)
class OwnOutputs:
    """Where a project is to have its outputs; None: below the data directory."""

    path: str | None


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a person can change of a project beside its files; None leaves a field as it is."""

    name: str | None = None
    description: str | None = None
    outputs: OwnOutputs | None = None  # checked before: see `own_outputs`


async def change_project(
    session: AsyncSession, project_id: int, wanted: Description, *, expected_version: int | None, now: datetime
) -> Project:
    """Rename or describe a project, or give it another output directory.

    Raises `Conflict` when the name or the directory is taken, or when the project is not in the version expected.
    """
    project = await find_project(session, project_id)
    statement = update(Project).where(Project.id == project_id, Project.deleted_at.is_(None))
    if expected_version is not None:
        statement = statement.where(Project.version == expected_version)
    name = project.name if wanted.name is None else wanted.name
    description = project.description if wanted.description is None else wanted.description
    output_dir = project.output_dir if wanted.outputs is None else wanted.outputs.path
    statement = statement.values(
        name=name, description=description, output_dir=output_dir, version=Project.version + 1, updated_at=now
    )
    try:
        changed = await session.scalar(statement.returning(Project.id))
    except IntegrityError as error:
        raise refused(error, name, output_dir) from None
    if changed is None:
        raise ChangedMeanwhile(f"Project {project_id} was changed by somebody else meanwhile. Load it again.")
    announce(session, "project", project_id)
    await session.refresh(project)
    return project


async def delete_project(session: AsyncSession, project: Project, *, now: datetime) -> None:
    """Put a project that was found for update into the trash: its name is free, all else of it stays; see `trash`.

    Whoever calls this makes sure that no task uses it: see `kumo.tasks.uses`.
    """
    project.deleted_at = project.updated_at = now
    project.version += 1
    announce(session, "project", project.id)


async def _add_snapshot(
    session: AsyncSession, project_id: int, parent_id: int | None, tree: Tree, change: Change
) -> Snapshot:
    snapshot = Snapshot(
        project_id=project_id,
        parent_id=parent_id,
        tree_hash=tree.tree_hash,
        source=change.source,
        pinned=False,
        message=change.message[: Snapshot.message.type.length],
        origin=change.origin,
        file_count=tree.file_count,
        size_bytes=tree.size_bytes,
        created_by=change.user_id,
        created_at=change.now,
    )
    session.add(snapshot)
    await session.flush()
    return snapshot


async def _flush_name(session: AsyncSession, name: str) -> None:
    try:
        await session.flush()
    except IntegrityError:
        raise name_taken(name) from None


def refused(error: IntegrityError, name: str, output_dir: str | None) -> Conflict:
    """What is said when the database refuses a row: a living project has the name, or the output directory."""
    if "output_dir" in str(error.orig):
        return Conflict(f"Another project has its outputs in {output_dir}. Choose another directory.")
    return name_taken(name)


def name_taken(name: str) -> NameTaken:
    """What is said when a living project has the name."""
    return NameTaken(f"There is already a project named “{name}”. Choose another name.")
