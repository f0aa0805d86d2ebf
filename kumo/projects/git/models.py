"""Tables of projects from git: what each follows, its pulls, and what opens repositories."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from kumo.db.base import Base, id_column


class GitCredential(Base):
    """What opens repositories: a password, a token, or a private key; encrypted, and never shown again."""

    __tablename__ = "git_credentials"

    id: Mapped[int] = id_column()
    name: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[str] = mapped_column(String(20))  # password, token, ssh_key
    username: Mapped[str | None] = mapped_column(String(200))
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class GitHost(Base):
    """A host that is reached by ssh, and the public keys that a person has accepted for it."""

    __tablename__ = "git_hosts"

    id: Mapped[int] = id_column()
    host_name: Mapped[str] = mapped_column(String(300), unique=True)  # as files of known hosts write it
    keys: Mapped[list[str]] = mapped_column(JSON)
    accepted_by: Mapped[str] = mapped_column(String(64))  # the account's name: it outlives the account
    accepted_at: Mapped[datetime]


class GitSource(Base):
    """The repository that a project follows, and the state that was pulled last."""

    __tablename__ = "git_sources"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True, autoincrement=False)
    url: Mapped[str] = mapped_column(Text)
    ref_kind: Mapped[str] = mapped_column(String(20))
    ref_name: Mapped[str | None] = mapped_column(String(250))  # None: the main branch
    subdirectory: Mapped[str] = mapped_column(Text)
    submodules: Mapped[bool]
    credential_id: Mapped[int | None] = mapped_column(ForeignKey("git_credentials.id"))
    pull_every_seconds: Mapped[int | None]
    next_pull_at: Mapped[datetime | None]
    hook_token_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    sealed_hook_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    # What the last pull has brought; None after a change of what is followed, so that the next one looks anew.
    commit: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    main_branch: Mapped[str | None] = mapped_column(String(250))
    # The files as git brought them: what differs from them was changed here. None: nothing was pulled yet, but files
    # were there before.
    pulled_tree_hash: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (
        Index(None, "credential_id"),
        Index(None, "next_pull_at"),
    )


class GitPull(Base):
    """One pull of one project: wanted, under way, or over. A few of each project are kept."""

    __tablename__ = "git_pulls"

    id: Mapped[int] = id_column()
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    state: Mapped[str] = mapped_column(String(20))
    cause: Mapped[str] = mapped_column(String(20))  # created, person, schedule, webhook
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user_account.id", ondelete="SET NULL"))
    overwrite: Mapped[bool]
    queued_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    changed: Mapped[bool | None]  # whether a new state came of it; None until it has succeeded
    commit: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    snapshot_id: Mapped[int | None] = mapped_column(ForeignKey("snapshots.id", ondelete="SET NULL"))
    problem: Mapped[str | None] = mapped_column(String(40))  # why it failed, in a word for programs
    message: Mapped[str | None] = mapped_column(Text)  # how it ended, in a sentence for people

    __table_args__ = (
        Index(None, "project_id", "id"),
        # At most one waits and one is under way: whoever asks while one waits is given that one.
        Index(
            "uq_git_pulls_open",
            "project_id",
            "state",
            unique=True,
            sqlite_where=text("state IN ('queued', 'running')"),
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
        Index(
            "ix_git_pulls_open",
            "state",
            "id",
            sqlite_where=text("state IN ('queued', 'running')"),
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
        {"sqlite_autoincrement": True},
    )
