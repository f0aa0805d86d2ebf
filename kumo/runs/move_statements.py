"""The statements that move runs and their attempts, each only from its old state; written down once, for many rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Table, bindparam, func, insert, select, update

from kumo.db.base import UtcDateTime
from kumo.db.prepared import Prepared
from kumo.runs.models import Attempt, Run
from kumo.runs.states import ACTIVE, RunState


class GoingRun(NamedTuple):
    """What the end of an attempt needs of its run; each field is the column of its name."""

    id: int
    task_id: int
    project_id: int
    scratch: bool
    state: str
    attempt: int
    timeout_seconds: float | None
    stop_requested_at: datetime | None
    retry: dict[str, Any]


# Tables, not classes: many rows in one statement, without the unit of work looking at each.
_runs = cast(Table, Run.__table__)
_attempts = cast(Table, Attempt.__table__)
# A run begins with its first attempt. Within a function the type is not taken from the column.
_FIRST_START = func.coalesce(_runs.c.started_at, bindparam("b_started_at", type_=UtcDateTime))

GOING = (
    select(*(_runs.c[name] for name in GoingRun._fields))
    .where(_runs.c.id.in_(bindparam("b_ids", expanding=True)), _runs.c.state.in_(ACTIVE))
    .with_for_update()
)
MOVE_TO_RUNNING = Prepared(
    update(_runs)
    .where(_runs.c.id == bindparam("b_id"), _runs.c.state == RunState.STARTING)
    .values(state=RunState.RUNNING, started_at=_FIRST_START, reason=None)
)
MOVE_TO_END = Prepared(
    update(_runs)
    .where(_runs.c.id == bindparam("b_id"), _runs.c.state == bindparam("b_source"))
    .values(
        state=bindparam("b_state"),
        reason=bindparam("b_reason"),
        started_at=_FIRST_START,
        ended_at=bindparam("b_ended_at"),
        exit_code=bindparam("b_exit_code"),
    )
)
MOVE_TO_RETRYING = Prepared(
    update(_runs)
    .where(_runs.c.id == bindparam("b_id"), _runs.c.state == bindparam("b_source"))
    .values(
        state=RunState.RETRYING,
        reason=bindparam("b_reason_to_wait"),
        retry_at=bindparam("b_retry_at"),
        started_at=_FIRST_START,
    )
)
QUEUE_AGAIN = (
    update(_runs)
    .where(_runs.c.state == RunState.RETRYING, _runs.c.retry_at <= bindparam("b_now"))
    .values(state=RunState.QUEUED, attempt=_runs.c.attempt + 1, reason=None, retry_at=None)
    .returning(_runs.c.id)
)
MOVE_TO_STARTING = Prepared(
    update(_runs)
    .where(_runs.c.id == bindparam("b_id"), _runs.c.state == RunState.QUEUED)
    .values(
        state=RunState.STARTING,
        build_id=bindparam("b_build_id"),
        interpreter=bindparam("b_interpreter"),
        variable_versions=bindparam("b_variable_versions"),
        reason=None,
    )
)
END_ATTEMPT = Prepared(
    update(_attempts)
    .where(_attempts.c.run_id == bindparam("b_id"), _attempts.c.number == bindparam("b_number"))
    .values(
        state=bindparam("b_state"),
        outcome=bindparam("b_outcome"),
        exit_code=bindparam("b_exit_code"),
        started_at=bindparam("b_started_at"),
        ended_at=bindparam("b_ended_at"),
        peak_memory_bytes=bindparam("b_peak_memory_bytes"),
        peak_cpu_percent=bindparam("b_peak_cpu_percent"),
        cpu_seconds=bindparam("b_cpu_seconds"),
        log_bytes=bindparam("b_log_bytes"),
        log_dropped_bytes=bindparam("b_log_dropped_bytes"),
        limits_by=bindparam("b_limits_by"),
        reason=bindparam("b_reason"),
    )
)
ADD_ATTEMPT = Prepared(insert(_attempts), columns=("run_id", "number", "state", "worker"))
START_ATTEMPT = Prepared(
    update(_attempts)
    .where(_attempts.c.run_id == bindparam("b_id"), _attempts.c.number == bindparam("b_number"))
    .values(state=RunState.RUNNING, started_at=bindparam("b_started_at"))
)
