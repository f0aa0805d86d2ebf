"""Routes of the files that a project's scripts have left."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, status
from fastapi.responses import StreamingResponse

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.db.session import Database
from kumo.http import DatabaseDep, RowId, error_answers
from kumo.projects import service
from kumo.projects.outputs.folder import delete_output, list_outputs, open_output
from kumo.projects.schemas import OutputListing, OutputOut
from kumo.projects.shop_api import SettingsDep, attachment
from kumo.settings import Settings

router = APIRouter()

Reader = Annotated[Actor, require(Permission.READ)]
Writer = Annotated[Actor, require(Permission.WRITE)]
OutputPath = Annotated[str, Query(description="A path below the output directory, as “2026-01/quotes.csv”.")]

_CHUNK_BYTES = 256 * 1024


@router.get(
    "/projects/{project_id}/outputs",
    summary="List a folder of a project's outputs",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error"),
)
async def list_folder(
    _actor: Reader, database: DatabaseDep, settings: SettingsDep, project_id: RowId, path: OutputPath = ""
) -> OutputListing:
    """Give what is in the folder; links are listed, and never followed."""
    root = await _root(database, settings, project_id)
    listing = await asyncio.to_thread(list_outputs, root, path)
    entries = [OutputOut.model_validate(entry, from_attributes=True) for entry in listing.entries]
    return OutputListing(path=path, entries=entries, truncated=listing.truncated)


@router.get(
    "/projects/{project_id}/outputs/file",
    summary="Download a file of a project's outputs",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        **error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error"),
    },
)
async def read_output(
    _actor: Reader, database: DatabaseDep, settings: SettingsDep, project_id: RowId, path: OutputPath
) -> StreamingResponse:
    """Give the file's bytes as they are just now."""
    root = await _root(database, settings, project_id)
    file, size = await asyncio.to_thread(open_output, root, path)
    headers = attachment(path.rpartition("/")[2]) | {"content-length": str(size)}
    return StreamingResponse(_chunks(file, size), media_type="application/octet-stream", headers=headers)


@router.delete(
    "/projects/{project_id}/outputs",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a file or folder of a project's outputs",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error"),
)
async def delete(
    _actor: Writer, database: DatabaseDep, settings: SettingsDep, project_id: RowId, path: OutputPath
) -> None:
    """Delete it for good; nothing keeps a copy of outputs."""
    root = await _root(database, settings, project_id)
    await asyncio.to_thread(delete_output, root, path)


async def _root(database: Database, settings: Settings, project_id: int) -> Path:
    async with database.read() as session:
        project = await service.find_project(session, project_id)
    return service.output_directory(settings, project.id)


def _chunks(file: io.FileIO, size: int) -> Iterator[bytes]:
    """The first `size` bytes: what a script is still writing comes with the next download."""
    with file:
        left = size
        while left and (chunk := file.read(min(_CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
