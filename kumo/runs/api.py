"""Routes of runs: list, show, stop, repeat. Asking for one is in `request_api`, their logs are in `log_api`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, status
from pydantic import Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.dependencies import Actor, VaultDep, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.http import (
    GivenMoment,
    Input,
    Page,
    PageDep,
    ReadSession,
    RowId,
    WriteSession,
    error_answers,
)
from kumo.runs import service
from kumo.runs.comparison import COMPARED, differences
from kumo.runs.models import Run
from kumo.runs.schemas import ComparisonOut, DifferenceOut, GivenVariableOut, RunList, RunOut, queued_out, show
from kumo.runs.states import RunState
from kumo.runs.tally import forget_failures
from kumo.tasks import service as tasks
from kumo.variables import overrides
from kumo.variables.listing import given_variables

router = APIRouter(tags=["runs"])

_CHANGE = error_answers("unauthenticated", "forbidden", "not_found", "conflict")


class RerunRequest(Input):
    """How a run is repeated."""

    exact: bool = Field(default=False, description="With the files, build, command and variables that the run had.")


@router.delete(
    "/tasks/{task_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a task",
    responses=_CHANGE,
)
async def delete_task(
    task_id: RowId, _actor: Annotated[Actor, require(Permission.WRITE)], session: WriteSession
) -> None:
    """Delete a task that has no open runs; the runs that it had stay, with their logs."""
    await tasks.get(session, task_id, for_update=True)  # so that no run comes between the count and the deletion
    open_runs = await service.count_open(session, task_id)
    await tasks.remove(session, task_id, open_runs=open_runs, now=utc_now())
    await forget_failures(session, task_id)


@router.get("/runs", summary="List runs", responses=error_answers("unauthenticated", "validation_error"))
async def list_runs(  # noqa: PLR0913 - one parameter for each filter
    _actor: Annotated[Actor, require(Permission.READ)],
    session: ReadSession,
    page: PageDep,
    task_id: RowId | None = None,
    project_id: RowId | None = None,
    state: Annotated[list[RunState] | None, Query(description="One or several states.")] = None,
    from_: Annotated[GivenMoment | None, Query(alias="from", description="Queued at or after this moment.")] = None,
    to: Annotated[GivenMoment | None, Query(description="Queued before this moment.")] = None,
    scratch: Annotated[bool | None, Query(description="Only scratch runs, or none of them.")] = None,
) -> RunList:
    """Runs, the newest first."""
    conditions: list[ColumnElement[bool]] = []
    if task_id is not None:
        conditions.append(Run.task_id == task_id)
    if project_id is not None:
        conditions.append(Run.project_id == project_id)
    if state:
        conditions.append(Run.state.in_(state))
    if from_ is not None:
        conditions.append(Run.queued_at >= from_)
    if to is not None:
        conditions.append(Run.queued_at < to)
    if scratch is not None:
        conditions.append(Run.scratch == scratch)
    return await _list(session, page, conditions)


@router.get(
    "/tasks/{task_id}/runs",
    summary="List the runs of a task",
    responses=error_answers("unauthenticated", "not_found", "validation_error"),
)
async def list_runs_of_task(
    task_id: RowId, _actor: Annotated[Actor, require(Permission.READ)], session: ReadSession, page: PageDep
) -> RunList:
    """The runs of one task, the newest first."""
    await tasks.get(session, task_id)
    return await _list(session, page, [Run.task_id == task_id])


@router.get("/runs/{run_id}", summary="Show a run", responses=error_answers("unauthenticated", "not_found"))
async def get_run(run_id: RowId, _actor: Annotated[Actor, require(Permission.READ)], session: ReadSession) -> RunOut:
    """One run."""
    run = await service.get(session, run_id)
    shown = (await show(session, [run]))[0]
    shown.queue_position = await service.queue_position(session, run)
    if run.variable_versions is not None:
        given = await given_variables(session, run.variable_versions)
        shown.variables = [GivenVariableOut.model_validate(each, from_attributes=True) for each in given]
    return shown


@router.post("/runs/{run_id}/stop", status_code=status.HTTP_202_ACCEPTED, summary="Stop a run", responses=_CHANGE)
async def stop_run(run_id: RowId, _actor: Annotated[Actor, require(Permission.RUN)], session: WriteSession) -> RunOut:
    """Ask the run to end, and kill what is left of it after its grace; it is `stopped` once nothing of it lives."""
    run = await service.request_stop(session, run_id, utc_now())
    return (await show(session, [run]))[0]


@router.post("/runs/{run_id}/rerun", status_code=status.HTTP_202_ACCEPTED, summary="Run again", responses=_CHANGE)
async def rerun(
    run_id: RowId,
    actor: Annotated[Actor, require(Permission.RUN)],
    session: WriteSession,
    body: RerunRequest | None = None,
) -> RunOut:
    """Queue the run's task once more, with the run's parameters: as the task is now, or exactly as the run was."""
    exact = body is not None and body.exact
    queued = await service.rerun(session, run_id, exact=exact, actor=actor.username, now=utc_now())
    return queued_out(queued)


@router.get(
    "/runs/{run_id}/compare",
    summary="Compare two runs",
    responses=error_answers("unauthenticated", "not_found", "validation_error"),
)
async def compare_runs(
    run_id: RowId,
    _actor: Annotated[Actor, require(Permission.READ)],
    session: ReadSession,
    vault: VaultDep,
    with_: Annotated[RowId, Query(alias="with", description="The other run.")],
) -> ComparisonOut:
    """What the run had, and what came of it, that the other had not.

    Values that came with a request for one run alone are shown as numbers: only equal ones have the same.
    """
    this = await service.get(session, run_id)
    other = await service.get(session, with_)
    own, others_own = overrides.compare(vault, this.overrides, other.overrides)
    found = differences(_compared(this, own), _compared(other, others_own))
    return ComparisonOut(
        run_id=run_id,
        other_id=with_,
        differences=[DifferenceOut(field=each.field, this=each.this, other=each.other) for each in found],
        same=[name for name in COMPARED if not any(each.field.split(".")[0] == name for each in found)],
    )


def _compared(run: Run, own_variables: dict[str, int]) -> dict[str, Any]:
    return {name: getattr(run, name, None) for name in COMPARED} | {"own_variables": own_variables}


async def _list(session: AsyncSession, page: Page, conditions: list[ColumnElement[bool]]) -> RunList:
    if (after := page.after_id()) is not None:
        conditions = [*conditions, Run.id < after]
    query = select(Run).where(*conditions).order_by(Run.id.desc()).limit(page.limit + 1)
    rows = (await session.scalars(query)).all()
    shown = rows[: page.limit]
    cursor = page.next_cursor(rows, [shown[-1].id] if shown else None)
    return RunList(items=await show(session, shown), next_cursor=cursor)
