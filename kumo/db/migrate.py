"""Bringing the database to the form that this program needs, at every start.

Migrations are numbered 0001, 0002, … in their files' names, one line without branches, so the newest is known without
loading Alembic, which is imported only when there is something to do.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from kumo.db.session import database_url
from kumo.errors import ConfigurationError
from kumo.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(settings: Settings) -> str | None:
    """Bring the database to the newest form, and say from which revision; None when it was there already.

    A SQLite file is copied to `<home>/backups/` first. Each migration is one transaction: a crash leaves the database
    in the form before or after it. Raises `ConfigurationError` for a database that a newer Kumo has changed.
    """
    engine = create_engine(sync_url(settings))
    try:
        found = _revision_of(engine)
        newest = newest_revision()
        if found == newest:
            return None
        if found is not None and found > newest:
            raise ConfigurationError(
                f"The database was made by a newer Kumo (revision {found}; this one knows {newest}). "
                "Install that version again, or restore a backup."
            )
        if found is not None and settings.database_url is None:
            _back_up(settings.home, found)
        with engine.connect() as connection:
            _run_migrations(connection)
    except DBAPIError as error:
        raise _unusable(error) from error
    else:
        return found or "nothing"
    finally:
        engine.dispose()


def newest_revision() -> str:
    """The revision that this program needs."""
    return max(path.name.split("_", 1)[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def current_revision(settings: Settings) -> str | None:
    """The revision that the database is in; None for an empty one. `ConfigurationError` when it does not answer."""
    engine = create_engine(sync_url(settings))
    try:
        return _revision_of(engine)
    except DBAPIError as error:
        raise _unusable(error) from error
    finally:
        engine.dispose()


def sync_url(settings: Settings) -> str:
    """The database's address for a driver that blocks."""
    return database_url(settings).replace("+direct", "")


def _unusable(error: DBAPIError) -> ConfigurationError:
    # PostgreSQL's library ends with a question to the person, which is no part of a sentence.
    lines = [line for line in str(error.orig).splitlines() if not line.endswith("?")]
    reason = " ".join(" ".join(lines).split()).rstrip(".")
    return ConfigurationError(f"The database cannot be used: {reason}.")


def _revision_of(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, "alembic_version"):
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision


def _back_up(home: Path, revision: str) -> None:
    """Copy the SQLite file, with what is still in its write-ahead log."""
    folder = home / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    with (
        closing(sqlite3.connect(home / "kumo.db")) as source,
        closing(sqlite3.connect(folder / f"before-upgrade-from-{revision}-{moment}.db")) as target,
    ):
        source.backup(target)


def _run_migrations(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - see the module's docstring
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
