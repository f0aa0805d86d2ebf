"""Runs that are not over, as the loops read them.

Plain values: an object of the session takes longer to make than everything that the loops do with it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Table

from kumo.runs.models import Run


class OpenRun(NamedTuple):
    """What the loops need of a run's row; each field is the column of its name."""

    id: int
    task_id: int
    project_id: int
    scratch: bool
    state: str
    reason: str | None
    due_at: datetime | None
    attempt: int
    snapshot_id: int
    environment_id: int | None
    build_id: int | None
    command: str
    shell: bool
    max_parallel: int | None
    timeout_seconds: float | None
    stop_grace_seconds: float
    pool_id: int | None
    retry: dict[str, Any]
    limits: dict[str, Any]
    rate_limit: dict[str, Any]
    proxy: str | None
    parameters: dict[str, Any]
    overrides: bytes | None
    webhook_body: str | None
    exact_of: int | None
    interpreter: str | None
    variable_versions: dict[str, Any] | None
    stop_requested_at: datetime | None


_runs = cast(Table, Run.__table__)
COLUMNS = [_runs.c[name] for name in OpenRun._fields]
