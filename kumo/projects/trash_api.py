"""Routes of the trash; purging is in `kumo.runs.history_api`, which knows whether a run still works for a project."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.http import PageDep, ReadSession, RowId, WriteSession, error_answers
from kumo.projects import trash
from kumo.projects.history_schemas import RestoredProjectOut, TrashedProjectOut, TrashList, TrashRestore
from kumo.projects.models import Project, Snapshot
from kumo.projects.shop_api import SettingsDep, after_name

router = APIRouter()


@router.get(
    "/trash",
    summary="List the projects in the trash",
    responses=error_answers("unauthenticated", "forbidden", "validation_error"),
)
async def list_trash(
    _actor: Annotated[Actor, require(Permission.READ)], session: ReadSession, settings: SettingsDep, page: PageDep
) -> TrashList:
    """Give a page of deleted projects by name. Each can be restored until it is purged."""
    rows = await trash.list_trash(session, after=after_name(page), limit=page.limit)
    shown = rows[: page.limit]
    last = shown[-1][0] if shown else None
    kept_for = timedelta(days=settings.trash_days)
    return TrashList(
        items=[_out(project, snapshot, kept_for) for project, snapshot in shown],
        next_cursor=page.next_cursor(rows, (last.name, last.id) if last else None),
    )


@router.post(
    "/trash/{project_id}/restore",
    summary="Take a project out of the trash",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error"),
)
async def restore_project(
    _actor: Annotated[Actor, require(Permission.WRITE)],
    session: WriteSession,
    project_id: RowId,
    wanted: TrashRestore | None = None,
) -> RestoredProjectOut:
    """Bring the project back with its files, history, outputs and variables; 409 when its name is taken meanwhile."""
    project = await trash.restore(session, project_id, name=None if wanted is None else wanted.name, now=utc_now())
    return RestoredProjectOut.model_validate(project, from_attributes=True)


def _out(project: Project, snapshot: Snapshot, kept_for: timedelta) -> TrashedProjectOut:
    assert project.deleted_at is not None, "it is in the trash"
    return TrashedProjectOut(
        id=project.id,
        name=project.name,
        description=project.description,
        file_count=snapshot.file_count,
        size_bytes=snapshot.size_bytes,
        deleted_at=project.deleted_at,
        purged_after=project.deleted_at + kept_for,
    )
