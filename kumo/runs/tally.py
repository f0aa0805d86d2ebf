"""What the end of a run leaves behind besides the run: its task's last result, and the day's count.

Counted when a run ends rather than when somebody asks, so that the dashboard costs the same after a million runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.runs.models import DailyTally, Run
from kumo.runs.states import RunState
from kumo.tasks.models import Task


@dataclass(frozen=True, kw_only=True)
class Ended:
    """One run that has just ended."""

    run_id: int
    task_id: int
    project_id: int
    state: RunState
    at: datetime

    @classmethod
    def of(cls, run: Run, state: RunState, at: datetime) -> Ended:
        """The end of this run."""
        return cls(run_id=run.id, task_id=run.task_id, project_id=run.project_id, state=state, at=at)


async def note_ends(session: AsyncSession, ends: Sequence[Ended]) -> None:
    """Note some ends, in the transaction that makes them."""
    counts = Counter((end.at.astimezone(UTC).date(), end.task_id, end.state, end.project_id) for end in ends)
    if not counts:
        return
    rows = [
        {"day": day, "task_id": task_id, "state": state, "project_id": project_id, "count": count}
        for (day, task_id, state, project_id), count in sorted(counts.items())
    ]
    await session.execute(_COUNT[session.get_bind().dialect.name], rows)
    # Only of a task's newest run: an older one that ends later does not change the last result. In the order of the
    # tasks' ids, in which the scheduler locks them too.
    newest = {end.task_id: end for end in sorted(ends, key=lambda end: end.run_id)}
    await session.execute(
        _NOTE_LAST_END,
        [
            {"b_task_id": task_id, "b_run_id": end.run_id, "b_state": end.state, "b_at": end.at}
            for task_id, end in sorted(newest.items())
        ],
    )
    for task_id in newest:
        announce(session, "task", task_id)


def _count(insert: Any) -> Any:
    return insert.on_conflict_do_update(
        index_elements=[_tallies.c.day, _tallies.c.task_id, _tallies.c.state],
        set_={"count": _tallies.c.count + insert.excluded.count},
    )


_tallies = cast(Table, DailyTally.__table__)
_tasks = cast(Table, Task.__table__)
_COUNT = {
    "postgresql": _count(postgresql.insert(_tallies)),
    "sqlite": _count(sqlite.insert(_tallies)),
}
_NOTE_LAST_END = (
    update(_tasks)
    .where(_tasks.c.id == bindparam("b_task_id"), _tasks.c.last_run_id == bindparam("b_run_id"))
    .values(last_run_state=bindparam("b_state"), last_run_ended_at=bindparam("b_at"))
)
