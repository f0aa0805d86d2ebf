"""Tables of tasks and their triggers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ColumnElement, ForeignKey, Index, LargeBinary, String, Text, and_, text
from sqlalchemy.orm import Mapped, mapped_column

from kumo.db.base import Base, id_column


class Pool(Base):
    """A named limit: at most `slots` runs of its tasks go at once."""

    __tablename__ = "pools"

    id: Mapped[int] = id_column()
    version: Mapped[int] = mapped_column(default=1)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    slots: Mapped[int]
    created_at: Mapped[datetime]


# Of those that people have made, see `Task.scratch`.
_NAMED = text("deleted_at IS NULL AND NOT scratch")
_SCRATCH = text("deleted_at IS NULL AND scratch")


class Task(Base):
    """What to run and how. A deleted one stays for the history of its runs, without its name."""

    __tablename__ = "tasks"

    id: Mapped[int] = id_column()
    version: Mapped[int] = mapped_column(default=1)
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="")
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    environment_id: Mapped[int | None] = mapped_column(ForeignKey("environments.id"))
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    command: Mapped[str] = mapped_column(Text)
    shell: Mapped[bool] = mapped_column(default=False)
    active: Mapped[bool] = mapped_column(default=True)
    overlap: Mapped[str] = mapped_column(String(20))
    max_parallel: Mapped[int] = mapped_column(default=1)
    catch_up: Mapped[str] = mapped_column(String(20))
    catch_up_window_seconds: Mapped[int]
    priority: Mapped[int] = mapped_column(default=0)
    pool_id: Mapped[int | None] = mapped_column(ForeignKey("pools.id"))
    timeout_seconds: Mapped[float | None]
    stop_grace_seconds: Mapped[float]
    # Each as its class in `kumo.tasks.policies` writes it.
    retry: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    limits: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    rate_limit: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    blackouts: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    proxy: Mapped[str | None] = mapped_column(Text)
    # What a file of the project said when it was applied last, as `kumo.tasks.declared` compares it; None where a
    # person has made the task.
    declared: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    failure_threshold: Mapped[int | None]
    consecutive_failures: Mapped[int] = mapped_column(default=0)
    paused_reason: Mapped[str | None] = mapped_column(Text)  # where Kumo paused it; None where a person did
    # The three below follow the runs: they are written where a run is requested and where it ends.
    last_run_id: Mapped[int | None] = mapped_column(BigInteger)
    last_run_state: Mapped[str | None] = mapped_column(String(20))
    last_run_ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    # The one that a project's scratch runs belong to, made by the first of them. Nobody sees it: see `is_listed`.
    scratch: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        Index("uq_tasks_name", "name", unique=True, sqlite_where=_NAMED, postgresql_where=_NAMED),
        Index("uq_tasks_scratch", "project_id", unique=True, sqlite_where=_SCRATCH, postgresql_where=_SCRATCH),
        Index("ix_tasks_pool_id", "pool_id"),  # a pool's tasks, and its deletion
        Index("ix_tasks_project_id", "project_id"),  # the project's page, and its deletion
        Index("ix_tasks_environment_id", "environment_id"),  # the environment's page, and its deletion
        {"sqlite_autoincrement": True},
    )


def is_listed() -> ColumnElement[bool]:
    """The condition of all that looks at tasks: neither deleted nor that of scratch runs."""
    return and_(Task.deleted_at.is_(None), Task.scratch.is_(False))


class TriggerRow(Base):
    """When a task is due. `next_due_at` is the scheduler's place in it: None when nothing more will come.

    A trigger that follows another task's runs has an upstream task, a webhook the hash of its address's secret part;
    neither is ever due by the clock.
    """

    __tablename__ = "triggers"

    id: Mapped[int] = id_column()
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    position: Mapped[int]
    type: Mapped[str] = mapped_column(String(20))
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    next_due_at: Mapped[datetime | None]
    upstream_task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id"))
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)

    __table_args__ = (
        Index("ix_triggers_upstream_task_id", "upstream_task_id"),  # asked whenever a run ends
        Index("ix_triggers_task_id", "task_id"),
        Index("ix_triggers_next_due_at", "next_due_at"),  # the scheduler's only question
        {"sqlite_autoincrement": True},
    )
