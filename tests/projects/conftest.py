"""The routes of projects behind their gate, somebody signed in, and a small disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from kumo.access import credentials
from kumo.access.gate import Authenticator, Gate
from kumo.access.models import User
from kumo.access.permissions import Role
from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.http import RequestContext, add_error_handlers
from kumo.logs.searching import Searches
from kumo.projects.api import router
from kumo.projects.editing import Workshop
from kumo.projects.store.snapshots import SnapshotStore
from kumo.runs import history_api
from kumo.runs.history_collector import HistoryCollector
from kumo.runs.intake import Intake
from kumo.runs.outputs_api import router as outputs_router
from kumo.settings import MIB, Settings
from kumo.tasks.api import deletion_router
from tests.rights import mounted


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Limits that a test can reach."""
    return settings.model_copy(
        update={
            "upload_max_bytes": 2 * MIB,
            "project_max_bytes": 20 * MIB,
            "project_max_files": 200,
            "file_max_bytes": MIB,
        }
    )


@pytest.fixture
def store(settings: Settings) -> SnapshotStore:
    return SnapshotStore(settings.home)


@pytest.fixture
async def ada(database: Database) -> User:
    async with database.write() as session:
        user = User(username="ada", username_key="ada", password_hash="-", role=Role.ADMIN, created_at=utc_now())
        session.add(user)
    return user


@pytest.fixture
def shop(database: Database, stored_settings: Settings, store: SnapshotStore, ada: User) -> Workshop:
    return Workshop(database=database, store=store, settings=stored_settings, clock=utc_now, user_id=ada.id)


@pytest.fixture
async def app(database: Database, stored_settings: Settings) -> AsyncIterator[FastAPI]:
    made = FastAPI(openapi_url="/api/openapi.json")
    add_error_handlers(made)
    made.state.database = database
    made.state.settings = stored_settings
    made.state.authenticator = Authenticator(database, session_lifetime=timedelta(hours=1))
    made.state.history_collector = HistoryCollector(database, stored_settings, utc_now)
    for each in (router, deletion_router, history_api.router, outputs_router):
        made.include_router(each, prefix="/api/v1")
    made.add_middleware(Gate)
    made.add_middleware(RequestContext)
    made.state.searches = Searches()
    made.state.intake = Intake(database, utc_now)
    yield made
    await made.state.searches.close()


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that nobody has signed in with."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kumo.test/api/v1") as client:
        yield client


@pytest.fixture
async def browser(stranger: httpx.AsyncClient, database: Database, ada: User) -> httpx.AsyncClient:
    """A browser that Ada has signed in with."""
    async with database.write() as session:
        secret = await credentials.open_session(
            session, ada.id, password_hash=ada.password_hash, address="", user_agent="", now=utc_now()
        )
    assert secret is not None
    stranger.cookies.set("kumo_session", secret, domain="kumo.test")
    stranger.headers["X-CSRF-Token"] = credentials.csrf_token(secret)
    return stranger


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    with mounted(tmp_path / "small", "1m") as disk:
        yield disk
