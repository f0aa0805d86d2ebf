"""Changes of runs and their attempts as the supervisor makes them: many at once, each only from its old state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.runs.models import Attempt, Run
from kumo.runs.observation import Observation
from kumo.runs.service import move_run
from kumo.runs.states import ACTIVE, RunState, reason_after, state_after
from kumo.runs.tally import Ended, note_ends

_LOCAL = "local"

# Tables, not classes: many rows in one statement, without the unit of work looking at each.
_runs = cast(Table, Run.__table__)
_attempts = cast(Table, Attempt.__table__)
_GOING = select(Run).where(Run.id.in_(bindparam("b_ids", expanding=True)), Run.state.in_(ACTIVE)).with_for_update()
_MOVE_TO_RUNNING = (
    update(_runs)
    .where(_runs.c.id == bindparam("b_id"), _runs.c.state == RunState.STARTING)
    .values(state=RunState.RUNNING, started_at=bindparam("b_started_at"), reason=None)
)
_MOVE_TO_END = (
    update(_runs)
    .where(_runs.c.id == bindparam("b_id"), _runs.c.state == bindparam("b_source"))
    .values(
        state=bindparam("b_state"),
        reason=bindparam("b_reason"),
        started_at=bindparam("b_started_at"),
        ended_at=bindparam("b_ended_at"),
        exit_code=bindparam("b_exit_code"),
    )
)
_MOVE_TO_STARTING = (
    update(_runs)
    .where(_runs.c.id == bindparam("b_id"), _runs.c.state == RunState.QUEUED)
    .values(state=RunState.STARTING, build_id=bindparam("b_build_id"), reason=None)
)
_END_ATTEMPT = (
    update(_attempts)
    .where(_attempts.c.run_id == bindparam("b_id"), _attempts.c.number == bindparam("b_number"))
    .values(
        state=bindparam("b_state"),
        exit_code=bindparam("b_exit_code"),
        started_at=bindparam("b_started_at"),
        ended_at=bindparam("b_ended_at"),
        peak_memory_bytes=bindparam("b_peak_memory_bytes"),
        peak_cpu_percent=bindparam("b_peak_cpu_percent"),
        cpu_seconds=bindparam("b_cpu_seconds"),
        log_bytes=bindparam("b_log_bytes"),
    )
)
_ADD_ATTEMPT = insert(_attempts)
_START_ATTEMPT = (
    update(_attempts)
    .where(_attempts.c.run_id == bindparam("b_id"), _attempts.c.number == bindparam("b_number"))
    .values(state=RunState.RUNNING, started_at=bindparam("b_started_at"))
)


async def store(session: AsyncSession, observations: Sequence[Observation], now: datetime) -> list[int]:
    """Store starts and ends that were seen, and say of which runs; one that has moved on meanwhile is left alone."""
    if not observations:
        return []
    seen = {observation.run_id: observation for observation in observations}
    rows = await session.scalars(_GOING, {"b_ids": list(seen)})
    runs = {run.id: run for run in rows if _is_news(seen[run.id], run)}
    begun = [_begin_values(run, seen[run.id]) for run in runs.values() if not seen[run.id].is_end]
    ended = [_end_values(run, seen[run.id], now) for run in runs.values() if seen[run.id].is_end]
    if begun:
        await session.execute(_MOVE_TO_RUNNING, begun)
        await session.execute(_START_ATTEMPT, begun)
    if ended:
        await session.execute(_MOVE_TO_END, ended)
        await session.execute(_END_ATTEMPT, ended)
    await note_ends(session, [Ended.of(runs[v["b_id"]], RunState(v["b_state"]), v["b_ended_at"]) for v in ended])
    for run_id in runs:
        announce(session, "run", run_id)
    return list(runs)


async def start(session: AsyncSession, claims: Sequence[tuple[Run, int | None]]) -> None:
    """Move queued runs to starting, each with the build that it was given, and begin their attempts."""
    if not claims:
        return
    await session.execute(_MOVE_TO_STARTING, [{"b_id": run.id, "b_build_id": build_id} for run, build_id in claims])
    await session.execute(
        _ADD_ATTEMPT,
        [
            {"run_id": run.id, "number": run.attempt, "state": RunState.STARTING, "worker": _LOCAL}
            for run, _build_id in claims
        ],
    )
    for run, _build_id in claims:
        announce(session, "run", run.id)


async def give_up(session: AsyncSession, run: Run, source: RunState, reason: str, now: datetime) -> None:
    """Let a run fail that cannot be started."""
    if await move_run(session, run.id, source, RunState.FAILED, reason=reason, ended_at=now):
        await session.execute(
            update(Attempt)
            .where(Attempt.run_id == run.id, Attempt.number == run.attempt)
            .values(state=RunState.FAILED, ended_at=now)
        )
        await note_ends(session, [Ended.of(run, RunState.FAILED, now)])
        announce(session, "run", run.id)


def _is_news(seen: Observation, run: Run) -> bool:
    if seen.attempt != run.attempt:
        return False
    return seen.is_end or (seen.started is not None and run.state == RunState.STARTING)


def _begin_values(run: Run, seen: Observation) -> dict[str, Any]:
    assert seen.started is not None
    return {"b_id": run.id, "b_number": run.attempt, "b_started_at": _moment(seen.started.started_at)}


def _end_values(run: Run, seen: Observation, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {"b_id": run.id, "b_number": run.attempt, "b_source": run.state}
    result = seen.result
    if result is None:
        assert seen.started is not None
        return values | {
            "b_state": RunState.LOST,
            "b_reason": seen.lost_reason,
            "b_started_at": _moment(seen.started.started_at),
            "b_ended_at": now,
            "b_exit_code": None,
            "b_peak_memory_bytes": None,
            "b_peak_cpu_percent": None,
            "b_cpu_seconds": None,
            "b_log_bytes": None,
        }
    return values | {
        "b_state": state_after(result),
        "b_reason": reason_after(result, run.timeout_seconds),
        "b_started_at": _moment(result.started_at),
        "b_ended_at": _moment(result.ended_at),
        "b_exit_code": result.exit_code,
        "b_peak_memory_bytes": result.peak_memory_bytes or None,
        "b_peak_cpu_percent": result.peak_cpu_percent,
        "b_cpu_seconds": result.cpu_seconds,
        "b_log_bytes": result.log_bytes,
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
