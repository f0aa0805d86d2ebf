"""Due moments made into slots and runs, many at once, for whoever finds that they are due."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import RowMapping, Table, bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.db.prepared import Prepared
from kumo.errors import KumoError
from kumo.runs.models import Run
from kumo.runs.service import Cause, Wish, move_run, request_runs, request_stop
from kumo.runs.states import OPEN, WAITING, RunState
from kumo.runs.tally import Ended, note_ends
from kumo.schedules.decisions import CatchUp, Overlap, Skip, admit, plan
from kumo.schedules.models import Slot
from kumo.tasks.models import Task
from kumo.tasks.policies import Blackout

log = structlog.get_logger(__name__)

_slots = cast(Table, Slot.__table__)
_tasks = cast(Table, Task.__table__)
_runs = cast(Table, Run.__table__)

# What `Rules.of` reads.
RULE_COLUMNS = (
    _tasks.c.id.label("task_id"),
    _tasks.c.active,
    _tasks.c.priority,
    _tasks.c.overlap,
    _tasks.c.max_parallel,
    _tasks.c.catch_up,
    _tasks.c.catch_up_window_seconds,
    _tasks.c.blackouts,
)
_COUNT_OPEN = (
    select(_runs.c.task_id, func.count())
    .where(_runs.c.task_id.in_(bindparam("b_task_ids", expanding=True)), _runs.c.state.in_(OPEN))
    .group_by(_runs.c.task_id)
)
_OPEN_RUNS = (
    select(Run)
    .where(Run.task_id.in_(bindparam("b_task_ids", expanding=True)), Run.state.in_(OPEN))
    .order_by(Run.id)
    .with_for_update()
)
_STORE = Prepared(insert(_slots), columns=[column.key for column in _slots.c if column.key != "id"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What a task says about its due moments."""

    task_id: int
    active: bool
    priority: int
    overlap: Overlap
    max_parallel: int
    catch_up: CatchUp
    window_seconds: int
    blackouts: tuple[Blackout, ...]

    @classmethod
    def of(cls, row: RowMapping) -> Rules:
        """The rules in a row that has `RULE_COLUMNS`."""
        return cls(
            task_id=row["task_id"],
            active=row["active"],
            priority=row["priority"],
            overlap=Overlap(row["overlap"]),
            max_parallel=row["max_parallel"],
            catch_up=CatchUp(row["catch_up"]),
            window_seconds=row["catch_up_window_seconds"],
            blackouts=tuple(Blackout.from_json(each) for each in row["blackouts"]),
        )

    def black_out(self, moments: Sequence[datetime]) -> set[datetime]:
        """Those of the moments in which the task shall not be due."""
        return {moment for moment in moments for blackout in self.blackouts if blackout.holds(moment)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A due moment on its way into the ledger; without a reason to skip it, it is to be run.

    A long gap is one: `at` is its last moment, `first_at` its first, and `count` says how many.
    """

    rules: Rules
    trigger_id: int
    at: datetime
    skip: Skip | None = None
    first_at: datetime | None = None
    count: int = 1
    cause: str = "slot"
    run_id: int | None = None

    def to_row(self, now: datetime) -> dict[str, Any]:
        """The slot."""
        return {
            "task_id": self.rules.task_id,
            "trigger_id": self.trigger_id,
            "due_at": self.at,
            "first_due_at": self.first_at or self.at,
            "count": self.count,
            "outcome": "run" if self.run_id is not None else "skipped",
            "reason": self.skip,
            "run_id": self.run_id,
            "created_at": now,
        }


def decide(  # noqa: PLR0913 - the moments of one trigger, and how they came
    rules: Rules,
    trigger_id: int,
    moments: Sequence[datetime],
    now: datetime,
    *,
    left_out: int = 0,
    first_at: datetime | None = None,
    cause: str = "slot",
) -> list[Moment]:
    """What becomes of some moments of one trigger that have come, in order; see `plan`.

    Where earlier ones are left out, `first_at` is the first of these. What was missed is told as one gap.
    """
    window = timedelta(seconds=rules.window_seconds)
    blacked_out = rules.black_out(moments)
    decided = plan(moments, left_out, catch_up=rules.catch_up, window=window, now=now, blacked_out=blacked_out)
    found = [
        Moment(rules=rules, trigger_id=trigger_id, at=each.at, skip=each.skip, cause=cause)
        for each in decided.due
        if each.skip is not Skip.MISSED
    ]
    if missed := [each.at for each in decided.due if each.skip is Skip.MISSED]:
        gap = Moment(
            rules=rules,
            trigger_id=trigger_id,
            at=missed[-1],
            skip=Skip.MISSED,
            first_at=first_at if left_out else missed[0],
            count=left_out + len(missed),
        )
        found.append(gap)
        log.warning("slots were missed", task_id=rules.task_id, trigger_id=trigger_id, count=gap.count)
    return found


async def make_slots(session: AsyncSession, moments: Sequence[Moment], now: datetime) -> None:
    """Store the slots of some moments, none of which has one yet, and queue the runs of those that are to be run.

    Runs are queued in the order in which the moments come. Whoever calls holds the tasks' rows, on PostgreSQL, so that
    nobody else adds runs to them meanwhile.
    """
    decided = await _overlap(session, moments, now)
    to_run = [index for index, moment in enumerate(decided) if moment.skip is None]
    outcomes = await request_runs(session, [_wish(decided[index]) for index in to_run], now) if to_run else []
    for index, outcome in zip(to_run, outcomes, strict=True):
        if isinstance(outcome, KumoError):
            decided[index] = replace(decided[index], skip=Skip.NO_FILES)
        else:
            decided[index] = replace(decided[index], run_id=outcome.id)
    await _STORE.execute(session, [moment.to_row(now) for moment in decided])
    for task_id in {moment.rules.task_id for moment in decided if moment.skip is not None}:
        announce(session, "task", task_id)


def _wish(moment: Moment) -> Wish:
    cause = Cause(type=moment.cause, trigger_id=moment.trigger_id, due_at=moment.at)
    return Wish(task_id=moment.rules.task_id, cause=cause)


async def _overlap(session: AsyncSession, moments: Sequence[Moment], now: datetime) -> list[Moment]:
    """Skip the moments that overlap with open runs, or end these runs, as each task says."""
    decided = list(moments)
    of_task: dict[int, list[int]] = defaultdict(list)
    for index, moment in enumerate(moments):
        if moment.skip is None:
            of_task[moment.rules.task_id].append(index)
    rules = {moment.rules.task_id: moment.rules for moment in moments}
    asking = [task_id for task_id in of_task if rules[task_id].overlap in (Overlap.SKIP, Overlap.REPLACE)]
    open_runs = await _count_open(session, asking)
    for task_id in asking:
        task, indexes = rules[task_id], of_task[task_id]
        admitted = admit(
            task.overlap, max_parallel=task.max_parallel, open_runs=open_runs.get(task_id, 0), count=len(indexes)
        )
        for index, runs in zip(indexes, admitted, strict=True):
            if not runs:
                decided[index] = replace(decided[index], skip=Skip.OVERLAP)
    replaced = [task_id for task_id in asking if rules[task_id].overlap is Overlap.REPLACE and open_runs.get(task_id)]
    if replaced:
        await _end_open_runs(session, replaced, now)
    return decided


async def _count_open(session: AsyncSession, task_ids: Sequence[int]) -> Mapping[int, int]:
    if not task_ids:
        return {}
    found = await session.execute(_COUNT_OPEN, {"b_task_ids": list(task_ids)})
    return dict(found.all())


async def _end_open_runs(session: AsyncSession, task_ids: Sequence[int], now: datetime) -> None:
    """End runs that wait at once, and ask for the end of those that go."""
    ends: list[Ended] = []
    for run in (await session.scalars(_OPEN_RUNS, {"b_task_ids": list(task_ids)})).all():
        state = RunState(run.state)
        if state in WAITING:
            reason = "Replaced: its task was due again before it began."
            if await move_run(session, run.id, state, RunState.STOPPED, ended_at=now, reason=reason, retry_at=None):
                ends.append(Ended.of(run, RunState.STOPPED, now))
                announce(session, "run", run.id)
        elif run.stop_requested_at is None:
            await request_stop(session, run.id, now)
    await note_ends(session, ends)
