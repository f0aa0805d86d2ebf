"""Requesting, stopping and repeating runs, and every change of a run's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import RowMapping, Table, and_, bindparam, case, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.db.prepared import Prepared, reserve_ids
from kumo.errors import Conflict, KumoError, NotFound
from kumo.projects.models import Project
from kumo.runs.models import Attempt, Run
from kumo.runs.states import OPEN, TRANSITIONS, RunState
from kumo.runs.tally import Ended, note_ends
from kumo.tasks.models import Task
from kumo.tasks.service import TaskNotFound

# Tables, not classes, and written down once: a run costs these statements, and SQLAlchemy spends more time on
# making a statement anew, and on classes, than the database on executing it.
_runs = cast(Table, Run.__table__)
_tasks = cast(Table, Task.__table__)
_projects = cast(Table, Project.__table__)
_ASKED = (
    select(
        _tasks.c.id.label("task_id"),
        _tasks.c.name.label("task_name"),
        _tasks.c.project_id,
        _projects.c.snapshot_id,
        _tasks.c.environment_id,
        _tasks.c.command,
        _tasks.c.shell,
        _tasks.c.priority,
        case((_tasks.c.overlap == "allow", None), else_=_tasks.c.max_parallel).label("max_parallel"),
        _tasks.c.timeout_seconds,
        _tasks.c.stop_grace_seconds,
        _tasks.c.pool_id,
        _tasks.c.retry,
        _tasks.c.limits,
        _tasks.c.rate_limit,
        _tasks.c.proxy,
        _tasks.c.scratch,
    )
    .join(_projects, _projects.c.id == _tasks.c.project_id)
    .where(_tasks.c.id.in_(bindparam("b_task_ids", expanding=True)), _tasks.c.deleted_at.is_(None))
)
_NOTHING_YET = dict.fromkeys(_runs.c.keys())
_QUEUE = Prepared(insert(_runs))
_NOTE_LAST_RUN = Prepared(
    update(_tasks)
    .where(_tasks.c.id == bindparam("b_task_id"))
    .values(last_run_id=bindparam("b_run_id"), last_run_state=RunState.QUEUED, last_run_ended_at=None)
)


# What an exact repetition takes over from the run that it repeats.
_REPEATED = (
    *("task_id", "task_name", "project_id", "snapshot_id", "environment_id", "build_id", "interpreter", "command"),
    *("shell", "priority", "max_parallel", "timeout_seconds", "stop_grace_seconds", "pool_id", "retry", "limits"),
    *("rate_limit", "proxy", "scratch", "parameters", "overrides", "webhook_body", "variable_versions"),
)
_NO_FILES = "The project of this task has no files yet. Upload an archive or write a file first."


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


@dataclass(frozen=True, kw_only=True)
class OwnCommand:
    """What a scratch run executes: its task says nothing of that."""

    name: str  # shown in the task's place
    command: str
    shell: bool = False
    environment_id: int | None = None

    @classmethod
    def of(cls, run: Run) -> OwnCommand:
        """That of an earlier scratch run."""
        return cls(name=run.task_name, command=run.command, shell=run.shell, environment_id=run.environment_id)

    def columns(self) -> dict[str, Any]:
        """What a run has of it."""
        return {
            "task_name": self.name,
            "command": self.command,
            "shell": self.shell,
            "environment_id": self.environment_id,
        }


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A run that somebody asks for."""

    task_id: int
    cause: Cause
    parameters: dict[str, Any] = field(default_factory=dict)
    overrides: bytes | None = None  # values of variables for this run alone, encrypted
    webhook_body: str | None = None  # the name of a file
    own: OwnCommand | None = None  # of a scratch run, and of no other


@dataclass(frozen=True, kw_only=True, slots=True)
class Queued:
    """A run that was just queued: its row, in so far as it is filled yet.

    No object of the session: those cost more to make than all else that queueing a run takes.
    """

    id: int
    values: Mapping[str, Any]


async def request_run(session: AsyncSession, task_id: int, cause: Cause, now: datetime) -> Queued:
    """Queue one run of a task as the task is now; `NotFound` or `Conflict` when there is nothing to run."""
    return await _request(session, Wish(task_id=task_id, cause=cause), now)


async def _request(session: AsyncSession, wish: Wish, now: datetime) -> Queued:
    (outcome,) = await request_runs(session, [wish], now)
    if isinstance(outcome, KumoError):
        raise outcome
    return outcome


async def request_runs(session: AsyncSession, wishes: Sequence[Wish], now: datetime) -> list[Queued | KumoError]:
    """Queue runs of tasks as these are now: later edits do not change them.

    One answer for each wish: the run, or why there is none.
    """
    found = await session.execute(_ASKED, {"b_task_ids": list({wish.task_id for wish in wishes})})
    tasks = {row["task_id"]: row for row in found.mappings()}
    rows: list[dict[str, Any]] = []
    refused: dict[int, KumoError] = {}
    for position, wish in enumerate(wishes):
        task = tasks.get(wish.task_id)
        if task is None or task["scratch"] != (wish.own is not None):
            refused[position] = TaskNotFound(wish.task_id)
        elif task["snapshot_id"] is None:
            refused[position] = Conflict(_NO_FILES)
        else:
            rows.append(_row(task, wish, now))
    queued = iter(await _queue(session, rows) if rows else ())
    return [refused[position] if position in refused else next(queued) for position in range(len(wishes))]


