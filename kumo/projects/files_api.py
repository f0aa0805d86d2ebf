"""Routes of a project's files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.errors import NotFound
from kumo.http import DatabaseDep, RowId, error_answers
from kumo.projects import editing
from kumo.projects.images import HEAD_BYTES, image_type
from kumo.projects.paths import project_path, shown
from kumo.projects.receiving_api import read_json
from kumo.projects.schemas import FileDeletedOut, FileOut, FileSave, FileSavedOut, TreeOut
from kumo.projects.shop_api import SettingsDep, SnapshotId, StoreDep, Workplace, attachment, present_state
from kumo.projects.store.objects import Damaged
from kumo.projects.store.snapshots import SnapshotStore
from kumo.projects.store.trees import Entry
from kumo.projects.text import line_ending_of, read_text
from kumo.settings import Settings

router = APIRouter()

Reader = Annotated[Actor, require(Permission.READ)]
Writer = Annotated[Actor, require(Permission.WRITE)]
FilePath = Annotated[str, PathParameter(description="The file's path in the project, as “quotes/items.py”.")]
FolderPath = Annotated[
    str | None,
    Query(description="List this folder alone, without what is in the folders of it; empty for the project's top."),
]

_SAVE_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": FileSave.model_json_schema()}}}
}


@router.get(
    "/projects/{project_id}/tree",
    summary="List all files and folders of a project",
    response_model=TreeOut,
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "unavailable"),
)
async def show_tree(
    _actor: Reader,
    database: DatabaseDep,
    store: StoreDep,
    project_id: RowId,
    path: FolderPath = None,
    snapshot_id: SnapshotId = None,
) -> Response:
    """Give the tree of the present state, or of an earlier one, sorted by path: the whole, or what is in one folder."""
    folder = path and project_path(path)
    snapshot = await present_state(database, project_id, snapshot_id)
    # Written here and not by a model: fifty thousand of those would hold up everybody else.
    content = await asyncio.to_thread(_tree_json, store, snapshot.id, snapshot.tree_hash, folder)
    return Response(content, media_type="application/json")


@router.get(
    "/projects/{project_id}/files/{path:path}",
    summary="Read a file",
    response_model=FileOut,
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "unavailable"),
)
async def read_file(  # noqa: PLR0913 - each one is a place of the request
    _actor: Reader,
    database: DatabaseDep,
    store: StoreDep,
    settings: SettingsDep,
    project_id: RowId,
    path: FilePath,
    raw: Annotated[bool, Query(description="Download the bytes instead of JSON.")] = False,  # noqa: FBT002 - a query
    snapshot_id: SnapshotId = None,
) -> Any:
    """Give a file of the present or an earlier state: its text with the encoding that it is stored in, or its bytes."""
    path = project_path(path)
    snapshot = await present_state(database, project_id, snapshot_id)
    entry = await asyncio.to_thread(_find_file, store, snapshot.tree_hash, path)
    if raw:
        filename = path.rpartition("/")[2]
        content = store.content_path(entry)
        return FileResponse(content, media_type="application/octet-stream", headers=attachment(filename))
    return await asyncio.to_thread(_file_answer, store, entry, path=path, snapshot_id=snapshot.id, settings=settings)


@router.get(
    "/projects/{project_id}/images/{path:path}",
    summary="Show an image",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        **error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "unavailable"),
    },
)
async def show_image(
    _actor: Reader, database: DatabaseDep, store: StoreDep, project_id: RowId, path: FilePath
) -> FileResponse:
    """Give a PNG, JPEG, GIF, WebP or SVG image as such, for an `<img>`; opened by itself, nothing in it is executed."""
    path = project_path(path)
    snapshot = await present_state(database, project_id)
    entry = await asyncio.to_thread(_find_file, store, snapshot.tree_hash, path)
    content = store.content_path(entry)
    media_type = await asyncio.to_thread(_image_type, content)
    if media_type is None:
        raise NotFound(f"{shown(path)} is no image that a browser shows. Download it instead.")
    # `kumo.middleware` says so of all that comes from here; an image must not depend on that.
    headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
    return FileResponse(content, media_type=media_type, headers=headers)


@router.put(
    "/projects/{project_id}/files/{path:path}",
    summary="Save a file",
    responses=error_answers(
        "unauthenticated", "forbidden", "not_found", "conflict", "too_large", "validation_error", "unavailable"
    ),
    openapi_extra=_SAVE_BODY,
)
async def save_file(
    _actor: Writer, request: Request, shop: Workplace, project_id: RowId, path: FilePath
) -> FileSavedOut:
    """Store the text as a new state of the project; folders are made as needed."""
    # JSON may write one byte as two; what is larger even so is larger than the limit.
    most_bytes = 2 * shop.settings.file_max_bytes + 64 * 1024
    wanted = await read_json(request, FileSave, most_bytes=most_bytes)
    edit = editing.Edit(
        path=path, content=wanted.content, encoding=wanted.encoding, base_snapshot_id=wanted.base_snapshot_id
    )
    snapshot, entry = await editing.save_file(shop, project_id, edit)
    return FileSavedOut(snapshot_id=snapshot.id, path=project_path(path), size_bytes=entry.size_bytes)


@router.delete(
    "/projects/{project_id}/files/{path:path}",
    summary="Delete a file, or a folder with all that is in it",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error", "unavailable"),
)
async def delete_file(_actor: Writer, shop: Workplace, project_id: RowId, path: FilePath) -> FileDeletedOut:
    """Make a new state without the file; the earlier states keep it."""
    return FileDeletedOut(snapshot_id=(await editing.delete_file(shop, project_id, path)).id)


def _tree_json(store: SnapshotStore, snapshot_id: int, tree_hash: str, folder: str | None) -> bytes:
    if folder is None:
        found: Iterable[tuple[str, Entry]] = store.entries(tree_hash)
    else:
        above = f"{folder}/" if folder else ""
        found = ((above + entry.name, entry) for entry in store.level(tree_hash, folder))
    entries = [
        {
            "path": path,
            "type": "directory" if entry.is_directory else "file",
            "size_bytes": entry.size_bytes,
            "file_count": entry.file_count,
        }
        for path, entry in found
    ]
    return json.dumps({"snapshot_id": snapshot_id, "entries": entries}, ensure_ascii=False).encode()


def _find_file(store: SnapshotStore, tree_hash: str, path: str) -> Entry:
    entry = store.find(tree_hash, path)
    if entry is None or entry.is_directory:
        raise NotFound(f"There is no file {shown(path)} in the project.")
    if not store.content_path(entry).exists():
        raise Damaged(entry.digest)
    return entry


def _image_type(content: Path) -> str | None:
    with content.open("rb") as file:
        return image_type(file.read(HEAD_BYTES))


def _file_answer(store: SnapshotStore, entry: Entry, *, path: str, snapshot_id: int, settings: Settings) -> FileOut:
    text = binary = None
    if entry.size_bytes <= settings.file_max_bytes:
        text = read_text(store.read(entry))
        binary = text is None
    else:
        with store.content_path(entry).open("rb") as file:
            binary = b"\0" in file.read(8192)
    return FileOut(
        path=path,
        snapshot_id=snapshot_id,
        size_bytes=entry.size_bytes,
        encoding=text.encoding if text else None,
        line_ending=line_ending_of(text.content) if text else None,
        image=_image_type(store.content_path(entry)),
        binary=binary,
        content=text.content if text else None,
    )
