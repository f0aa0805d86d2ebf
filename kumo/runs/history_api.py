"""Routes of projects that must know about runs: the history with what uses it, and the end of a project for good."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, status

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.http import PageDep, ReadSession, RowId, error_answers
from kumo.projects import service as projects
from kumo.projects.schemas import SnapshotOut
from kumo.runs import history
from kumo.runs.history_collector import HistoryCollector
from kumo.runs.schemas import ListedSnapshot, SnapshotList

router = APIRouter(tags=["projects"])


@router.get(
    "/projects/{project_id}/snapshots",
    summary="List the states that a project has had",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error"),
)
async def list_snapshots(
    _actor: Annotated[Actor, require(Permission.READ)], session: ReadSession, page: PageDep, project_id: RowId
) -> SnapshotList:
    """Give a page of states, newest first: who made them and why, and how many runs used them."""
    project = await projects.find_project(session, project_id)
    rows = await projects.list_snapshots(session, project_id, before=page.after_id(), limit=page.limit)
    shown = rows[: page.limit]
    counts = await history.run_counts(session, [snapshot.id for snapshot, _actor in shown])
    items = [
        ListedSnapshot(
            **SnapshotOut.model_validate(snapshot, from_attributes=True).model_dump(exclude={"actor"}),
            actor=actor,
            is_current=snapshot.id == project.snapshot_id,
            run_count=counts[snapshot.id],
        )
        for snapshot, actor in shown
    ]
    return SnapshotList(items=items, next_cursor=page.next_cursor(rows, (shown[-1][0].id,) if shown else None))


@router.delete(
    "/trash/{project_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Purge a project from the trash",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error"),
)
async def purge_project(
    _actor: Annotated[Actor, require(Permission.WRITE)], request: Request, project_id: RowId
) -> None:
    """Delete it for good: its outputs and variables, and all states but those that runs still name; its runs stay.

    Refused while a run of the project goes. What is in the trash for longer than `KUMO_TRASH_DAYS` is purged by itself.
    """
    collector: HistoryCollector = request.app.state.history_collector
    await collector.purge(project_id)
