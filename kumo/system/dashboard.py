"""The first page in one answer; its cost does not grow with the history."""

from __future__ import annotations

import datetime as dt
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.environments.models import Environment
from kumo.http import ReadSession, RowId, UtcMoment, error_answers
from kumo.projects.models import Project
from kumo.runs.models import DailyFailures, DailyTally, Run
from kumo.runs.schemas import RunOut, show
from kumo.runs.states import ACTIVE, FAILURES, RunState
from kumo.tasks.models import Task, TriggerRow, is_listed

router = APIRouter(tags=["dashboard"])

_DAYS = 14
_RATE_DAYS = 7
_LISTED = 10
_TOP_FAILURES = 5
_TRIGGERS_LOOKED_AT = 5  # for each task that is listed: a few have several triggers


class Counts(BaseModel):
    """How many there are."""

    projects: int
    environments: int
    tasks: int
    active_tasks: int


class Day(BaseModel):
    """How the runs of one day (UTC) ended."""

    date: dt.date
    succeeded: int
    failed: int
    other: int


class NextDue(BaseModel):
    """A task that is due soon."""

    task_id: int
    task_name: str
    due_at: UtcMoment


class Failures(BaseModel):
    """A task that failed in the last seven days."""

    task_id: int
    task_name: str
    count: int


class Dashboard(BaseModel):
    """The first page."""

    counts: Counts
    running: int
    queued: int
    success_rate_7d: float | None
    days: list[Day]
    recent_runs: list[RunOut]
    next_due: list[NextDue]
    top_failures: list[Failures]


@router.get("/dashboard", summary="Show the dashboard", responses=error_answers("unauthenticated"))
async def dashboard(
    _actor: Annotated[Actor, require(Permission.READ)],
    session: ReadSession,
    project_id: Annotated[RowId | None, Query(description="Only of this project.")] = None,
) -> Dashboard:
    """What runs, how it went lately, and what comes next."""
    now = utc_now()
    days = await _days(session, now, project_id)
    last = days[-_RATE_DAYS:]
    succeeded, failed = sum(day.succeeded for day in last), sum(day.failed for day in last)
    running, queued = await _open(session, project_id)
    return Dashboard(
        counts=await _counts(session, project_id),
        running=running,
        queued=queued,
        success_rate_7d=round(succeeded / (succeeded + failed), 4) if succeeded + failed else None,
        days=days,
        recent_runs=await _recent(session, project_id),
        next_due=await _next_due(session, project_id),
        top_failures=await _top_failures(session, now, project_id),
    )


async def _counts(session: AsyncSession, project_id: int | None) -> Counts:
    of_project: list[ColumnElement[bool]] = [] if project_id is None else [Task.project_id == project_id]
    tasks, active = (
        await session.execute(select(func.count(), func.count().filter(Task.active)).where(is_listed(), *of_project))
    ).one()
    projects = await session.scalar(select(func.count()).where(Project.deleted_at.is_(None)))
    environments = await session.scalar(select(func.count()).where(Environment.deleted_at.is_(None)))
    return Counts(projects=projects or 0, environments=environments or 0, tasks=tasks, active_tasks=active)


async def _open(session: AsyncSession, project_id: int | None) -> tuple[int, int]:
    query = select(Run.state, func.count()).where(Run.state.in_([*ACTIVE, RunState.QUEUED])).group_by(Run.state)
    if project_id is not None:
        query = query.where(Run.project_id == project_id)
    counts = dict((await session.execute(query)).all())
    return sum(counts.get(state, 0) for state in ACTIVE), counts.get(RunState.QUEUED, 0)


async def _days(session: AsyncSession, now: datetime, project_id: int | None) -> list[Day]:
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=_DAYS - 1)
    query = (
        select(DailyTally.day, DailyTally.state, func.sum(DailyTally.count))
        .where(DailyTally.day >= first)
        .group_by(DailyTally.day, DailyTally.state)
    )
    if project_id is not None:
        query = query.where(DailyTally.project_id == project_id)
    days = {first + timedelta(days=n): {"succeeded": 0, "failed": 0, "other": 0} for n in range(_DAYS)}
    for day, state, count in await session.execute(query):
        if day in days:
            days[day][_kind(state)] += count
    return [Day(date=day, **counts) for day, counts in days.items()]


def _kind(state: str) -> str:
    if state == RunState.SUCCEEDED:
        return "succeeded"
    return "failed" if state in FAILURES else "other"


async def _recent(session: AsyncSession, project_id: int | None) -> list[RunOut]:
    query = select(Run).order_by(Run.id.desc()).limit(_LISTED)
    if project_id is not None:
        query = query.where(Run.project_id == project_id)
    return await show(session, (await session.scalars(query)).all())


async def _next_due(session: AsyncSession, project_id: int | None) -> list[NextDue]:
    query = (
        select(Task.id, Task.name, TriggerRow.next_due_at)
        .join(Task, Task.id == TriggerRow.task_id)
        .where(TriggerRow.next_due_at.is_not(None), Task.active)
        .order_by(TriggerRow.next_due_at)
        .limit(_LISTED * _TRIGGERS_LOOKED_AT)
    )
    if project_id is not None:
        query = query.where(Task.project_id == project_id)
    first: dict[int, NextDue] = {}
    for task_id, name, due_at in await session.execute(query):
        if due_at is not None and len(first) < _LISTED:
            first.setdefault(task_id, NextDue(task_id=task_id, task_name=name, due_at=due_at))
    return list(first.values())


async def _top_failures(session: AsyncSession, now: datetime, project_id: int | None) -> list[Failures]:
    since = now.astimezone(UTC).date() - timedelta(days=_RATE_DAYS - 1)
    count = func.sum(DailyFailures.count).label("count")
    most = select(DailyFailures.task_id, count).where(DailyFailures.day >= since).group_by(DailyFailures.task_id)
    if project_id is not None:
        most = most.join(Task, Task.id == DailyFailures.task_id).where(Task.project_id == project_id)
    found = most.order_by(count.desc(), DailyFailures.task_id).limit(_TOP_FAILURES).subquery()
    # Names are looked up for the few that are shown, not for each row that was summed.
    query = select(Task.id, Task.name, found.c.count).join(Task, Task.id == found.c.task_id)
    rows = await session.execute(query.order_by(found.c.count.desc(), Task.id))
    return [Failures(task_id=task_id, task_name=name, count=number) for task_id, name, number in rows]
