"""Routes of projects; those of their files and outputs are in `files_api` and `outputs_api`."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, status
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.http import DatabaseDep, PageDep, ReadSession, RowId, error_answers, wrong_cursor
from kumo.projects import editing, files_api, outputs_api, service
from kumo.projects.archives.zipping import folder_name, zip_chunks
from kumo.projects.detection.project import detect
from kumo.projects.models import Project, Snapshot
from kumo.projects.own_outputs import prepare_outputs
from kumo.projects.receiving_api import is_multipart, read_json, receive_upload, validated
from kumo.projects.schemas import (
    DetectionOut,
    EnvironmentFound,
    KindFoundOut,
    NoFields,
    ProjectChange,
    ProjectCreate,
    ProjectList,
    ProjectOut,
    ProjectUpload,
    SnapshotList,
    SnapshotOut,
)
from kumo.projects.shop_api import SettingsDep, StoreDep, Workplace, attachment, present_state
from kumo.projects.store.snapshots import SnapshotStore
from kumo.settings import Settings

router = APIRouter(tags=["projects"])

Reader = Annotated[Actor, require(Permission.READ)]
Writer = Annotated[Actor, require(Permission.WRITE)]
IfMatch = Annotated[
    int | None, Header(alias="If-Match", description="The version that the change is meant for; 409 when it is older.")
]

_JSON_BYTES = 256 * 1024
_DETECTED_FILE_BYTES = 1024 * 1024
_SUFFIX = re.compile(r"(?i)\.(zip|7z|rar|tgz|tbz2?|txz|tzst|tar(\.(gz|bz2|xz|zst))?)$")
_ARCHIVE_PART = {
    "type": "string",
    "format": "binary",
    "description": "A .zip, .tar, .tar.gz, .tar.bz2, .tar.xz, .tar.zst or .7z archive; .rar where bsdtar is installed.",
}
_CREATE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "An archive with the project's files, or JSON for one with those of a template, or none.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": _ARCHIVE_PART,
                        "name": {"type": "string", "maxLength": 100, "description": "Without: the archive's name."},
                        "description": {"type": "string", "maxLength": 10_000},
                    },
                }
            },
            "application/json": {"schema": ProjectCreate.model_json_schema()},
        },
    }
}
_ARCHIVE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": {"file": _ARCHIVE_PART}}
            }
        },
    }
}


@router.get(
    "/projects",
    summary="List projects by name",
    responses=error_answers("unauthenticated", "forbidden", "validation_error"),
)
async def list_projects(
    _actor: Reader,
    session: ReadSession,
    settings: SettingsDep,
    page: PageDep,
    q: Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]*$", description="Words in the name.")] = None,
) -> ProjectList:
    """Give a page of projects, without those that were deleted."""
    rows = await service.list_projects(session, query=q, after=_after_name(page.after), limit=page.limit)
    shown = rows[: page.limit]
    last = shown[-1][0] if shown else None
    return ProjectList(
        items=[_project_answer(project, snapshot, settings) for project, snapshot in shown],
        next_cursor=page.next_cursor(rows, (last.name, last.id) if last else None),
    )


@router.post(
    "/projects",
    status_code=status.HTTP_201_CREATED,
    summary="Create a project from an archive or a template, or an empty one",
    responses=error_answers("unauthenticated", "forbidden", "conflict", "too_large", "validation_error", "unavailable"),
    openapi_extra=_CREATE_BODY,
)
async def create_project(_actor: Writer, request: Request, shop: Workplace) -> ProjectOut:
    """Unpack the archive that the form brings; or create a project from JSON, empty or with the files of a template.

    A single folder that holds everything is left out, and so is what can be made again: `.git`, `__pycache__`,
    `node_modules`, virtual environments, `__MACOSX`. An archive with links, or with paths that lead out, is refused.
    """
    if not is_multipart(request):
        wanted = await read_json(request, ProjectCreate, most_bytes=_JSON_BYTES)
        project, snapshot = await editing.create_empty(
            shop, name=wanted.name, description=wanted.description, template=wanted.template
        )
        return _project_answer(project, snapshot, shop.settings)
    async with editing.upload_directory(shop.settings) as directory:
        upload = await receive_upload(request, directory, most_bytes=shop.settings.upload_max_bytes)
        fields = validated(ProjectUpload, upload.fields)
        name = fields.name or validated(ProjectCreate, {"name": _SUFFIX.sub("", upload.filename)[:100]}).name
        project, snapshot = await editing.create_from_archive(
            shop, name=name, description=fields.description, archive=upload.path, filename=upload.filename
        )
    return _project_answer(project, snapshot, shop.settings)


@router.get(
    "/projects/{project_id}",
    summary="Show a project",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error"),
)
async def show_project(_actor: Reader, session: ReadSession, settings: SettingsDep, project_id: RowId) -> ProjectOut:
    """Give one project."""
    return await _answer(session, settings, project_id)


@router.patch(
    "/projects/{project_id}",
    summary="Rename or describe a project, or choose its output directory",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error"),
)
async def change_project(
    _actor: Writer,
    database: DatabaseDep,
    settings: SettingsDep,
    project_id: RowId,
    wanted: ProjectChange,
    if_match: IfMatch = None,
) -> ProjectOut:
    """Change the fields that are given."""
    outputs = None
    if "output_dir" in wanted.model_fields_set:
        outputs = await prepare_outputs(database, settings, project_id, wanted.output_dir)
    fields = service.Description(name=wanted.name, description=wanted.description, outputs=outputs)
    async with database.write() as session:
        await service.change_project(session, project_id, fields, expected_version=if_match, now=utc_now())
        return await _answer(session, settings, project_id)


@router.post(
    "/projects/{project_id}/archive",
    summary="Replace a project's files by those of an archive",
    responses=error_answers(
        "unauthenticated", "forbidden", "not_found", "conflict", "too_large", "validation_error", "unavailable"
    ),
    openapi_extra=_ARCHIVE_BODY,
)
async def upload_archive(_actor: Writer, request: Request, shop: Workplace, project_id: RowId) -> ProjectOut:
    """Unpack the archive into a new state of the project; runs that are going keep theirs."""
    await editing.require_project(shop, project_id)
    async with editing.upload_directory(shop.settings) as directory:
        upload = await receive_upload(request, directory, most_bytes=shop.settings.upload_max_bytes)
        validated(NoFields, upload.fields)
        project, snapshot = await editing.upload(shop, project_id, archive=upload.path, filename=upload.filename)
    return _project_answer(project, snapshot, shop.settings)


@router.get(
    "/projects/{project_id}/archive",
    summary="Download a project's files as a zip archive",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}},
        **error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "unavailable"),
    },
)
async def download_archive(
    _actor: Reader, database: DatabaseDep, store: StoreDep, project_id: RowId
) -> StreamingResponse:
    """Give everything in one folder named like the project; uploading it again gives the same state."""
    async with database.read() as session:
        project = await service.find_project(session, project_id)
        snapshot = await service.current_snapshot(session, project_id)
    entries = await asyncio.to_thread(store.entries, snapshot.tree_hash)
    folder = folder_name(project.name, project_id)
    return StreamingResponse(
        zip_chunks(store, entries, folder, snapshot.created_at),
        media_type="application/zip",
        headers=attachment(f"{folder}.zip"),
    )


@router.get(
    "/projects/{project_id}/snapshots",
    summary="List the states that a project has had",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error"),
)
async def list_snapshots(_actor: Reader, session: ReadSession, page: PageDep, project_id: RowId) -> SnapshotList:
    """Give a page of states, newest first."""
    rows = await service.list_snapshots(session, project_id, before=page.after_id(), limit=page.limit)
    shown = rows[: page.limit]
    return SnapshotList(
        items=[SnapshotOut.model_validate(row, from_attributes=True) for row in shown],
        next_cursor=page.next_cursor(rows, (shown[-1].id,) if shown else None),
    )


@router.get(
    "/projects/{project_id}/detection",
    summary="Say what a project looks like it needs, and how it is run",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "unavailable"),
)
async def detect_project(_actor: Reader, database: DatabaseDep, store: StoreDep, project_id: RowId) -> DetectionOut:
    """Look at the files; nothing is executed."""
    snapshot = await present_state(database, project_id)
    return await asyncio.to_thread(_detection, store, snapshot.tree_hash)


router.include_router(files_api.router)
router.include_router(outputs_api.router)


def _detection(store: SnapshotStore, tree_hash: str) -> DetectionOut:
    files = {path: entry for path, entry in store.entries(tree_hash) if not entry.is_directory}

    def read(path: str) -> bytes | None:
        entry = files.get(path)
        return None if entry is None or entry.size_bytes > _DETECTED_FILE_BYTES else store.read(entry)

    found = detect(list(files), read)
    return DetectionOut(
        environment=EnvironmentFound.model_validate(found.environment, from_attributes=True),
        commands=list(found.commands),
        kinds=[KindFoundOut.model_validate(kind, from_attributes=True) for kind in found.kinds],
        spiders=list(found.spiders),
    )


async def _answer(session: AsyncSession, settings: Settings, project_id: int) -> ProjectOut:
    project = await service.find_project(session, project_id)
    return _project_answer(project, await service.current_snapshot(session, project_id), settings)


def _project_answer(project: Project, snapshot: Snapshot, settings: Settings) -> ProjectOut:
    return ProjectOut(
        id=project.id,
        version=project.version,
        name=project.name,
        description=project.description,
        snapshot_id=snapshot.id,
        file_count=snapshot.file_count,
        size_bytes=snapshot.size_bytes,
        output_dir=str(service.output_directory(settings, project.id, project.output_dir)),
        own_output_dir=project.output_dir,
        created_at=project.created_at,
        updated_at=project.updated_at,
        task_count=project.task_count,
    )


def _after_name(after: tuple[str | int, ...] | None) -> tuple[str, int] | None:
    match after:
        case None:
            return None
        case (str(name), int(project_id)) if 0 <= project_id < 2**63:
            return name, project_id
    raise wrong_cursor()
