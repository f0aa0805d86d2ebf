"""Changing the password; making and revoking API tokens."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import select

from kumo.access import credentials
from kumo.access.models import ApiToken, User
from kumo.access.passwords import hash_password, password_matches
from kumo.clock import utc_now
from kumo.db.session import Database
from tests.server import PASSWORD

NEW = "an even better one"


async def test_a_new_password_ends_the_other_sessions(browser: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    await stranger.post("/auth/login", json={"username": "ada", "password": PASSWORD})
    answer = await browser.post("/auth/password", json={"current_password": PASSWORD, "new_password": NEW})
    assert answer.status_code == 204
    assert (await browser.get("/auth/me")).status_code == 200
    assert (await stranger.get("/auth/me")).status_code == 401
    assert (await stranger.post("/auth/login", json={"username": "ada", "password": PASSWORD})).status_code == 401
    assert (await stranger.post("/auth/login", json={"username": "ada", "password": NEW})).status_code == 200


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [("wrong password", NEW, "current_password"), (PASSWORD, "short", "new_password")],
)
async def test_a_password_is_not_changed_without_the_old_one_or_to_a_bad_one(
    browser: httpx.AsyncClient, current: str, new: str, field: str
) -> None:
    answer = await browser.post("/auth/password", json={"current_password": current, "new_password": new})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == field


async def test_nobody_signs_in_by_a_password_changed_while_it_was_checked(database: Database, ada: User) -> None:
    async with database.write() as session:
        await credentials.change_password(session, ada.id, password_hash="another", keep_session_id=None)
    async with database.write() as session:
        opened = await credentials.open_session(
            session, ada.id, password_hash=ada.password_hash, address="", user_agent="", now=utc_now()
        )
    assert opened is None


async def test_equal_passwords_have_different_hashes() -> None:
    first, second = await hash_password(PASSWORD), await hash_password(PASSWORD)
    assert first != second
    assert first.startswith("$argon2id$")
    assert await password_matches(first, PASSWORD)
    assert not await password_matches(first, PASSWORD + " ")
    assert not await password_matches(None, PASSWORD)


async def test_a_token_is_shown_once_and_stored_as_a_hash(browser: httpx.AsyncClient, database: Database) -> None:
    made = (await browser.post("/tokens", json={"name": "deploy"})).json()
    [listed] = (await browser.get("/tokens")).json()["items"]
    assert listed == {"id": made["id"], "name": "deploy", "created_at": made["created_at"], "last_used_at": None}
    async with database.read() as session:
        stored = (await session.scalars(select(ApiToken))).one()
    assert stored.token_hash == credentials.digest(made["token"])


async def test_a_revoked_token_is_refused_at_once(browser: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    made = (await browser.post("/tokens", json={"name": "deploy"})).json()
    stranger.headers["Authorization"] = f"Bearer {made['token']}"
    assert (await stranger.get("/auth/me")).status_code == 200
    assert (await browser.delete(f"/tokens/{made['id']}")).status_code == 204
    answer = await stranger.get("/auth/me")
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "This API token is not valid; make a new one."
    assert (await browser.delete(f"/tokens/{made['id']}")).status_code == 404


async def test_a_token_needs_a_name(browser: httpx.AsyncClient) -> None:
    bodies: tuple[dict[str, object], ...] = (
        {},
        {"name": ""},
        {"name": "x" * 101},
        {"name": 7},
        {"name": "x", "more": 1},
    )
    for body in bodies:
        assert (await browser.post("/tokens", json=body)).status_code == 422, body


async def test_a_name_that_cannot_be_stored_is_refused(browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/tokens", json={"name": "a\x00b"})).status_code == 422


async def test_a_made_up_cursor_is_refused(browser: httpx.AsyncClient) -> None:
    for cursor in ("x", "WzFd" * 400, "WyJhIl0", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5XQ", "bnVsbA", "W10", "é"):
        answer = await browser.get("/tokens", params={"cursor": cursor})
        assert answer.status_code == 422, cursor
        assert answer.json()["error"]["details"][0]["field"] == "cursor"
