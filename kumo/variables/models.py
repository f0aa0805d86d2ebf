"""Tables of variables and of the values that they have had."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from kumo.db.base import Base, id_column

_GLOBAL, _PROJECT, _TASK = (text(f"scope = '{scope}'") for scope in ("global", "project", "task"))


class Variable(Base):
    """A name that runs are given a value for: all of them, or those of one project or of one task."""

    __tablename__ = "variables"

    id: Mapped[int] = id_column()
    version: Mapped[int] = mapped_column(default=1)
    name: Mapped[str] = mapped_column(String(200))
    scope: Mapped[str] = mapped_column(String(10))  # decides which of the two below is set
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"))
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id"))
    description: Mapped[str] = mapped_column(Text, default="")
    # None only inside the transaction that creates the variable. No foreign key: with the one from the versions it
    # would be a circle, which SQLite cannot create.
    current_version_id: Mapped[int | None] = mapped_column(BigInteger)
    # What the present value takes of a run's limits, so that their sums need no value.
    environment_bytes: Mapped[int]
    files_bytes: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        # One name for one owner. Runs find theirs by these too.
        Index("uq_variables_global", "name", unique=True, sqlite_where=_GLOBAL, postgresql_where=_GLOBAL),
        Index(
            "uq_variables_project", "project_id", "name", unique=True, sqlite_where=_PROJECT, postgresql_where=_PROJECT
        ),
        Index("uq_variables_task", "task_id", "name", unique=True, sqlite_where=_TASK, postgresql_where=_TASK),
        Index("ix_variables_name", "name", "id"),  # the list
        {"sqlite_autoincrement": True},
    )


class VariableVersion(Base):
    """A value that a variable has or had; never changed, so that a run can be repeated exactly."""

    __tablename__ = "variable_versions"

    id: Mapped[int] = id_column()
    variable_id: Mapped[int] = mapped_column(ForeignKey("variables.id", ondelete="CASCADE"))
    number: Mapped[int]
    value: Mapped[bytes] = mapped_column(LargeBinary)  # encrypted, whether secret or not
    size_bytes: Mapped[int]  # of the value itself
    is_secret: Mapped[bool]
    as_file: Mapped[bool]  # asked for; a long value goes as a file anyway
    actor: Mapped[str | None] = mapped_column(String(200))  # None: Kumo itself
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("variable_id", "number"), {"sqlite_autoincrement": True})


class VariableGeneration(Base):
    """One row, counted up by each change of any variable: whoever remembers values asks it whether they still hold.

    Changing it is also what lets changes of variables happen one after another, which keeps their sums within limits.
    """

    __tablename__ = "variable_generation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    generation: Mapped[int]

    __table_args__ = ()
