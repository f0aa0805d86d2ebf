"""Signing in, staying so, and signing out."""

from __future__ import annotations

import hashlib

import httpx
import pytest
from sqlalchemy import select

from kumo.access.models import LoginSession, User
from kumo.db.session import Database
from tests.server import PASSWORD


async def test_signing_in_gives_two_cookies_and_says_who_one_is(stranger: httpx.AsyncClient, ada: User) -> None:
    answer = await stranger.post("/auth/login", json={"username": "Ada", "password": PASSWORD})

    assert answer.json() == {"id": ada.id, "username": "Ada", "role": "admin"}
    session, csrf = answer.headers.get_list("set-cookie")
    assert session.startswith("kumo_session=")
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert csrf.startswith("kumo_csrf=")
    assert "HttpOnly" not in csrf
    assert (await stranger.get("/auth/me")).json()["username"] == "Ada"


async def test_the_cookie_is_for_https_alone_where_https_is_spoken(stranger: httpx.AsyncClient, ada: User) -> None:
    body = {"username": "ada", "password": PASSWORD}
    answer = await stranger.post("https://kumo.test/api/v1/auth/login", json=body)
    assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


async def test_letter_case_names_the_same_account(stranger: httpx.AsyncClient, ada: User) -> None:
    answer = await stranger.post("/auth/login", json={"username": "ADA", "password": PASSWORD})
    assert answer.json()["id"] == ada.id


@pytest.mark.parametrize(("username", "password"), [("ada", "wrong password"), ("bob", PASSWORD)])
async def test_a_wrong_password_and_a_wrong_name_answer_alike(
    stranger: httpx.AsyncClient, ada: User, username: str, password: str
) -> None:
    answer = await stranger.post("/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "The username or the password is not right."
    assert "set-cookie" not in answer.headers


BAD_BODIES: tuple[object, ...] = (
    {},
    [],
    {"username": "ada"},
    {"username": "ada", "password": ""},
    {"username": "", "password": PASSWORD},
    {"username": "a" * 65, "password": PASSWORD},
    {"username": "ada", "password": "x" * 257},
    {"username": "ada", "password": PASSWORD, "admin": True},
    {"username": ["ada"], "password": PASSWORD},
)


async def test_a_body_of_another_shape_is_refused(stranger: httpx.AsyncClient) -> None:
    for body in BAD_BODIES:
        answer = await stranger.post("/auth/login", json=body)
        assert answer.status_code == 422, body
        assert answer.json()["error"]["details"]
        assert PASSWORD not in answer.text


async def test_strange_names_and_passwords_are_only_wrong(stranger: httpx.AsyncClient, ada: User) -> None:
    for strange in ("\\u0000", "\\ud800", "🦊", "' OR 1=1 --"):
        body = f'{{"username": "a{strange}", "password": "{strange}"}}'
        answer = await stranger.post("/auth/login", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (401, 422), strange


async def test_signing_out_ends_the_session(browser: httpx.AsyncClient) -> None:
    secret = browser.cookies["kumo_session"]
    assert (await browser.post("/auth/logout")).status_code == 204
    assert "kumo_session" not in browser.cookies
    browser.cookies.set("kumo_session", secret, domain="kumo.test")
    answer = await browser.get("/auth/me")
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "This session has ended; sign in again."


async def test_only_the_hash_of_a_session_is_stored(browser: httpx.AsyncClient, database: Database) -> None:
    async with database.read() as session:
        stored = (await session.scalars(select(LoginSession))).one()
    assert stored.token_hash == hashlib.sha256(browser.cookies["kumo_session"].encode()).digest()


async def test_one_lists_where_one_is_signed_in_and_signs_others_out(
    browser: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await stranger.post(
        "/auth/login", json={"username": "ada", "password": PASSWORD}, headers={"User-Agent": "a phone"}
    )
    phone, own = (await browser.get("/auth/sessions")).json()["items"]
    assert (phone["user_agent"], phone["current"], own["current"]) == ("a phone", False, True)

    assert (await browser.delete(f"/auth/sessions/{phone['id']}")).status_code == 204
    assert (await stranger.get("/auth/me")).status_code == 401
    assert (await browser.delete(f"/auth/sessions/{phone['id']}")).status_code == 404


async def test_sessions_come_in_pages(browser: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    await stranger.post("/auth/login", json={"username": "ada", "password": PASSWORD})
    first = (await browser.get("/auth/sessions?limit=1")).json()
    second = (await browser.get("/auth/sessions", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert first["items"][0]["id"] > second["items"][0]["id"]
    assert second["next_cursor"] is None


async def test_an_id_that_cannot_be_is_refused(browser: httpx.AsyncClient) -> None:
    for session_id in ("0", "-1", "x", str(2**63), str(10**40)):
        assert (await browser.delete(f"/auth/sessions/{session_id}")).status_code == 422, session_id
