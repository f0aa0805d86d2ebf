"""What every test may ask for: settings in a directory of its own, both databases, a signed-in client, the time."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import settings as examples

from kumo.access import credentials
from kumo.access.passwords import hash_password
from kumo.access.permissions import Role
from kumo.clock import utc_now
from kumo.db.migrate import upgrade
from kumo.db.session import Database, database_url
from kumo.settings import Settings
from tests.fakes import ManualClock
from tests.postgres import PostgresServer
from tests.rights import run_as_root_of_its_own
from tests.server import PASSWORD, KumoServer

BASE_URL = "http://kumo.test/api/v1"
_LOG_SHOWN = 20_000

# How long an example takes says more about what else the machine does.
examples.register_profile("kumo", deadline=None)
examples.load_profile("kumo")


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
    return Settings(home=home, port=0, _env_file=None)


@pytest.fixture
def clock() -> ManualClock:
    """The time, at a Monday noon in UTC until the test moves it."""
    return ManualClock()


# --- databases -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "kumo.db"
    upgrade(Settings(home=path.parent, _env_file=None))
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
    upgrade(Settings(database_url=postgres.url(name), _env_file=None))
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


# --- the program -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of `PASSWORD`; made once, since it is slow by design."""
    return asyncio.run(hash_password(PASSWORD))


@pytest.fixture
async def app(stored_settings: Settings) -> AsyncIterator[FastAPI]:
    """The program as `kumo serve` starts it, with all its loops, in this process."""
    from kumo.app import create_app  # noqa: PLC0415 - half a second that most tests need not wait for

    made = create_app(stored_settings)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that nobody has signed in with."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL) as client:
        yield client


@pytest.fixture
async def client(app: FastAPI, password_hash: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the token of `ada`, who may do everything."""
    database: Database = app.state.database
    async with database.write() as session:
        ada = await credentials.create_account(
            session, username="ada", password_hash=password_hash, role=Role.ADMIN, now=utc_now()
        )
        _, secret = await credentials.issue_token(session, ada.id, name="tests", now=utc_now())
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL, headers=headers) as client:
        yield client


# --- small disks -----------------------------------------------------------------------------------------------------


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only root may mount; anybody else runs the tests that do as root of a namespace, in a process of their own."""
    if os.geteuid() != 0:
        for item in items:
            if "small_disk" in getattr(item, "fixturenames", ()):
                vars(item).update(setup=lambda: None, runtest=partial(run_as_root_of_its_own, item))


# --- servers as processes --------------------------------------------------------------------------------------------

_SERVER = pytest.StashKey[KumoServer]()


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KumoServer]:
    """A running server with a data directory of the test's own."""
    prepared = KumoServer(tmp_path / "home")
    request.node.stash[_SERVER] = prepared
    with prepared:
        yield prepared


@pytest.fixture(scope="session")
def _one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KumoServer]:
    with KumoServer(tmp_path_factory.mktemp("shared") / "home") as started:
        yield started


@pytest.fixture
def shared_server(request: pytest.FixtureRequest, _one_server: KumoServer) -> KumoServer:
    """A running server that many tests use: for those that do not mind what others left there."""
    request.node.stash[_SERVER] = _one_server
    return _one_server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the server wrote when its test fails."""
    report = yield
    server = item.stash.get(_SERVER, None)
    if server is not None and report.failed:
        report.sections.append(("Kumo's log", server.log()[-_LOG_SHOWN:]))
    return report
