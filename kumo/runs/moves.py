"""Changes of runs and their attempts as the supervisor makes them: many at once, each only from its old state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.runs import move_statements as statements
from kumo.runs.models import Attempt
from kumo.runs.move_statements import GoingRun
from kumo.runs.observation import Observation
from kumo.runs.open_runs import OpenRun
from kumo.runs.retries import next_attempt_at, reason_to_wait
from kumo.runs.service import move_run
from kumo.runs.states import RunState, reason_after, state_after
from kumo.runs.tally import Ended, note_ends
from kumo.tasks.policies import Retry

_LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A queued run that starts, and what it is given."""

    run: OpenRun
    build_id: int | None
    interpreter: str
    variable_versions: dict[str, int]


@dataclass(kw_only=True)
class Moved:
    """What has been stored: the runs that moved, and those of them that ended for good."""

    run_ids: list[int] = field(default_factory=list)
    ends: list[Ended] = field(default_factory=list)


async def store(session: AsyncSession, observations: Sequence[Observation], now: datetime) -> Moved:
    """Store starts and ends that were seen; a run that has moved on meanwhile is left alone.

    An attempt that failed and is to be tried again leaves its run between two attempts.
    """
    if not observations:
        return Moved()
    seen = {observation.run_id: observation for observation in observations}
    rows = await session.execute(statements.GOING, {"b_ids": list(seen)})
    runs = {run.id: run for run in map(GoingRun._make, rows) if is_news(seen[run.id], run)}
    begun = [_begin_values(run, seen[run.id]) for run in runs.values() if not seen[run.id].is_end]
    over = [_end_values(run, seen[run.id], now) for run in runs.values() if seen[run.id].is_end]
    again = [values for values in over if values["b_retry_at"] is not None]
    ended = [values for values in over if values["b_retry_at"] is None]
    await statements.MOVE_TO_RUNNING.execute(session, begun)
    await statements.START_ATTEMPT.execute(session, begun)
    await statements.END_ATTEMPT.execute(session, over)
    await statements.MOVE_TO_RETRYING.execute(session, again)
    await statements.MOVE_TO_END.execute(session, ended)
    ends = [Ended.of(runs[v["b_id"]], RunState(v["b_state"]), v["b_ended_at"]) for v in ended]
    await note_ends(session, ends)
    for run_id in runs:
        announce(session, "run", run_id)
    return Moved(run_ids=list(runs), ends=ends)


async def queue_again(session: AsyncSession, now: datetime) -> int:
    """Queue the next attempts that have come due, and say how many."""
    run_ids = (await session.scalars(statements.QUEUE_AGAIN, {"b_now": now})).all()
    for run_id in run_ids:
        announce(session, "run", run_id)
    return len(run_ids)


async def start(session: AsyncSession, claims: Sequence[Claim]) -> None:
    """Move queued runs to starting, and begin their attempts."""
    await statements.MOVE_TO_STARTING.execute(
        session,
        [
            {
                "b_id": claim.run.id,
                "b_build_id": claim.build_id,
                "b_interpreter": claim.interpreter,
                "b_variable_versions": claim.variable_versions,
            }
            for claim in claims
        ],
    )
    await statements.ADD_ATTEMPT.execute(
        session,
        [
            {
                "run_id": claim.run.id,
                "number": claim.run.attempt,
                "state": RunState.STARTING,
                "worker": _LOCAL,
            }
            for claim in claims
        ],
    )
    for claim in claims:
        announce(session, "run", claim.run.id)


async def give_up(session: AsyncSession, run: OpenRun, source: RunState, reason: str, now: datetime) -> list[Ended]:
    """Let a run fail that cannot be started; a further attempt could not either. Its end, unless it had moved on."""
    if not await move_run(session, run.id, source, RunState.FAILED, reason=reason, ended_at=now):
        return []
    await session.execute(
        update(Attempt)
        .where(Attempt.run_id == run.id, Attempt.number == run.attempt)
        .values(state=RunState.FAILED, ended_at=now, reason=reason)
    )
    end = Ended.of(run, RunState.FAILED, now)
    await note_ends(session, [end])
    announce(session, "run", run.id)
    return [end]


def is_news(seen: Observation, run: OpenRun | GoingRun) -> bool:
    """Whether what was seen of an attempt is not yet stored."""
    if seen.attempt != run.attempt:
        return False
    return seen.is_end or (seen.started is not None and run.state == RunState.STARTING)


def _begin_values(run: GoingRun, seen: Observation) -> dict[str, Any]:
    assert seen.started is not None
    return {"b_id": run.id, "b_number": run.attempt, "b_started_at": _moment(seen.started.started_at)}


def _end_values(run: GoingRun, seen: Observation, now: datetime) -> dict[str, Any]:
    values = _facts_of_end(run, seen, now) | {"b_id": run.id, "b_number": run.attempt, "b_source": run.state}
    retry = Retry.from_json(run.retry)
    values["b_retry_at"] = next_attempt_at(
        retry,
        run_id=run.id,
        attempt=run.attempt,
        state=values["b_state"],
        exit_code=values["b_exit_code"],
        stop_requested=run.stop_requested_at is not None,
        ended_at=values["b_ended_at"],
    )
    if values["b_retry_at"] is not None:
        values["b_reason_to_wait"] = reason_to_wait(values["b_reason"], values["b_exit_code"], run.attempt, retry)
    return values


def _facts_of_end(run: GoingRun, seen: Observation, now: datetime) -> dict[str, Any]:
    result = seen.result
    if result is None:
        assert seen.started is not None
        return {
            "b_state": RunState.LOST,
            "b_outcome": None,
            "b_reason": seen.lost_reason,
            "b_started_at": _moment(seen.started.started_at),
            "b_ended_at": now,
            "b_exit_code": None,
            "b_peak_memory_bytes": None,
            "b_peak_cpu_percent": None,
            "b_cpu_seconds": None,
            "b_log_bytes": None,
            "b_log_dropped_bytes": None,
            "b_limits_by": None,
        }
    return {
        "b_state": state_after(result),
        "b_outcome": result.outcome,
        "b_reason": reason_after(result, run.timeout_seconds),
        "b_started_at": _moment(result.started_at),
        "b_ended_at": _moment(result.ended_at),
        "b_exit_code": result.exit_code,
        "b_peak_memory_bytes": result.peak_memory_bytes or None,
        "b_peak_cpu_percent": result.peak_cpu_percent,
        "b_cpu_seconds": result.cpu_seconds,
        "b_log_bytes": result.log_bytes,
        "b_log_dropped_bytes": result.log_dropped_bytes or None,
        "b_limits_by": getattr(result, "limits_by", None),
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
