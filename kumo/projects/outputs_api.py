"""Routes of the files that a project's scripts have left; what needs to know runs is in `kumo.runs.outputs_api`."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response, status
from fastapi.responses import StreamingResponse

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.db.session import Database
from kumo.errors import InvalidInput, TooLarge
from kumo.http import DatabaseDep, RowId, error_answers
from kumo.projects import service
from kumo.projects.archives.zipping import folder_name
from kumo.projects.outputs.folder import delete_output, open_output
from kumo.projects.outputs.place import OutputPlace
from kumo.projects.outputs.preview import MOST_BYTES, image_type, preview
from kumo.projects.outputs.walk import measure
from kumo.projects.outputs.zipping import files_to_zip, zip_outputs
from kumo.projects.schemas import FolderSizeOut, OutputPreviewOut, OutputSizesOut, OutputTableOut
from kumo.projects.shop_api import SettingsDep, attachment
from kumo.settings import MIB, Settings

router = APIRouter()

Reader = Annotated[Actor, require(Permission.READ)]
Writer = Annotated[Actor, require(Permission.WRITE)]
OutputPath = Annotated[str, Query(description="A path below the output directory, as “2026-01/quotes.csv”.")]

_CHUNK_BYTES = 256 * 1024
_IMAGE_MOST_BYTES = 32 * MIB
_IMAGE_HEAD_BYTES = 16
_MEASURED_ENTRIES = 200_000
_MEASURED_SECONDS = 5.0
_ANSWERS = error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error")


@router.get(
    "/projects/{project_id}/outputs/file",
    summary="Download a file of a project's outputs",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        **_ANSWERS,
    },
)
async def read_output(
    _actor: Reader, database: DatabaseDep, settings: SettingsDep, project_id: RowId, path: OutputPath
) -> StreamingResponse:
    """Give the file's bytes as they are just now."""
    place, _name = await output_place(database, settings, project_id)
    file, size = await asyncio.to_thread(open_output, place, path)
    headers = attachment(path.rpartition("/")[2]) | {"content-length": str(size)}
    return StreamingResponse(_chunks(file, size), media_type="application/octet-stream", headers=headers)


@router.get(
    "/projects/{project_id}/outputs/preview",
    summary="Show a part of a file of a project's outputs",
    responses=_ANSWERS,
)
async def preview_output(
    _actor: Reader,
    database: DatabaseDep,
    settings: SettingsDep,
    project_id: RowId,
    path: OutputPath,
    part: Annotated[
        Literal["start", "end"], Query(description="The first 256 KiB of the file, or the last.")
    ] = "start",
) -> OutputPreviewOut:
    """Give text in the encoding that it is found to have, the first rows of a table, or say that it is neither."""
    place, _name = await output_place(database, settings, project_id)
    return await asyncio.to_thread(_preview, place, path, part)


@router.get(
    "/projects/{project_id}/outputs/image",
    summary="Show an image of a project's outputs",
    response_class=Response,
    responses={
        200: {
            "content": {
                media_type: {"schema": {"type": "string", "format": "binary"}}
                for media_type in ("image/png", "image/jpeg", "image/gif", "image/webp")
            }
        },
        **_ANSWERS,
        **error_answers("too_large"),
    },
)
async def show_image(
    _actor: Reader, database: DatabaseDep, settings: SettingsDep, project_id: RowId, path: OutputPath
) -> StreamingResponse:
    """Give a PNG, JPEG, GIF or WebP for a page to show, by what is in it and not by its name; nothing else."""
    place, _name = await output_place(database, settings, project_id)
    file, size = await asyncio.to_thread(open_output, place, path)
    media_type = image_type(await asyncio.to_thread(_head, file))
    if media_type is None or size > _IMAGE_MOST_BYTES:
        file.close()
        if media_type is None:
            raise InvalidInput.at("path", "The file is no PNG, JPEG, GIF or WebP. Download it instead.")
        raise TooLarge("The image is larger than 32 MiB. Download it instead.")
    return StreamingResponse(_chunks(file, size), media_type=media_type, headers={"content-length": str(size)})


@router.get(
    "/projects/{project_id}/outputs/archive",
    summary="Download a folder of a project's outputs as a zip archive",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}},
        **_ANSWERS,
        **error_answers("too_large"),
    },
)
async def download_folder(
    _actor: Reader, database: DatabaseDep, settings: SettingsDep, project_id: RowId, path: OutputPath = ""
) -> StreamingResponse:
    """Give all files of the folder, or of the whole output directory; links are left out."""
    place, name = await output_place(database, settings, project_id)
    files = await asyncio.to_thread(files_to_zip, place, path)
    folder = folder_name(path.rpartition("/")[2] or f"{name}-outputs", project_id)
    return StreamingResponse(
        zip_outputs(place, path, files, folder), media_type="application/zip", headers=attachment(f"{folder}.zip")
    )


@router.get(
    "/projects/{project_id}/outputs/sizes",
    summary="Add up what a folder of a project's outputs holds",
    responses=_ANSWERS,
)
async def measure_folder(
    _actor: Reader, database: DatabaseDep, settings: SettingsDep, project_id: RowId, path: OutputPath = ""
) -> OutputSizesOut:
    """Count files and bytes, in five seconds at the most: at least so much is there when it is not complete."""
    place, _name = await output_place(database, settings, project_id)
    sizes = await asyncio.to_thread(
        measure, place, path, most_entries=_MEASURED_ENTRIES, most_seconds=_MEASURED_SECONDS
    )
    return OutputSizesOut(
        path=path,
        file_count=sizes.total.file_count,
        size_bytes=sizes.total.size_bytes,
        folders={
            name: FolderSizeOut.model_validate(size, from_attributes=True) for name, size in sizes.folders.items()
        },
        complete=sizes.complete,
    )


@router.delete(
    "/projects/{project_id}/outputs",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a file or folder of a project's outputs",
    responses=_ANSWERS,
)
async def delete(
    _actor: Writer, database: DatabaseDep, settings: SettingsDep, project_id: RowId, path: OutputPath
) -> None:
    """Delete it for good; nothing keeps a copy of outputs."""
    place, _name = await output_place(database, settings, project_id)
    await asyncio.to_thread(delete_output, place, path)


async def output_place(database: Database, settings: Settings, project_id: int) -> tuple[OutputPlace, str]:
    """Where a project's outputs are, and the project's name."""
    async with database.read() as session:
        project = await service.find_project(session, project_id)
    return service.output_place(settings, project.id, project.output_dir), project.name


def _preview(place: OutputPlace, path: str, part: Literal["start", "end"]) -> OutputPreviewOut:
    file, size = open_output(place, path)
    with file:
        modified_at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        begin = 0 if part == "start" else max(0, size - MOST_BYTES)
        file.seek(begin)
        content = file.read(min(MOST_BYTES, size - begin)) or b""
    at_end = begin + len(content) >= size
    found = preview(content, path, at_start=begin == 0, at_end=at_end)
    return OutputPreviewOut(
        path=path,
        size_bytes=size,
        modified_at=modified_at,
        kind=found.kind,
        encoding=found.encoding,
        text=found.text,
        table=None if found.table is None else OutputTableOut.model_validate(found.table, from_attributes=True),
        truncated=found.truncated,
    )


def _head(file: io.FileIO) -> bytes:
    head = file.read(_IMAGE_HEAD_BYTES) or b""
    file.seek(0)
    return head


def _chunks(file: io.FileIO, size: int) -> Iterator[bytes]:
    """The first `size` bytes: what a script is still writing comes with the next download."""
    with file:
        left = size
        while left and (chunk := file.read(min(_CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
