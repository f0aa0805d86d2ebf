"""Tables of environments and their builds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from kumo.db.base import Base, id_column

_PRESENT = text("deleted_at IS NULL")
_READY = text("state = 'ready'")
_UNFINISHED = text("state IN ('queued', 'building')")


class InterpreterRow(Base):
    """The number of an interpreter that was once met at a path; what it is, it says itself (`interpreters`)."""

    __tablename__ = "interpreters"

    id: Mapped[int] = id_column()
    path: Mapped[str] = mapped_column(Text, unique=True)
    is_added: Mapped[bool] = mapped_column(default=False)  # a person has named the path; it need not be found otherwise
    created_at: Mapped[datetime]


class Environment(Base):
    """A named need. A deleted one stays for the history of its runs and builds, without its name."""

    __tablename__ = "environments"

    id: Mapped[int] = id_column()
    version: Mapped[int] = mapped_column(default=1)
    name: Mapped[str] = mapped_column(String(100))
    backend: Mapped[str] = mapped_column(String(20), default="uv")  # of what was asked for last
    python: Mapped[str | None] = mapped_column(String(100))  # as it was asked for; None takes the default
    source: Mapped[str] = mapped_column(String(20))  # which of the next six says what is needed
    packages: Mapped[list[str] | None] = mapped_column(JSON)
    requirements: Mapped[str | None] = mapped_column(Text)
    environment_yml: Mapped[str | None] = mapped_column(Text)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"))
    interpreter_id: Mapped[int | None] = mapped_column(ForeignKey("interpreters.id"))
    interpreter_path: Mapped[str | None] = mapped_column(Text)  # of the one above, which is used as it is
    index_url: Mapped[str | None] = mapped_column(Text)
    extra_index_urls: Mapped[list[str]] = mapped_column(JSON, default=list)
    proxy: Mapped[str | None] = mapped_column(Text)
    wheel_folder: Mapped[str | None] = mapped_column(Text)
    use_index: Mapped[bool] = mapped_column(default=True)
    import_check: Mapped[bool] = mapped_column(default=True)
    # Passwords of indexes and of the proxy, encrypted as a whole; and whose they are, for people to see.
    credentials: Mapped[bytes | None] = mapped_column(LargeBinary)
    credential_owners: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    # No foreign keys: builds point here, and a circle could not be created or dropped table by table.
    active_build_id: Mapped[int | None] = mapped_column(BigInteger)  # what runs use
    latest_build_id: Mapped[int | None] = mapped_column(BigInteger)  # the one with the highest generation
    # What becomes active once it is ready: the build that was asked for last, unless another was activated since.
    wanted_build_id: Mapped[int | None] = mapped_column(BigInteger)
    last_generation: Mapped[int] = mapped_column(default=0)
    # The project's state that was looked at last; when the project has another, a build may be due.
    snapshot_id: Mapped[int | None] = mapped_column(BigInteger)
    spec_hash: Mapped[str | None] = mapped_column(String(64))  # of what was asked for last
    task_count: Mapped[int] = mapped_column(default=0)  # kept by the tasks
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_environments_name", "name", unique=True, sqlite_where=_PRESENT, postgresql_where=_PRESENT),
        Index("ix_environments_project_id", "project_id"),  # the builder: has a project changed?
        {"sqlite_autoincrement": True},
    )


class Build(Base):
    """One immutable result: what was asked for, the lock that it came to, and the directory that follows from it."""

    __tablename__ = "builds"

    id: Mapped[int] = id_column()
    environment_id: Mapped[int | None] = mapped_column(ForeignKey("environments.id"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"))  # of a project's own declaration
    generation: Mapped[int | None]  # counts the builds of an environment from 1; None in a project's own
    state: Mapped[str] = mapped_column(String(20))
    spec_hash: Mapped[str] = mapped_column(String(64))
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)
    python_version: Mapped[str | None] = mapped_column(String(40))
    interpreter_path: Mapped[str | None] = mapped_column(Text)  # of the interpreter that the build stands on
    lock: Mapped[str | None] = mapped_column(Text)
    lock_hash: Mapped[str | None] = mapped_column(String(64))  # names the directory too
    packages: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)  # each as `builds.store.Package`
    variables: Mapped[dict[str, str] | None] = mapped_column(JSON)  # what runs in it find in their environment
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)  # of all packages, whether or not others share them
    error: Mapped[str | None] = mapped_column(Text)
    error_output: Mapped[str | None] = mapped_column(Text)  # the end of what the tool that failed printed, as it is
    log_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    cancel_requested_by: Mapped[str | None] = mapped_column(String(200))  # the builder ends it and stores the end
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]  # by a run, to the hour: a write for each run would cost more than it says

    __table_args__ = (
        # The builder's question, every two seconds: what is not done? It stays small whatever the history.
        Index("ix_builds_unfinished", "state", "id", sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED),
        # The collector's questions: what is ready and not used, and who has this directory?
        Index("ix_builds_ready", "ended_at", sqlite_where=_READY, postgresql_where=_READY),
        Index("ix_builds_lock_hash", "lock_hash"),
        Index("ix_builds_environment_id", "environment_id", "id"),  # the builds of an environment, newest first
        Index("uq_builds_generation", "environment_id", "generation", unique=True),
        Index("ix_builds_project_id", "project_id", "spec_hash", "id"),  # the run path: is there one already?
        {"sqlite_autoincrement": True},
    )
