"""The one-time setup link."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from sqlalchemy import func, select

from kumo.access import credentials
from kumo.access.models import SetupToken, User
from kumo.access.permissions import Role
from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.errors import Conflict, KumoError
from tests.server import PASSWORD


@pytest.fixture
async def setup_token(database: Database) -> str:
    async with database.write() as session:
        return await credentials.renew_setup_token(session, utc_now())


async def test_the_link_makes_the_first_account_and_signs_it_in(stranger: httpx.AsyncClient, setup_token: str) -> None:
    assert (await stranger.get("/setup")).json() == {"needed": True}
    answer = await stranger.post("/setup", json={"token": setup_token, "username": "ada", "password": PASSWORD})
    assert answer.status_code == 201
    assert answer.json()["role"] == "admin"
    assert (await stranger.get("/auth/me")).json()["username"] == "ada"
    assert (await stranger.get("/setup")).json() == {"needed": False}


async def test_the_link_works_once(stranger: httpx.AsyncClient, setup_token: str) -> None:
    body = {"token": setup_token, "username": "ada", "password": PASSWORD}
    await stranger.post("/setup", json=body)
    again = await stranger.post("/setup", json=body | {"username": "eve"})
    assert again.status_code == 409
    assert "Sign in" in again.json()["error"]["message"]


async def test_a_wrong_token_makes_nothing(stranger: httpx.AsyncClient, setup_token: str, database: Database) -> None:
    answer = await stranger.post("/setup", json={"token": "guess", "username": "eve", "password": PASSWORD})
    assert answer.status_code == 403
    async with database.read() as session:
        assert not await credentials.account_exists(session)


async def test_of_two_who_use_the_link_at_once_one_gets_an_account(
    database: Database, setup_token: str, password_hash: str
) -> None:
    async def use(username: str) -> str:
        try:
            async with database.write() as session:
                await credentials.use_setup_token(
                    session, setup_token, username=username, password_hash=password_hash, now=utc_now()
                )
        except KumoError as error:
            return error.code
        return "made"

    outcomes = await asyncio.gather(*(use(f"user{number}") for number in range(5)))
    assert sorted(outcomes) == ["forbidden"] * 4 + ["made"]
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(User)) == 1


async def test_any_account_ends_the_link(database: Database, setup_token: str, ada: User) -> None:
    async with database.read() as session:
        assert (await session.scalars(select(SetupToken))).all() == []


async def test_a_new_link_replaces_the_old_one(
    stranger: httpx.AsyncClient, database: Database, setup_token: str
) -> None:
    async with database.write() as session:
        await credentials.renew_setup_token(session, utc_now())
    answer = await stranger.post("/setup", json={"token": setup_token, "username": "ada", "password": PASSWORD})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("username", "password", "field", "words"),
    [
        ("ada", "short", "password", "at least 10 characters"),
        ("ada", "x" * 257, "password", "256"),
        ("long-enough-name", "Long-Enough-Name", "password", "account's name"),
        ("a b", PASSWORD, "username", "letters, digits"),
        ("ada\n", PASSWORD, "username", "letters, digits"),
        ("ß" * 40, PASSWORD, "username", "letters, digits"),
    ],
)
async def test_what_makes_a_bad_name_or_password_is_said(
    stranger: httpx.AsyncClient, setup_token: str, username: str, password: str, field: str, words: str
) -> None:
    answer = await stranger.post("/setup", json={"token": setup_token, "username": username, "password": password})
    assert answer.status_code == 422
    [detail] = answer.json()["error"]["details"]
    assert detail["field"] == field
    assert words in detail["message"]


async def test_names_that_differ_in_letter_case_are_one(database: Database, ada: User, password_hash: str) -> None:
    with pytest.raises(Conflict, match="“ADA” is taken"):
        async with database.write() as session:
            await credentials.create_account(
                session, username="ADA", password_hash=password_hash, role=Role.ADMIN, now=utc_now()
            )
