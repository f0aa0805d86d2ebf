"""Routes that arrange a project's files: move, new folder, upload."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, status
from pydantic import BaseModel, ConfigDict, Field

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.http import Input, RowId, error_answers
from kumo.projects import arranging
from kumo.projects.editing import require_project, upload_directory
from kumo.projects.paths import project_path
from kumo.projects.receiving_api import receive_files, validated
from kumo.projects.shop_api import Workplace

router = APIRouter()

Writer = Annotated[Actor, require(Permission.WRITE)]

_MOST_FILES = 1000  # at a time
_CHANGE = error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error", "unavailable")
_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "Each with a file name, which may be a path below the folder.",
                        },
                        "folder": {"type": "string", "description": "Where they go; without, the project's top."},
                        "overwrite": {"type": "boolean", "description": "Replace files that are there already."},
                    },
                }
            }
        },
    }
}


class FileMove(Input):
    """A file or folder, and the path that it is to have."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"source": "items.py", "target": "quotes/items.py"}}
    )

    source: str
    target: str
    base_snapshot_id: RowId | None = Field(
        default=None, description="The snapshot in which the source was read; 409 when it has changed since."
    )


class FolderAdd(Input):
    """A folder to be."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"path": "quotes/data"}})

    path: str


class ArrangedOut(BaseModel):
    """What it has led to."""

    model_config = ConfigDict(json_schema_extra={"example": {"snapshot_id": 44, "path": "quotes/items.py"}})

    snapshot_id: int
    path: str


class UploadedOut(BaseModel):
    """The files that are there now."""

    model_config = ConfigDict(json_schema_extra={"example": {"snapshot_id": 45, "paths": ["quotes/items.py"]}})

    snapshot_id: int
    paths: list[str]


class UploadFields(Input):
    """The fields beside the files."""

    folder: str = ""
    overwrite: bool = False


@router.post("/projects/{project_id}/files/move", summary="Rename or move a file or folder", responses=_CHANGE)
async def move_file(_actor: Writer, shop: Workplace, project_id: RowId, body: FileMove) -> ArrangedOut:
    """Give it another path; folders above the new one are made as needed, and an old one stays though it is empty."""
    wanted = arranging.Move(source=body.source, target=body.target, base_snapshot_id=body.base_snapshot_id)
    snapshot = await arranging.move(shop, project_id, wanted)
    return ArrangedOut(snapshot_id=snapshot.id, path=project_path(body.target))


@router.post(
    "/projects/{project_id}/folders",
    status_code=status.HTTP_201_CREATED,
    summary="Make a folder",
    responses=_CHANGE,
)
async def add_folder(_actor: Writer, shop: Workplace, project_id: RowId, body: FolderAdd) -> ArrangedOut:
    """Make an empty folder, with those above it; it is a part of the project like a file."""
    snapshot = await arranging.add_folder(shop, project_id, body.path)
    return ArrangedOut(snapshot_id=snapshot.id, path=project_path(body.path))


@router.post(
    "/projects/{project_id}/files",
    status_code=status.HTTP_201_CREATED,
    summary="Upload files into a folder",
    responses=_CHANGE | error_answers("too_large"),
    openapi_extra=_UPLOAD_BODY,
)
async def upload_files(_actor: Writer, request: Request, shop: Workplace, project_id: RowId) -> UploadedOut:
    """Add the files as they are in one new state, or none of them; at most 1,000 at a time."""
    await require_project(shop, project_id)
    async with upload_directory(shop.settings) as directory:
        most_bytes = shop.settings.upload_max_bytes
        upload = await receive_files(request, directory, most_bytes=most_bytes, most_files=_MOST_FILES)
        fields = validated(UploadFields, upload.fields)
        delivery = arranging.Delivery(folder=fields.folder, files=upload.files, overwrite=fields.overwrite)
        snapshot, paths = await arranging.add_files(shop, project_id, delivery)
    return UploadedOut(snapshot_id=snapshot.id, paths=paths)
