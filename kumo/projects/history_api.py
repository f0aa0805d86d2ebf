"""Routes of a project's earlier states; their list is in `kumo.runs.history_api`, which knows who uses them."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.dependencies import Actor, require
from kumo.access.models import User
from kumo.access.permissions import Permission
from kumo.http import DatabaseDep, RowId, WriteSession, error_answers
from kumo.projects import history, service
from kumo.projects.archives.zipping import folder_name, zip_chunks
from kumo.projects.history import MOST_FILES, OF_ONE, ChangedFile, Comparison
from kumo.projects.history_schemas import ChangedFileOut, DiffOut, SnapshotChange
from kumo.projects.models import Project, Snapshot
from kumo.projects.paths import project_path
from kumo.projects.schemas import SnapshotOut
from kumo.projects.shop_api import StoreDep, Workplace, attachment

router = APIRouter()

Reader = Annotated[Actor, require(Permission.READ)]
Writer = Annotated[Actor, require(Permission.WRITE)]


@router.patch(
    "/projects/{project_id}/snapshots/{snapshot_id}",
    summary="Pin a state, or say better why it was made",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error"),
)
async def change_snapshot(
    _actor: Writer, session: WriteSession, project_id: RowId, snapshot_id: RowId, wanted: SnapshotChange
) -> SnapshotOut:
    """Change the fields that are given. What is pinned is kept whatever its age."""
    snapshot = await history.note(
        session, project_id, snapshot_id, pinned=wanted.pinned, message=wanted.message and wanted.message.strip()
    )
    return await _answer(session, snapshot)


@router.get(
    "/projects/{project_id}/snapshots/{snapshot_id}/diff",
    summary="Say what has changed from one state to another",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "unavailable"),
)
async def show_diff(  # noqa: PLR0913 - each one is a place of the request
    _actor: Reader,
    database: DatabaseDep,
    store: StoreDep,
    project_id: RowId,
    snapshot_id: RowId,
    against: Annotated[
        RowId | None, Query(description="The state to compare with; without, the one before, of those that are kept.")
    ] = None,
    path: Annotated[str | None, Query(description="Only this file or folder, and more of its diff.")] = None,
) -> DiffOut:
    """Give the files that differ, each with its unified diff as far as that is short enough."""
    wanted = None if path is None else project_path(path)
    async with database.read() as session:
        snapshot = await service.find_snapshot(session, project_id, snapshot_id)
        if against is None:
            before = await history.state_before(session, snapshot)
        else:
            before = await service.find_snapshot(session, project_id, against)
    before_hash = None if before is None else before.tree_hash
    found = await asyncio.to_thread(history.compare, store, before_hash, snapshot.tree_hash, wanted)
    note = _note(found, one_path=wanted is not None)
    return DiffOut(
        snapshot_id=snapshot.id,
        against_id=None if before is None else before.id,
        files=[ChangedFileOut.model_validate(one, from_attributes=True) for one in found.files],
        file_count=found.file_count,
        truncated=note is not None,
        note=note,
    )


@router.post(
    "/projects/{project_id}/snapshots/{snapshot_id}/restore",
    summary="Bring a project back to an earlier state",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error", "unavailable"),
)
async def restore_snapshot(
    _actor: Writer,
    shop: Workplace,
    project_id: RowId,
    snapshot_id: RowId,
    if_match: Annotated[
        int | None,
        Header(alias="If-Match", description="The project's version that is to be replaced; 409 when it is older."),
    ] = None,
) -> SnapshotOut:
    """Make a new state that is equal to the earlier one; all states between stay in the history.

    Where the present state is equal already, that is the answer, and nothing is made. Runs that are going keep theirs.
    """
    snapshot = await history.restore(shop, project_id, snapshot_id, expected_version=if_match)
    async with shop.database.read() as session:
        return await _answer(session, snapshot)


@router.get(
    "/projects/{project_id}/snapshots/{snapshot_id}/archive",
    summary="Download an earlier state as a zip archive",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}},
        **error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "unavailable"),
    },
)
async def download_snapshot(
    _actor: Reader, database: DatabaseDep, store: StoreDep, project_id: RowId, snapshot_id: RowId
) -> StreamingResponse:
    """Give everything in one folder named like the project; also of a deleted project, while its runs are kept."""
    async with database.read() as session:
        snapshot = await service.find_snapshot(session, project_id, snapshot_id)
        project = await session.get(Project, project_id)
    assert project is not None, "a snapshot has a project"
    entries = await asyncio.to_thread(store.entries, snapshot.tree_hash)
    folder = folder_name(project.name, project_id)
    return StreamingResponse(
        zip_chunks(store, entries, folder, snapshot.created_at),
        media_type="application/zip",
        headers=attachment(f"{folder}-{snapshot_id}.zip"),
    )


async def _answer(session: AsyncSession, snapshot: Snapshot) -> SnapshotOut:
    user = None if snapshot.created_by is None else await session.get(User, snapshot.created_by)
    out = SnapshotOut.model_validate(snapshot, from_attributes=True)
    return out.model_copy(update={"actor": user and user.username})


def _note(found: Comparison, *, one_path: bool) -> str | None:
    """What is not told, in a sentence; None when everything is."""
    cut = [one for one in found.files if one.truncated]
    if found.file_count > len(found.files):
        return (
            f"{found.file_count:,} files differ; the first {MOST_FILES} are listed. "
            "Ask for a folder with `path`, or download both states."
        )
    if not cut:
        return None
    if not one_path:
        return f"{_files(cut)} more differences than are shown here. Ask for its path alone to see them."
    return f"{_files(cut)} more differences than can be shown ({OF_ONE.all_chars:,} characters). Download both states."


def _files(cut: list[ChangedFile]) -> str:
    return f"“{cut[0].path}” has" if len(cut) == 1 else f"{len(cut)} files have"
