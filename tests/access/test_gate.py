"""The gate: who passes, who does not, and what it remembers."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event, select

from kumo.access import credentials
from kumo.access.gate import Authenticator, Presented
from kumo.access.models import ApiToken, LoginSession, User
from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.errors import Unauthenticated
from tests.fakes import ManualClock

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/v1/auth/me", "/api/v1/change", "/api/openapi.json"]
)
async def test_a_stranger_is_refused_whether_the_route_exists_or_not(stranger: httpx.AsyncClient, path: str) -> None:
    for method in METHODS:
        answer = await stranger.request(method, f"http://kumo.test{path}")
        assert answer.status_code == 401, method
        assert answer.headers["www-authenticate"] == "Bearer"
        if method != "HEAD":
            assert answer.json()["error"]["code"] == "unauthenticated"


SPELLINGS = (
    "/API/v1/auth/me",
    "/Api/V1/auth/me",
    "//api/v1/auth/me",
    "/api//v1/auth/me",
    "/api/v1/setup/../auth/me",
    "/api/v1/health/../auth/me",
    "/api/v1/auth/me/",
    "/api/v1/auth/me;x",
    "/%61pi/v1/auth/me",
    "/api/v1/setup%2f..%2fauth/me",
    "/./api/v1/auth/me",
    "/x/../api/v1/auth/me",
)


async def test_no_spelling_of_a_path_leads_past_the_gate(app: FastAPI, ada: User) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        for path in SPELLINGS:
            url = httpx.URL("http://kumo.test").copy_with(raw_path=path.encode())
            answer = await client.send(httpx.Request("GET", url))
            assert answer.status_code in (401, 404), path
            assert "Ada" not in answer.text


async def test_a_header_that_is_no_token_opens_nothing(stranger: httpx.AsyncClient) -> None:
    for value in ("", "Bearer", "Bearer ", "Bearer kumo_", "Bearer kumo_x", "Basic YWRhOng=", "kumo_x", "Bearer é"):
        answer = await stranger.get("/auth/me", headers={b"Authorization": value.encode("latin-1")})
        assert answer.status_code == 401, value


async def test_a_session_is_no_token_and_a_token_no_session(browser: httpx.AsyncClient, app: FastAPI) -> None:
    token = (await browser.post("/tokens", json={"name": "x"})).json()["token"]
    session = browser.cookies["kumo_session"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kumo.test/api/v1") as other:
        swapped = [{"Authorization": f"Bearer {session}"}, {"Cookie": f"kumo_session={token}"}]
        assert [(await other.get("/auth/me", headers=headers)).status_code for headers in swapped] == [401, 401]


async def test_changes_by_cookie_need_the_csrf_header(browser: httpx.AsyncClient) -> None:
    right = browser.headers.pop("X-CSRF-Token")
    assert (await browser.get("/auth/me")).status_code == 200
    for header in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": right[:-1]}):
        answer = await browser.post("/change", headers=header)
        assert answer.status_code == 403
        assert "X-CSRF-Token" in answer.json()["error"]["message"]
    assert (await browser.post("/change", headers={"X-CSRF-Token": right})).json() == "Ada"


async def test_another_session_s_csrf_token_does_not_fit(browser: httpx.AsyncClient) -> None:
    browser.headers["X-CSRF-Token"] = credentials.csrf_token(credentials.new_secret())
    assert (await browser.post("/change")).status_code == 403


async def test_a_token_needs_no_csrf_header(browser: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    token = (await browser.post("/tokens", json={"name": "deploy"})).json()["token"]
    assert token.startswith("kumo_")
    answer = await stranger.post("/change", headers={"Authorization": f"Bearer {token}"})
    assert answer.json() == "Ada"


SENT_FROM: tuple[tuple[dict[str, str], bool], ...] = (
    ({}, True),
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),
    ({"Origin": "http://kumo.test"}, True),
    ({"Origin": "https://proxy.test", "X-Forwarded-Host": "proxy.test"}, True),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Origin": "http://evil.test"}, False),
    ({"Origin": "null"}, False),
)


async def test_another_site_s_page_cannot_sign_a_browser_in(stranger: httpx.AsyncClient) -> None:
    for headers, is_ours in SENT_FROM:
        # A body that is wrong: what is asked here is how far the request comes.
        answer = await stranger.post("/auth/login", json={"username": 1}, headers=headers)
        assert answer.status_code == (422 if is_ours else 403), headers


async def test_to_identify_somebody_takes_one_query_and_then_none(
    database: Database, ada: User, authenticator: Authenticator
) -> None:
    secret = await _token(database, ada)
    statements: list[str] = []
    event.listen(database._reader.sync_engine, "before_cursor_execute", lambda *given: statements.append(str(given[2])))
    for _ in range(3):
        assert await authenticator.identify(Presented(secret=secret, by_cookie=False)) is not None
    assert len([s for s in statements if s.startswith("SELECT")]) == 1


async def test_what_is_forgotten_is_asked_again(database: Database, ada: User, authenticator: Authenticator) -> None:
    presented = Presented(secret=await _token(database, ada), by_cookie=False)
    caller = await authenticator.identify(presented)
    assert caller is not None
    assert caller.token_id is not None
    async with database.write() as session:
        assert await credentials.end_token(session, caller.token_id, user_id=ada.id)
    authenticator.forget()
    assert await authenticator.identify(presented) is None


async def test_a_session_ends_an_hour_after_its_last_use(
    database: Database, ada: User, authenticator: Authenticator, clock: ManualClock
) -> None:
    async with database.write() as session:
        secret = await credentials.open_session(
            session, ada.id, password_hash=ada.password_hash, address="", user_agent="", now=clock()
        )
    assert secret is not None
    presented = Presented(secret=secret, by_cookie=True)
    clock.advance(minutes=50)
    assert await authenticator.identify(presented) is not None
    await authenticator.step(clock())
    authenticator.forget()
    clock.advance(minutes=59)
    assert await authenticator.identify(presented) is not None
    clock.advance(minutes=1)
    authenticator.forget()
    assert await authenticator.identify(presented) is None
    await authenticator.step(clock.advance(minutes=60))
    async with database.read() as reading:
        assert (await reading.scalars(select(LoginSession))).all() == []


async def test_the_last_use_of_a_token_is_written_by_the_loop(
    database: Database, ada: User, authenticator: Authenticator, clock: ManualClock
) -> None:
    presented = Presented(secret=await _token(database, ada), by_cookie=False)
    await authenticator.identify(presented)
    await authenticator.step(clock.advance(seconds=30))
    async with database.read() as session:
        token = (await session.scalars(select(ApiToken))).one()
    assert token.last_used_at == clock.advance(seconds=-30)


async def test_without_a_caller_a_route_refuses_also_where_no_gate_stands(ada: User) -> None:
    from starlette.requests import Request  # noqa: PLC0415

    from kumo.access.dependencies import current_caller  # noqa: PLC0415

    with pytest.raises(Unauthenticated):
        await current_caller(Request({"type": "http", "headers": []}))


async def _token(database: Database, user: User) -> str:
    async with database.write() as session:
        _, secret = await credentials.issue_token(session, user.id, name="test", now=utc_now())
    return secret
