"""Routes of tasks as code: plan, apply, export, and the schema of the file."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.dependencies import Actor, require
from kumo.access.models import User
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.declarations import exporting, service, sources
from kumo.declarations.file import FILE_NAME
from kumo.declarations.models import ProjectDeclaration
from kumo.declarations.planning import Plan, plan
from kumo.declarations.present import drift_of, find_declaration, present_of
from kumo.declarations.problems import InvalidDeclaration, Problem
from kumo.declarations.schema import schema_text
from kumo.declarations.schemas import (
    AppliedOut,
    ApplyOut,
    ApplyRequest,
    DeclarationChange,
    DeclarationOut,
    DriftOut,
    FailureOut,
    PlanOut,
    ProblemOut,
    WebhookAddress,
    shown,
)
from kumo.declarations.sources import Source
from kumo.http import DatabaseDep, ReadSession, RowId, error_answers
from kumo.projects.shop_api import SettingsDep, attachment

router = APIRouter(tags=["tasks as code"])

Reader = Annotated[Actor, require(Permission.READ)]
Writer = Annotated[Actor, require(Permission.WRITE)]

_TOML: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/toml": {"schema": {"type": "string"}}}, "description": "The text of a file."}
}


@router.get(
    "/projects/{project_id}/declaration",
    summary="Show what a project's file declares, and what was applied of it",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "unavailable"),
)
async def show_declaration(
    project_id: RowId, _actor: Reader, database: DatabaseDep, settings: SettingsDep
) -> DeclarationOut:
    """Give the state of the file, everything that is wrong with it, and what applying it would do."""
    source = await sources.load(database, settings, project_id)
    async with database.read() as session:
        return await _answer(session, project_id, source)


@router.patch(
    "/projects/{project_id}/declaration",
    summary="Say whether a project's file is applied by itself",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "unavailable"),
)
async def change_declaration(
    project_id: RowId, body: DeclarationChange, _actor: Writer, database: DatabaseDep, settings: SettingsDep
) -> DeclarationOut:
    """Apply the file by itself, now and with each new state of the project; or leave that to people."""
    source = await sources.load(database, settings, project_id)
    async with database.write() as session:
        await service.set_applies_itself(session, project_id, on=body.apply_declaration)
        return await _answer(session, project_id, source)


@router.post(
    "/projects/{project_id}/apply",
    summary="Make a project's tasks as its file says",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error", "unavailable"),
)
async def apply_declaration(
    project_id: RowId, body: ApplyRequest, actor: Writer, database: DatabaseDep, settings: SettingsDep
) -> ApplyOut:
    """Do all of the plan or nothing of it; what is wrong with the file is told with places and lines."""
    source = await sources.load(database, settings, project_id, body.content)
    wish = service.Wish(
        user_id=actor.user_id,
        now=utc_now(),
        expected_plan=body.expected_plan,
        dry_run=body.dry_run,
        task_id=body.task_id,
    )
    done = await service.apply(database, project_id, source, wish)
    return ApplyOut(
        plan=PlanOut.of(done.plan),
        applied=not body.dry_run,
        webhooks=[WebhookAddress.model_validate(each, from_attributes=True) for each in done.addresses],
    )


@router.get(
    "/projects/{project_id}/export",
    summary="Write a project's tasks as kumo.toml",
    response_class=Response,
    responses=_TOML | error_answers("unauthenticated", "forbidden", "not_found", "validation_error", "unavailable"),
)
async def export_project(project_id: RowId, _actor: Reader, database: DatabaseDep, settings: SettingsDep) -> Response:
    """Give text that changes nothing when it is applied; secrets of webhooks are not in it, and stay."""
    return _file(await exporting.export_project(database, settings, project_id))


@router.get(
    "/tasks/{task_id}/export",
    summary="Write a task as kumo.toml",
    response_class=Response,
    responses=_TOML | error_answers("unauthenticated", "forbidden", "not_found", "validation_error"),
)
async def export_task(task_id: RowId, _actor: Reader, session: ReadSession) -> Response:
    """Give the part of the file that says what this task is."""
    return _file(await exporting.export_task(session, task_id))


@router.get(
    "/schemas/kumo.toml.json",
    summary="Give the JSON Schema of kumo.toml",
    response_class=Response,
    responses={
        200: {"content": {"application/schema+json": {"schema": {"type": "object"}}}},
        **error_answers("unauthenticated", "forbidden"),
    },
)
async def get_schema(_actor: Reader) -> Response:
    """For editors; `kumo apply --schema` prints the same."""
    return Response(schema_text(), media_type="application/schema+json")


def _file(text: str) -> Response:
    return Response(text, media_type="application/toml", headers=attachment(FILE_NAME))


async def _answer(session: AsyncSession, project_id: int, source: Source) -> DeclarationOut:
    problems: tuple[Problem, ...] = ()
    made: Plan | None = None
    if source.reading is not None:
        present = await present_of(session, project_id, source.reading, source.requirements)
        try:
            made = plan(source.reading, present, utc_now())
        except InvalidDeclaration as error:
            problems = error.problems
    row = await find_declaration(session, project_id)
    return DeclarationOut(
        state="none" if source.reading is None else "invalid" if problems else "valid",
        path=FILE_NAME,
        snapshot_id=source.snapshot_id,
        problems=[ProblemOut.model_validate(each, from_attributes=True) for each in problems],
        plan=None if made is None else PlanOut.of(made),
        drift=[
            DriftOut(task_id=each.task_id, name=each.name, fields=shown(each.fields))
            for each in await drift_of(session, project_id)
        ],
        apply_declaration=row is not None and row.applies_itself,
        applied=await _applied(session, row),
        failure=_failure(row),
    )


async def _applied(session: AsyncSession, row: ProjectDeclaration | None) -> AppliedOut | None:
    if row is None or row.applied_at is None:
        return None
    user = None if row.applied_by is None else await session.get(User, row.applied_by)
    by = None if user is None else user.username
    return AppliedOut(at=row.applied_at, by=by, snapshot_id=row.applied_snapshot_id)


def _failure(row: ProjectDeclaration | None) -> FailureOut | None:
    if row is None or row.failure is None or row.failed_at is None:
        return None
    return FailureOut.model_validate(row.failure | {"at": row.failed_at})
