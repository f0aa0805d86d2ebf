"""What every test may ask for: settings in a directory of its own, both databases, a signed-in client, the time."""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

import kumo
from kumo.db.base import Base
from kumo.db.session import Database, database_url
from kumo.settings import Settings
from tests.fakes import ManualClock
from tests.postgres import PostgresServer


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person at the keyboard has set must not decide what a test sees."""
    for name in [name for name in os.environ if name.startswith("KUMO_") and name != "KUMO_CHROMIUM"]:
        monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings as they are without any, in a data directory of the test's own."""
    home = tmp_path / "home"
    home.mkdir()
    return Settings(home=home, port=0, _env_file=None)  # type: ignore[call-arg]


@pytest.fixture
def clock() -> ManualClock:
    """The time, at a Monday noon in UTC until the test moves it."""
    return ManualClock()


# --- databases -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "kumo.db"
    _make_tables(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, started when the first test asks for it."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of an empty database with all tables, to be copied."""
    name = postgres.create_database()
    _make_tables(postgres.url(name).replace("postgresql://", "postgresql+psycopg://"))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def stored_settings(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Settings]:
    """Settings whose database exists, empty and with all tables: once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), settings.home / "kumo.db")
        yield settings
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create_database(template=request.getfixturevalue("postgres_template"))
    yield settings.model_copy(update={"database_url": server.url(name)})
    server.drop_database(name)


@pytest.fixture
async def database(stored_settings: Settings) -> AsyncIterator[Database]:
    """An empty database with all tables: once on SQLite, once on PostgreSQL."""
    opened = Database(database_url(stored_settings))
    yield opened
    await opened.close()


def _make_tables(url: str) -> None:
    for module in pkgutil.walk_packages(kumo.__path__, "kumo."):
        if module.name.endswith(".models"):
            importlib.import_module(module.name)
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
