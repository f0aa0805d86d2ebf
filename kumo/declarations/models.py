"""The table of what was applied of each project's file."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from kumo.db.base import Base


class ProjectDeclaration(Base):
    """How a project's file is applied, and what came of it; no row is a project whose file was never applied."""

    __tablename__ = "project_declarations"

    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    applies_itself: Mapped[bool] = mapped_column(default=False)  # each new state of the project is applied
    environment_id: Mapped[int | None] = mapped_column(ForeignKey("environments.id"))  # the one that the file has made
    # Its path, where the packages of that one come from a file of the project.
    requirements: Mapped[str | None] = mapped_column(Text)
    # The state that needs no further look; while the project has another one and applies itself, there is work to do.
    seen_snapshot_id: Mapped[int | None] = mapped_column(BigInteger)
    applied_at: Mapped[datetime | None]
    applied_by: Mapped[int | None] = mapped_column(ForeignKey("user_account.id", ondelete="SET NULL"))  # None: itself
    applied_snapshot_id: Mapped[int | None] = mapped_column(BigInteger)  # None: text that is no file of the project
    # Why the file could not be applied by itself: a message, and the problems with their places.
    failure: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    failed_at: Mapped[datetime | None]
