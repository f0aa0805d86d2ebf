"""Background duties when what they need is away, and when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from kumo.clock import utc_now
from kumo.db import session as sessions
from kumo.db.changes import Change
from kumo.db.session import Database, database_url
from kumo.errors import Unavailable
from kumo.loops import Loops, LoopState
from kumo.settings import Settings
from tests.postgres import PostgresServer

on_postgres = pytest.mark.parametrize("stored_settings", ["postgresql"], indirect=True)

DUTIES = {"supervisor", "scheduler", "builder"}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def failed_once(forever: Callable[[], Awaitable[None]]) -> tuple[LoopState, dict[str, Any]]:
    """Let a duty fail once: its state, and what was logged."""
    loops = Loops(utc_now)
    with capture_logs() as logs:
        loops.start("duty", forever)
        await until(lambda: loops.states["duty"].failures == 1)
        await loops.stop()
    (line,) = logs
    return loops.states["duty"], dict(line)


@on_postgres
async def test_an_outage_of_the_database_is_a_line_for_each_try(
    app: FastAPI,
    stranger: httpx.AsyncClient,
    stored_settings: Settings,
    postgres: PostgresServer,
    postgres_template: str,
) -> None:
    database: Database = app.state.database
    name = make_url(database_url(stored_settings)).database
    assert name is not None
    with capture_logs() as logs:
        await asyncio.to_thread(postgres.drop_database, name)

        def all_have_told_twice() -> bool:
            database.changes.publish([Change("schedule", 0), Change("queue", 0), Change("build", 0)])
            told = [line["loop"] for line in logs if line["event"] == "the database does not answer"]
            return all(told.count(duty) >= 2 for duty in DUTIES)

        await until(all_have_told_twice)
        assert (await stranger.get("/health")).status_code == 503
        await asyncio.to_thread(postgres.create_database, template=postgres_template, name=name)
        await until(lambda: all(state.running for state in app.state.loops.states.values()))
    of_duties = [line for line in logs if "loop" in line]
    assert {(line["event"], line["log_level"]) for line in of_duties} == {("the database does not answer", "warning")}
    assert not [
        line for line in of_duties if "exc_info" in line or "\n" in line["reason"] or "SELECT" in line["reason"]
    ]
    assert (await stranger.get("/health")).json() == {"status": "ok"}


@on_postgres
async def test_a_pool_without_a_free_connection_is_an_outage_too(
    stored_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_POOL_TIMEOUT_SECONDS", 0.01)
    database = Database(database_url(stored_settings), pool_size=1)

    async def ask() -> None:
        async with database.read() as session:
            await session.execute(text("SELECT 1"))
            await ask()

    state, line = await failed_once(ask)
    await database.close()
    assert (line["event"], line["loop"], line["log_level"]) == ("the database does not answer", "duty", "warning")
    assert "QueuePool limit of size 1" in line["reason"]
    assert "exc_info" not in line
    assert state.last_error == f"The database does not answer: {line['reason']}"


async def test_what_is_missing_is_told_in_its_own_words() -> None:
    async def need_room() -> None:
        raise Unavailable("The disk is full.")

    state, line = await failed_once(need_room)
    assert (line["log_level"], line["reason"], state.last_error) == (
        "warning",
        "The disk is full.",
        "The disk is full.",
    )
    assert "exc_info" not in line


async def test_a_defect_brings_its_traceback() -> None:
    async def stumble() -> None:
        raise ValueError("two")

    state, line = await failed_once(stumble)
    assert line["log_level"] == "error"
    assert isinstance(line["exc_info"], ValueError)
    assert line["exc_info"].__traceback__ is not None
    assert state.last_error == "ValueError: two"
