"""Tables of runs and their attempts, and the daily tally that keeps the dashboard's cost from growing."""

from __future__ import annotations

import datetime as dt
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from kumo.db.base import Base, id_column

_OPEN = text("state IN ('queued', 'starting', 'running', 'retrying')")


class Run(Base):
    """One request to execute a task, with what it was asked to execute at that moment."""

    __tablename__ = "runs"

    id: Mapped[int] = id_column()
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    task_name: Mapped[str] = mapped_column(String(200))
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(Text)
    cause_type: Mapped[str] = mapped_column(String(20))  # "slot", "manual", "rerun", "webhook" or "after"
    trigger_id: Mapped[int | None] = mapped_column(BigInteger)
    due_at: Mapped[datetime | None]
    actor: Mapped[str | None] = mapped_column(String(200))
    attempt: Mapped[int]
    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshots.id"))
    environment_id: Mapped[int | None] = mapped_column(ForeignKey("environments.id"))
    build_id: Mapped[int | None] = mapped_column(ForeignKey("builds.id"))
    command: Mapped[str] = mapped_column(Text)
    shell: Mapped[bool]
    priority: Mapped[int]
    # How many runs of the task may go at once, this one included; None when overlapping is allowed.
    max_parallel: Mapped[int | None]
    timeout_seconds: Mapped[float | None]
    stop_grace_seconds: Mapped[float]
    pool_id: Mapped[int | None] = mapped_column(BigInteger)
    # What the task said when the run was asked for, each as its class in `kumo.tasks.policies` writes it.
    retry: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    limits: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    rate_limit: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    proxy: Mapped[str | None] = mapped_column(Text)
    retry_at: Mapped[datetime | None]  # of a run between two attempts: when the next one is queued
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # Values given with the request, encrypted as a whole: they may be secrets.
    overrides: Mapped[bytes | None] = mapped_column(LargeBinary)
    webhook_body: Mapped[str | None] = mapped_column(String(100))  # the name of a file below <home>/webhooks
    # A file or command that somebody tried out in a project: it counts in no statistics of tasks.
    scratch: Mapped[bool] = mapped_column(default=False)
    exact_of: Mapped[int | None] = mapped_column(BigInteger)  # the run that it repeats with everything as it was then
    # What its attempts were given, kept to explain and to repeat it; None before the first.
    interpreter: Mapped[str | None] = mapped_column(Text)
    variable_versions: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    stop_requested_at: Mapped[datetime | None]
    queued_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    exit_code: Mapped[int | None]

    __table_args__ = (
        # The supervisor's question, each second: what is not over? It stays small whatever the history.
        Index("ix_runs_open", "state", "priority", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_runs_open_task_id", "task_id", sqlite_where=_OPEN, postgresql_where=_OPEN),  # overlap
        Index("ix_runs_task_id", "task_id", "id"),  # the runs of a task, newest first
        Index("ix_runs_project_id", "project_id", "id"),  # the runs of a project, newest first
        Index("ix_runs_snapshot_id", "snapshot_id", "id"),  # the history: does a run keep this state?
        Index("ix_runs_state", "state", "id"),  # the list of failed runs, newest first
        {"sqlite_autoincrement": True},
    )


class Attempt(Base):
    """One execution of a run's command by one process."""

    __tablename__ = "attempts"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    outcome: Mapped[str | None] = mapped_column(String(20))  # as the runner says: why it is over
    exit_code: Mapped[int | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    peak_cpu_percent: Mapped[float | None]
    cpu_seconds: Mapped[float | None]
    log_bytes: Mapped[int | None] = mapped_column(BigInteger)
    log_dropped_bytes: Mapped[int | None] = mapped_column(BigInteger)
    limits_by: Mapped[str | None] = mapped_column(String(20))  # what enforced its limits: "cgroup" or "sampling"
    reason: Mapped[str | None] = mapped_column(Text)
    worker: Mapped[str] = mapped_column(String(100))

    __table_args__ = ()


class DailyTally(Base):
    """How many runs of a project ended in a state on a day (UTC)."""

    __tablename__ = "daily_tallies"

    day: Mapped[dt.date] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(20), primary_key=True)
    count: Mapped[int]


class DailyFailures(Base):
    """How many runs of a task failed on a day (UTC); none where none did."""

    __tablename__ = "daily_failures"

    day: Mapped[dt.date] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), primary_key=True)
    count: Mapped[int]


class OutputScan(Base):
    """Until when it is known what a project's runs have written."""

    __tablename__ = "output_scans"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    scanned_at: Mapped[datetime]  # when the last look at the output directory began
    complete: Mapped[bool]  # False: there were more files than are looked at

    __table_args__ = ()


class OutputWrite(Base):
    """A file that a run has written, or may have: when it was seen, several went at that moment."""

    __tablename__ = "output_writes"

    id: Mapped[int] = id_column()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    folder: Mapped[str] = mapped_column(Text)  # below the output directory; "" is that directory itself
    name: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(String(20))  # the end of the name, as "csv"; "" without
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    written_at: Mapped[datetime]
    hour: Mapped[int]  # of `written_at`, since 1970: what statistics are grouped by
    candidates: Mapped[int]  # how many runs went at that moment; only one of them has written it
    counts: Mapped[bool]  # True for one of the candidates, so that statistics have each file once
    is_last: Mapped[bool]  # nobody is known to have written the file later
    # On the first file of a run alone, where no other run went: how long after the run's start it came.
    latency_seconds: Mapped[float | None]

    __table_args__ = (
        Index("uq_output_writes_run_id", "run_id", "folder", "name", unique=True),
        # Who wrote what is in a folder now.
        Index(
            "ix_output_writes_last",
            "project_id",
            "folder",
            "name",
            sqlite_where=text("is_last = 1"),
            postgresql_where=text("is_last"),
        ),
        # Statistics. On SQLite a boolean is compared with 1, and only so does it find the partial index.
        Index(
            "ix_output_writes_hour",
            "project_id",
            "hour",
            "type",
            "size_bytes",
            sqlite_where=text("counts = 1"),
            postgresql_where=text("counts"),
        ),
        Index(
            "ix_output_writes_latency",
            "project_id",
            "hour",
            "latency_seconds",
            sqlite_where=text("latency_seconds IS NOT NULL"),
            postgresql_where=text("latency_seconds IS NOT NULL"),
        ),
        Index("ix_output_writes_project_id", "project_id", "id"),  # the oldest go first
        {"sqlite_autoincrement": True},
    )
