"""What every table shares: names of constraints, times in UTC, ids that are never used twice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

# SQLite gives AUTOINCREMENT to INTEGER keys only; there it is 64 bits wide anyway.
Id = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment; stored in UTC, and refused without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Towards the database: SQLite has no zones, so the zone is left out there."""
        if value is None:
            return None
        assert value.tzinfo is not None, "a time without a zone reached the database"
        return value.astimezone(UTC).replace(tzinfo=None) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database: aware again."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Root of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    # Every int is wide: sizes in bytes and references to ids must not end at two thousand million on PostgreSQL.
    type_annotation_map = {datetime: UtcDateTime, int: Id}  # noqa: RUF012 - SQLAlchemy's declared form

    # Without it SQLite gives a deleted row's id to the next one, which would inherit its logs.
    __table_args__: Any = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy's declared form


def id_column() -> Mapped[int]:
    """A primary key that is never given out a second time."""
    return mapped_column(Id, primary_key=True, autoincrement=True)
