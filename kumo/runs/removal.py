"""Deleting a run that is over: its rows in one transaction, its files after that."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.errors import Conflict
from kumo.runner.contract import run_directory
from kumo.runs import service
from kumo.runs.models import Attempt, Run
from kumo.runs.service import RunNotFound
from kumo.runs.states import RunState
from kumo.tasks.models import Task


async def remove_rows(session: AsyncSession, run_id: int) -> None:
    """Delete a run and its attempts; `Conflict` while it is open.

    Its slot stays, with its outcome and without a run, and so do the dashboard's counts: both say what happened. If it
    was its task's last run, the one before is that now.
    """
    run = await service.get(session, run_id)
    if not RunState(run.state).is_final:
        raise Conflict(f"Run {run_id} is {run.state}. Stop it first, then delete it.")
    await session.execute(delete(Attempt).where(Attempt.run_id == run_id))
    deleted = await session.scalar(delete(Run).where(Run.id == run_id).returning(Run.id))
    if deleted is None:  # somebody else was quicker
        raise RunNotFound(run_id)
    await session.execute(
        update(Task).where(Task.id == run.task_id, Task.last_run_id == run_id).values(**await _last_run(session, run))
    )
    announce(session, "run", run_id)
    announce(session, "task", run.task_id)


def remove_files(home: Path, run_id: int) -> None:
    """Delete what the run's attempts left; once the rows are gone for good, since nothing brings files back.

    A crash before leaves a directory that belongs to no run.
    """
    shutil.rmtree(run_directory(home, run_id), ignore_errors=True)


async def _last_run(session: AsyncSession, deleted: Run) -> dict[str, Any]:
    query = (
        select(Run.id, Run.state, Run.ended_at)
        .where(Run.task_id == deleted.task_id, Run.id < deleted.id)
        .order_by(Run.id.desc())
        .limit(1)
    )
    last = (await session.execute(query)).one_or_none()
    run_id, state, ended_at = last or (None, None, None)
    return {"last_run_id": run_id, "last_run_state": state, "last_run_ended_at": ended_at}
