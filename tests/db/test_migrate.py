"""The database is brought to the newest form at start."""

from __future__ import annotations

import importlib
import pkgutil
import sqlite3
import stat
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

import kumo
from kumo.db.base import Base
from kumo.db.migrate import current_revision, newest_revision, sync_url, upgrade
from kumo.errors import ConfigurationError
from kumo.settings import Settings


def test_models_equal_migrations(stored_settings: Settings) -> None:
    for module in pkgutil.walk_packages(kumo.__path__, "kumo."):
        if module.name.endswith((".models", ".secrets")):
            importlib.import_module(module.name)
    engine = create_engine(sync_url(stored_settings))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_a_current_database_is_left_alone(stored_settings: Settings) -> None:
    assert current_revision(stored_settings) == newest_revision()
    assert upgrade(stored_settings) is None
    assert not (stored_settings.home / "backups").exists()


def test_an_empty_directory_gets_a_database(settings: Settings) -> None:
    assert current_revision(settings) is None
    assert upgrade(settings) == "nothing"
    assert current_revision(settings) == newest_revision()


def test_a_database_that_is_behind_is_copied_first(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.home / "kumo.db")) as old, old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        old.execute("INSERT INTO alembic_version VALUES ('0000')")
        old.execute("CREATE TABLE kept (word)")
        old.execute("INSERT INTO kept VALUES ('precious')")
        old.commit()
        # No migration leads from 0000, so the upgrade itself fails; by then the copy must be there.
        with pytest.raises(Exception, match="0000"):
            upgrade(settings)
    [copy] = (settings.home / "backups").iterdir()
    assert copy.name.startswith("before-upgrade-from-0000-")
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    with closing(sqlite3.connect(copy)) as backup:
        assert backup.execute("SELECT word FROM kept").fetchone() == ("precious",)
        assert backup.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_newer_database_is_refused_in_one_sentence(stored_settings: Settings) -> None:
    engine = create_engine(sync_url(stored_settings))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match="made by a newer Kumo") as refused:
        upgrade(stored_settings)
    assert "9999" in refused.value.message
    assert current_revision(stored_settings) == "9999"


def test_a_file_that_is_no_database_is_refused_in_one_sentence(settings: Settings) -> None:
    (settings.home / "kumo.db").write_text("This is a shopping list. " * 100)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        upgrade(settings)


def test_alembic_is_not_loaded_for_a_current_database(settings: Settings) -> None:
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    upgrade(settings)
    program = (
        "import sys; from kumo.db.migrate import upgrade; from kumo.settings import load_settings; "
        f"upgrade(load_settings(home={str(settings.home)!r})); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
