"""What the end of a run leaves behind besides the run: its task's last result, and the day's count.

Counted when a run ends rather than when somebody asks, so that the dashboard costs the same after a million runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import update
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
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(DailyTally)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[DailyTally.day, DailyTally.task_id, DailyTally.state],
            set_={"count": DailyTally.count + statement.excluded.count},
        ),
        rows,
    )
    newest = {end.task_id: end for end in sorted(ends, key=lambda end: end.run_id)}
    # In the order of the tasks' ids, in which the scheduler locks them too.
    for _, end in sorted(newest.items()):
        # Only of the task's newest run: an older one that ends later does not change the last result.
        await session.execute(
            update(Task)
            .where(Task.id == end.task_id, Task.last_run_id == end.run_id)
            .values(last_run_state=end.state, last_run_ended_at=end.at)
            .execution_options(synchronize_session=False)
        )
        announce(session, "task", end.task_id)
