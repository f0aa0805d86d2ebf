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
from kumo.errors import InvalidInput
from kumo.http import DatabaseDep, PageDep, ReadSession, RowId, error_answers
from kumo.projects import (
    arranging_api,
    editing,
    files_api,
    git_api,
    history_api,
    outputs_api,
    search_api,
    service,
    trash_api,
)
from kumo.projects.archives.zipping import folder_name, zip_chunks
from kumo.projects.detection.project import detect
from kumo.projects.git import following, sources
from kumo.projects.git.following import GitWish
from kumo.projects.git_answers import git_answers
from kumo.projects.git_schemas import GitChange, GitOut, GitWanted
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
)
from kumo.projects.shop_api import SettingsDep, StoreDep, Workplace, after_name, attachment, present_state
from kumo.projects.store.snapshots import SnapshotStore
from kumo.settings import Settings

router = APIRouter(tags=["projects"])

Reader = Annotated[Actor, require(Permission.READ)]
Writer = Annotated[Actor, require(Permission.WRITE)]
IfMatch = Annotated[
    int | None, Header(alias="If-Match", description="The version that the change is meant for; 409 when it is older.")
]

_JSON_BYTES = 256 * 1024
_NEVER_NULL = frozenset({"url", "subdirectory", "submodules"})
_DETECTED_FILE_BYTES = 1024 * 1024
_SUFFIX = re.compile(r"(?i)\.(zip|7z|rar|tgz|tbz2?|txz|tzst|tar(\.(gz|bz2|xz|zst))?)$")
_ARCHIVE_PART = {
    "type": "string",
    "format": "binary",
    "description": "A .zip, .tar, .tar.gz, .tar.bz2, .tar.xz, .tar.zst or .7z archive; .rar where bsdtar is installed.",
}


def _project_schema() -> dict[str, Any]:
    """The JSON of a new project without references: where a route names its body itself, FastAPI collects none."""
    schema = ProjectCreate.model_json_schema()
    del schema["$defs"]
    schema["properties"]["git"]["anyOf"][0] = GitWanted.model_json_schema()
    return schema


_CREATE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "An archive with the project's files, or JSON: a repository, a template, or no files.",
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
            "application/json": {"schema": _project_schema()},
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
    rows = await service.list_projects(session, query=q, after=after_name(page), limit=page.limit)
    shown = rows[: page.limit]
    last = shown[-1][0] if shown else None
    git = await git_answers(session, [project.id for project, _snapshot in shown])
    return ProjectList(
        items=[_project_answer(project, snapshot, settings, git.get(project.id)) for project, snapshot in shown],
        next_cursor=page.next_cursor(rows, (last.name, last.id) if last else None),
    )


@router.post(
    "/projects",
    status_code=status.HTTP_201_CREATED,
    summary="Create a project from an archive, a repository or a template, or an empty one",
    responses=error_answers("unauthenticated", "forbidden", "conflict", "too_large", "validation_error", "unavailable"),
    openapi_extra=_CREATE_BODY,
)
async def create_project(_actor: Writer, request: Request, shop: Workplace) -> ProjectOut:
    """Unpack the archive that the form brings; or create a project from JSON: from git, with a template, or empty.

    A project from git is empty until its first pull, which is carried out in the background; a pull that fails leaves
    a project that says why, and `POST /projects/{id}/sync` tries again.

    A single folder that holds everything is left out, and so is what can be made again: `.git`, `__pycache__`,
    `node_modules`, virtual environments, `__MACOSX`. An archive with links, or with paths that lead out, is refused.
    """
    if not is_multipart(request):
        wanted = await read_json(request, ProjectCreate, most_bytes=_JSON_BYTES)
        if wanted.git is not None:
            wish = GitWish(**wanted.git.model_dump())
            project, _ = await following.create(shop, name=wanted.name, description=wanted.description, wish=wish)
            async with shop.database.read() as session:
                return await _answer(session, shop.settings, project.id)
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
    summary="Rename or describe a project, change the repository that it follows, or its output directory",
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
    """Change the fields that are given. What a repository holds comes with the next pull, not with this change."""
    outputs = None
    if "output_dir" in wanted.model_fields_set:
        outputs = await prepare_outputs(database, settings, project_id, wanted.output_dir)
    fields = service.Description(name=wanted.name, description=wanted.description, outputs=outputs)
    async with database.write() as session:
        await service.change_project(session, project_id, fields, expected_version=if_match, now=utc_now())
        if "git" in wanted.model_fields_set:
            await _change_git(session, settings, project_id, wanted.git)
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
        await editing.upload(shop, project_id, archive=upload.path, filename=upload.filename)
    async with shop.database.read() as session:
        return await _answer(session, shop.settings, project_id)


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
router.include_router(git_api.router)
router.include_router(arranging_api.router)
router.include_router(search_api.router)
router.include_router(history_api.router)
router.include_router(trash_api.router)


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
    git = await git_answers(session, [project_id])
    return _project_answer(project, await service.current_snapshot(session, project_id), settings, git.get(project_id))


async def _change_git(session: AsyncSession, settings: Settings, project_id: int, wanted: GitChange | None) -> None:
    """Change what a project follows by the fields that are given; None: it follows nothing any more."""
    if wanted is None:
        await sources.forget_source(session, project_id)
        return
    source = await sources.find_source(session, project_id, for_update=True)
    given = wanted.model_dump(exclude_unset=True)
    if source is None and given.get("url") is None:
        raise InvalidInput.at("git.url", "This field is required: the project follows no repository yet.")
    now = {} if source is None else vars(following.wish_of(source))
    if given.keys() & {"branch", "tag", "commit"}:  # one takes the place of another
        now = now | {"branch": None, "tag": None, "commit": None}
    if "credential" in given:
        now = now | {"credential_id": None}
    not_null = {name: value for name, value in given.items() if value is not None or name not in _NEVER_NULL}
    await following.follow(session, settings, project_id, GitWish(**(now | not_null)), utc_now())


def _project_answer(project: Project, snapshot: Snapshot, settings: Settings, git: GitOut | None = None) -> ProjectOut:
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
        git=git,
    )
