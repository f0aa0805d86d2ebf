"""What the end of a run leaves behind besides the run: its task's last result, and the day's count.

Counted when a run ends rather than when somebody asks, so that the dashboard costs the same after a million runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import structlog
from sqlalchemy import Boolean, Integer, String, Table, bindparam, case, delete, update
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.db.prepared import Prepared
from kumo.runs.models import DailyFailures, DailyTally
from kumo.runs.states import FAILURES, RunState
from kumo.tasks.models import Task

log = structlog.get_logger(__name__)


class _SomeRun(Protocol):
    """A run, however it was read."""

    @property
    def id(self) -> int: ...
    @property
    def task_id(self) -> int: ...
    @property
    def project_id(self) -> int: ...
    @property
    def scratch(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Ended:
    """One run that has just ended."""

    run_id: int
    task_id: int
    project_id: int
    state: RunState
    at: datetime
    is_scratch: bool = False  # nobody's task failed or succeeded

    @classmethod
    def of(cls, run: _SomeRun, state: RunState, at: datetime) -> Ended:
        """The end of this run."""
        return cls(
            run_id=run.id,
            task_id=run.task_id,
            project_id=run.project_id,
            state=state,
            at=at,
            is_scratch=run.scratch,
        )


async def note_ends(session: AsyncSession, ends: Sequence[Ended]) -> None:
    """Note some ends, in the transaction that makes them; those of scratch runs count nowhere."""
    ends = [end for end in ends if not end.is_scratch]
    if not ends:
        return
    await _count_on_days(session, ends)
    # Only of a task's newest run: an older one that ends later does not change the last result. In the order of the
    # tasks' ids, in which the scheduler locks them too.
    newest = {end.task_id: end for end in sorted(ends, key=lambda end: end.run_id)}
    await _NOTE_LAST_END.execute(
        session,
        [
            {"b_task_id": task_id, "b_run_id": end.run_id, "b_state": end.state, "b_at": end.at}
            for task_id, end in sorted(newest.items())
        ],
    )
    for task_id in newest:
        announce(session, "task", task_id)
    await _count_failures(session, ends)


async def forget_failures(session: AsyncSession, task_id: int) -> None:
    """Do not name a task that was deleted among those that fail most; the days' counts stay."""
    await session.execute(delete(DailyFailures).where(DailyFailures.task_id == task_id))


async def _count_on_days(session: AsyncSession, ends: Sequence[Ended]) -> None:
    """Count all by project and those that failed by task: the dashboard sums rows of every day that it shows."""
    statements = _COUNT[session.get_bind().dialect.name]
    counts = Counter((end.at.astimezone(UTC).date(), end.project_id, end.state) for end in ends)
    rows = [
        {"day": day, "project_id": project_id, "state": state, "count": count}
        for (day, project_id, state), count in sorted(counts.items())
    ]
    await statements["tallies"].execute(session, rows)
    failures = Counter((end.at.astimezone(UTC).date(), end.task_id) for end in ends if end.state in FAILURES)
    if failures:
        rows = [{"day": day, "task_id": task_id, "count": count} for (day, task_id), count in sorted(failures.items())]
        await statements["failures"].execute(session, rows)


async def _count_failures(session: AsyncSession, ends: Sequence[Ended]) -> None:
    """Count failures in a row, and pause the tasks that have had as many as they may."""
    rows = [
        {"b_task_id": task_id, "b_succeeded": succeeded, "b_failures": failures}
        for task_id, (succeeded, failures) in sorted(failures_in_a_row(ends).items())
    ]
    await _COUNT_FAILURES.execute(session, rows)
    if not any(row["b_failures"] for row in rows):
        return
    paused = await session.execute(_PAUSE, {"b_task_ids": [row["b_task_id"] for row in rows]})
    for task_id, failures in paused.all():
        log.warning("a task was paused after failures in a row", task_id=task_id, failures=failures)
        announce(session, "schedule", task_id)


def failures_in_a_row(ends: Sequence[Ended]) -> dict[int, tuple[bool, int]]:
    """For each task whether a run succeeded, and how many failed after the last that did, in the order of their ends.

    What a person stopped is neither.
    """
    found: dict[int, tuple[bool, int]] = {}
    for end in sorted(ends, key=lambda end: end.at):
        succeeded, failures = found.get(end.task_id, (False, 0))
        if end.state is RunState.SUCCEEDED:
            found[end.task_id] = (True, 0)
        elif end.state in FAILURES:
            found[end.task_id] = (succeeded, failures + 1)
    return found


def _count(dialect: Any, table: Table) -> Prepared:
    insert = dialect.insert(table)
    counted = {"count": table.c.count + insert.excluded.count}
    return Prepared(insert.on_conflict_do_update(index_elements=table.primary_key.columns, set_=counted))


_tasks = cast(Table, Task.__table__)
_COUNT = {
    dialect.__name__.rpartition(".")[2]: {
        "tallies": _count(dialect, cast(Table, DailyTally.__table__)),
        "failures": _count(dialect, cast(Table, DailyFailures.__table__)),
    }
    for dialect in (postgresql, sqlite)
}
_NOTE_LAST_END = Prepared(
    update(_tasks)
    .where(_tasks.c.id == bindparam("b_task_id"), _tasks.c.last_run_id == bindparam("b_run_id"))
    .values(last_run_state=bindparam("b_state"), last_run_ended_at=bindparam("b_at"))
)
_COUNT_FAILURES = Prepared(
    update(_tasks)
    .where(_tasks.c.id == bindparam("b_task_id"))
    .values(
        consecutive_failures=case((bindparam("b_succeeded", type_=Boolean), 0), else_=_tasks.c.consecutive_failures)
        + bindparam("b_failures", type_=Integer)
    )
)
_PAUSE = (
    update(_tasks)
    .where(
        _tasks.c.id.in_(bindparam("b_task_ids", expanding=True)),
        _tasks.c.active,
        _tasks.c.consecutive_failures >= _tasks.c.failure_threshold,
    )
    .values(
        active=False,
        version=_tasks.c.version + 1,
        paused_reason="Paused after "
        + cast_to(_tasks.c.consecutive_failures, String)
        + " failures in a row. Resume it once the cause is mended.",
    )
    .returning(_tasks.c.id, _tasks.c.consecutive_failures)
)
