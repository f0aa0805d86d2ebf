"""The access routes behind their gate, in an application of their own, and people who use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI

from kumo.access import credentials
from kumo.access.api import public_router, router
from kumo.access.dependencies import Actor, require
from kumo.access.gate import Authenticator, Gate
from kumo.access.models import User
from kumo.access.permissions import Permission, Role
from kumo.access.throttle import LoginThrottle
from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.http import RequestContext, add_error_handlers
from tests.fakes import ManualClock


@pytest.fixture
def app(database: Database) -> FastAPI:
    made = FastAPI(openapi_url="/api/openapi.json")
    add_error_handlers(made)
    made.state.database = database
    made.state.login_throttle = LoginThrottle()
    made.state.authenticator = Authenticator(database, session_lifetime=timedelta(hours=1))
    made.include_router(public_router, prefix="/api/v1")
    made.include_router(router, prefix="/api/v1")

    @made.post("/api/v1/change")
    async def change(actor: Annotated[Actor, require(Permission.WRITE)]) -> str:
        return actor.username

    made.add_middleware(Gate)
    made.add_middleware(RequestContext)
    return made


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that nobody has signed in with."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://kumo.test/api/v1") as client:
        yield client


@pytest.fixture
async def ada(database: Database, password_hash: str) -> User:
    """An account, with `PASSWORD`."""
    async with database.write() as session:
        return await credentials.create_account(
            session, username="Ada", password_hash=password_hash, role=Role.ADMIN, now=utc_now()
        )


@pytest.fixture
async def browser(app: FastAPI, database: Database, ada: User) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that Ada has signed in with; it sends the CSRF header as the page does."""
    async with database.write() as session:
        secret = await credentials.open_session(
            session, ada.id, password_hash=ada.password_hash, address="", user_agent="", now=utc_now()
        )
    assert secret is not None
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://kumo.test/api/v1") as client:
        client.cookies.set("kumo_session", secret, domain="kumo.test")
        client.headers["X-CSRF-Token"] = credentials.csrf_token(secret)
        yield client


@pytest.fixture
def authenticator(database: Database, clock: ManualClock) -> Authenticator:
    """An authenticator whose time the test commands."""
    return Authenticator(database, session_lifetime=timedelta(hours=1), clock=clock)
