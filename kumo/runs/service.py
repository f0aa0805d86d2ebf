"""Requesting, stopping and repeating runs, and every change of a run's state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.errors import Conflict, NotFound
from kumo.projects.models import Project
from kumo.runs.models import Attempt, Run
from kumo.runs.states import OPEN, TRANSITIONS, RunState
from kumo.runs.tally import Ended, note_ends
from kumo.tasks.models import Task


class RunNotFound(NotFound):
    """The run does not exist."""

    def __init__(self, run_id: int) -> None:
        super().__init__(f"Run {run_id} does not exist.")


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why there is a run."""

    type: str  # "slot", "manual" or "rerun"
    trigger_id: int | None = None
    due_at: datetime | None = None
    actor: str | None = None


async def request_run(session: AsyncSession, task: Task, cause: Cause, now: datetime) -> Run:
    """Queue one run of a task as the task is now: later edits do not change it."""
    snapshot_id = await session.scalar(select(Project.snapshot_id).where(Project.id == task.project_id))
    if snapshot_id is None:
        raise Conflict("The project of this task has no files yet. Upload an archive or write a file first.")
    return await _queue(
        session,
        {
            "task_id": task.id,
            "task_name": task.name,
            "project_id": task.project_id,
            "snapshot_id": snapshot_id,
            "environment_id": task.environment_id,
            "build_id": None,
            "command": task.command,
            "shell": task.shell,
            "priority": task.priority,
            "max_parallel": None if task.overlap == "allow" else task.max_parallel,
            "timeout_seconds": task.timeout_seconds,
            "stop_grace_seconds": task.stop_grace_seconds,
        },
        cause,
        now,
    )


async def rerun(session: AsyncSession, run_id: int, *, actor: str, now: datetime) -> Run:
    """Queue the run's task once more, as the task is now."""
    run = await get(session, run_id)
    task = await session.get(Task, run.task_id)
    if task is None or task.deleted_at is not None:
        raise Conflict(f"The task {run.task_name!r} of run {run_id} has been deleted; it cannot run again.")
    return await request_run(session, task, Cause(type="rerun", actor=actor), now)


async def request_stop(session: AsyncSession, run_id: int, now: datetime) -> Run:
    """Ask for a run's end: at once when it waits, by its runner when it goes. `Conflict` when it is over."""
    run = await get(session, run_id)
    if RunState(run.state).is_final:
        raise Conflict(f"Run {run_id} is over already: it is {run.state}.")
    if await move_run(session, run_id, RunState.QUEUED, RunState.STOPPED, ended_at=now, reason="Stopped in the queue."):
        await note_ends(session, [Ended.of(run, RunState.STOPPED, now)])
    else:
        await session.execute(
            update(Run).where(Run.id == run_id, Run.stop_requested_at.is_(None)).values(stop_requested_at=now)
        )
        announce(session, "queue", run_id)
    announce(session, "run", run_id)
    await session.refresh(run)
    return run


async def move_run(session: AsyncSession, run_id: int, source: RunState, target: RunState, **columns: Any) -> bool:
    """Move a run from `source` to `target`; False when it was no longer in `source`."""
    assert target in TRANSITIONS[source], f"{source} -> {target} is not a legal move"
    moved = await session.scalar(
        update(Run)
        .where(Run.id == run_id, Run.state == source)
        .values(state=target, **columns)
        .returning(Run.id)
        .execution_options(synchronize_session=False)
    )
    return moved is not None


async def get(session: AsyncSession, run_id: int) -> Run:
    """One run; `RunNotFound` when it does not exist."""
    run = await session.get(Run, run_id)
    if run is None:
        raise RunNotFound(run_id)
    return run


async def attempts_of(session: AsyncSession, run_ids: Sequence[int]) -> dict[int, list[Attempt]]:
    """The attempts of each of some runs, in their order."""
    found: dict[int, list[Attempt]] = {run_id: [] for run_id in run_ids}
    rows = await session.scalars(
        select(Attempt).where(Attempt.run_id.in_(run_ids)).order_by(Attempt.run_id, Attempt.number)
    )
    for attempt in rows:
        found[attempt.run_id].append(attempt)
    return found


async def count_open(session: AsyncSession, task_id: int) -> int:
    """How many runs of a task are queued or going."""
    count = await session.scalar(select(func.count()).where(Run.task_id == task_id, Run.state.in_(OPEN)))
    return count or 0


async def _queue(session: AsyncSession, columns: dict[str, Any], cause: Cause, now: datetime) -> Run:
    run = Run(
        **columns,
        state=RunState.QUEUED,
        cause_type=cause.type,
        trigger_id=cause.trigger_id,
        due_at=cause.due_at,
        actor=cause.actor,
        attempt=1,
        queued_at=now,
    )
    session.add(run)
    await session.flush()
    await session.execute(
        update(Task)
        .where(Task.id == run.task_id)
        .values(last_run_id=run.id, last_run_state=RunState.QUEUED, last_run_ended_at=None)
        .execution_options(synchronize_session=False)
    )
    announce(session, "queue", run.id)
    announce(session, "run", run.id)
    announce(session, "task", run.task_id)
    return run
