"""Tables of projects and of the states that they have had."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from kumo.db.base import Base, id_column

_DELETED = text("deleted_at IS NOT NULL")


class Source(StrEnum):
    """What has led to a state of a project."""

    CREATED = "created"  # the project itself: empty, or from a directory
    UPLOAD = "upload"  # an archive
    EDIT = "edit"  # a file saved, moved or deleted
    RESTORE = "restore"  # an earlier state
    GIT = "git"  # a pull
    APPLY = "apply"  # what files of the project declare


class Project(Base):
    """Code to run. A deleted one lies in the trash; a purged one is its row alone, for the history of its runs."""

    __tablename__ = "projects"

    id: Mapped[int] = id_column()
    version: Mapped[int] = mapped_column(default=1)
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(Text, default="")
    # The current state; None only inside the transaction that creates the project. No foreign key: with the one from
    # snapshots it would be a circle, which SQLite cannot create. Written by `service` alone, under compare-and-set.
    snapshot_id: Mapped[int | None] = mapped_column(BigInteger)
    # How many tasks use the project, kept by whoever creates and deletes tasks: counting them for each row of a list
    # would take longer the more tasks there are.
    task_count: Mapped[int] = mapped_column(default=0)
    # Where its scripts leave their files, below one of the allowed directories; None: below the data directory.
    output_dir: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]  # when it was put into the trash
    purged_at: Mapped[datetime | None]  # when it left it for good

    __table_args__ = (
        # One name for one living project; the list of projects is read in its order.
        Index(
            "uq_projects_name",
            "name",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        # The trash, and what is to be purged.
        Index("ix_projects_deleted_at", "deleted_at", sqlite_where=_DELETED, postgresql_where=_DELETED),
        Index(
            "uq_projects_output_dir",
            "output_dir",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )


class Snapshot(Base):
    """One state of a project's files; these never change, so that a run can always be explained.

    Whatever refers to one by a foreign key keeps it from being collected; see `collection`.
    """

    __tablename__ = "snapshots"

    id: Mapped[int] = id_column()
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    # The state that it was made from. No foreign key: it says what happened, also when that state was collected.
    parent_id: Mapped[int | None] = mapped_column(BigInteger)
    tree_hash: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(20), default=Source.EDIT)
    message: Mapped[str] = mapped_column(String(300))  # what was done, as “Changed main.py”
    # Where the files came from, if from elsewhere: the repository, reference and commit of a pull.
    origin: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    file_count: Mapped[int]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    pinned: Mapped[bool] = mapped_column(default=False)  # somebody wants it kept whatever its age
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user_account.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "project_id", "id"),  # the history of one project, newest first
        Index(None, "tree_hash"),  # the collector: whose is this directory?
        {"sqlite_autoincrement": True},
    )
