"""Projects that were deleted: restored, or purged for good. Putting one there is `service.delete_project`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.errors import NotFound
from kumo.projects.models import Project, Snapshot
from kumo.projects.service import refused

IN_TRASH = (Project.deleted_at.is_not(None), Project.purged_at.is_(None))


class NotInTrash(NotFound):
    """There is no such project in the trash: it was restored or purged, or never deleted."""

    def __init__(self, project_id: int) -> None:
        super().__init__(f"Project {project_id} is not in the trash.")


async def list_trash(
    session: AsyncSession, *, after: tuple[str, int] | None, limit: int
) -> Sequence[tuple[Project, Snapshot]]:
    """The projects in the trash in the states that they had last, by name; `limit + 1` of them."""
    statement = (
        select(Project, Snapshot)
        .join(Snapshot, Snapshot.id == Project.snapshot_id)
        .where(*IN_TRASH)
        .order_by(Project.name, Project.id)
        .limit(limit + 1)
    )
    if after is not None:
        statement = statement.where(tuple_(Project.name, Project.id) > after)
    return [(project, snapshot) for project, snapshot in await session.execute(statement)]


async def restore(session: AsyncSession, project_id: int, *, name: str | None, now: datetime) -> Project:
    """Take a project out of the trash as it was, or under another name; `NameTaken` when a living one has the name.

    `Conflict` when one has its output directory: let that one have another first.
    """
    project = await session.scalar(select(Project).where(Project.id == project_id, *IN_TRASH))
    if project is None:
        raise NotInTrash(project_id)
    wanted = project.name if name is None else name
    statement = (
        update(Project)
        .where(Project.id == project_id, *IN_TRASH)
        .values(deleted_at=None, name=wanted, version=Project.version + 1, updated_at=now)
    )
    try:
        restored = await session.scalar(statement.returning(Project.id))
    except IntegrityError as error:
        raise refused(error, wanted, project.output_dir) from None
    if restored is None:  # purged by somebody else meanwhile
        raise NotInTrash(project_id)
    announce(session, "project", project_id)
    await session.refresh(project)
    return project


async def purge(session: AsyncSession, project_id: int, *, now: datetime) -> bool:
    """Let a project go for good; False when it was not in the trash any more.

    Its row stays for the runs that it has had. Its outputs and states are removed after that: see `collection`.
    """
    purged = await session.scalar(
        update(Project)
        .where(Project.id == project_id, *IN_TRASH)
        .values(purged_at=now, version=Project.version + 1, updated_at=now)
        .returning(Project.id)
    )
    if purged is not None:
        announce(session, "project", project_id)
    return purged is not None
