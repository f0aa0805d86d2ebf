"""The ledger of due moments."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from kumo.db.base import Base, id_column

# Rows that are more than one moment. Written out, because a parameter would keep SQLite from using its index.
IS_GAP = text("count > 1")


class Slot(Base):
    """One due moment of one trigger, with what became of it; it never moves.

    A long gap is one row: `due_at` is its last moment, `first_due_at` its first, and `count` says how many.
    """

    __tablename__ = "slots"

    id: Mapped[int] = id_column()
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    # No foreign key: a trigger may be deleted, its ledger stays. Ids are never used twice.
    trigger_id: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime]
    first_due_at: Mapped[datetime]
    count: Mapped[int] = mapped_column(default=1)
    outcome: Mapped[str] = mapped_column(String(20))  # "run" or "skipped"
    reason: Mapped[str | None] = mapped_column(Text)  # of a skipped one: a word of `decisions.Skip`
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("trigger_id", "due_at"),  # a due moment is acted on once
        Index("ix_slots_task_id", "task_id", "due_at"),  # the ledger of a task, latest first
        # Those that ran, or were skipped for one reason: to list and to count them.
        Index("ix_slots_reason", "task_id", "reason", "due_at"),
        Index("ix_slots_gaps", "task_id", "due_at", sqlite_where=IS_GAP, postgresql_where=IS_GAP),  # the summary
        Index("ix_slots_run_id", "run_id"),  # a run that is deleted leaves its slot
        {"sqlite_autoincrement": True},
    )


class Uptime(Base):
    """One life of the server, so that a missed slot can say when it was down."""

    __tablename__ = "uptimes"

    id: Mapped[int] = id_column()
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]  # the last time that it was known to be alive

    __table_args__ = ({"sqlite_autoincrement": True},)