async def rerun(session: AsyncSession, run_id: int, *, exact: bool, actor: str, now: datetime) -> Queued:
    """Queue the run's task once more: as the task is now, or with everything exactly as the run had it.

    What came with the request, as parameters, comes with this one too.
    """
    run = await get(session, run_id)
    cause = Cause(type="rerun", actor=actor)
    try:
        if not exact:
            wish = Wish(
                task_id=run.task_id,
                cause=cause,
                parameters=run.parameters,
                overrides=run.overrides,
                webhook_body=run.webhook_body,
                own=OwnCommand.of(run) if run.scratch else None,
            )
            return await _request(session, wish, now)
        return await _repeat(session, run, cause, now)
    except TaskNotFound:
        message = f"The task {run.task_name!r} of run {run_id} has been deleted; it cannot run again."
        raise Conflict(message) from None


async def _repeat(session: AsyncSession, run: Run, cause: Cause, now: datetime) -> Queued:
    if run.interpreter is None:
        raise Conflict(f"Run {run.id} was never started, so there is nothing to repeat exactly. Run it again as it is.")
    exists = await session.execute(_ASKED, {"b_task_ids": [run.task_id]})
    if exists.first() is None:
        raise TaskNotFound(run.task_id)
    row = {name: getattr(run, name) for name in _REPEATED} | {
        "state": RunState.QUEUED,
        "cause_type": cause.type,
        "trigger_id": None,
        "due_at": None,
        "actor": cause.actor,
        "attempt": 1,
        "exact_of": run.id,
        "queued_at": now,
    }
    (repetition,) = await _queue(session, [row])
    return repetition


async def request_stop(session: AsyncSession, run_id: int, now: datetime) -> Run:
    """Ask for a run's end: at once when it waits, by its runner when it goes. `Conflict` when it is over."""
    run = await get(session, run_id)
    if RunState(run.state).is_final:
        raise Conflict(f"Run {run_id} is over already: it is {run.state}.")
    if await _stop_waiting(session, run_id, now):
        await note_ends(session, [Ended.of(run, RunState.STOPPED, now)])
    else:
        await session.execute(
            update(Run).where(Run.id == run_id, Run.stop_requested_at.is_(None)).values(stop_requested_at=now)
        )
        announce(session, "stop", run_id)
    announce(session, "run", run_id)
    await session.refresh(run)
    return run


async def _stop_waiting(session: AsyncSession, run_id: int, now: datetime) -> bool:
    for state, reason in (
        (RunState.QUEUED, "Stopped in the queue."),
        (RunState.RETRYING, "Stopped before its next attempt."),
    ):
        if await move_run(session, run_id, state, RunState.STOPPED, ended_at=now, reason=reason, retry_at=None):
            return True
    return False


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


async def queue_position(session: AsyncSession, run: Run) -> int | None:
    """How many queued runs would start before this one, itself included; None when it is not queued."""
    if run.state != RunState.QUEUED:
        return None
    before = or_(Run.priority > run.priority, and_(Run.priority == run.priority, Run.id <= run.id))
    return await session.scalar(select(func.count()).where(Run.state == RunState.QUEUED, before))


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


def _row(task: RowMapping, wish: Wish, now: datetime) -> dict[str, Any]:
    return {
        **task,
        **({} if wish.own is None else wish.own.columns()),
        "state": RunState.QUEUED,
        "cause_type": wish.cause.type,
        "trigger_id": wish.cause.trigger_id,
        "due_at": wish.cause.due_at,
        "actor": wish.cause.actor,
        "attempt": 1,
        "parameters": wish.parameters,
        "overrides": wish.overrides,
        "webhook_body": wish.webhook_body,
        "queued_at": now,
    }


async def _queue(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> list[Queued]:
    """Store the rows; the runs that these are, in the same order."""
    ids = await reserve_ids(session, _runs, len(rows))
    queued = [
        Queued(id=run_id, values={**_NOTHING_YET, **row, "id": run_id}) for row, run_id in zip(rows, ids, strict=True)
    ]
    await _QUEUE.execute(session, [run.values for run in queued])
    newest: dict[int, int] = {}
    for run_id, row in ((each.id, each.values) for each in queued):
        newest[row["task_id"]] = run_id
        announce(session, "queue", run_id)
        announce(session, "run", run_id)
    # In the order of the tasks' ids, in which the scheduler locks them too.
    notes = [{"b_task_id": task_id, "b_run_id": run_id} for task_id, run_id in sorted(newest.items())]
    await _NOTE_LAST_RUN.execute(session, notes)
    for task_id in newest:
        announce(session, "task", task_id)
    return queued
