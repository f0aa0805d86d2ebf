from __future__ import annotations

import hashlib
import hmac
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kumo.access.gate import public_route
from kumo.db.session import Database
from kumo.projects.models import Project
from kumo.runs.models import Run
from kumo.schedules.hook_bodies import HookBodies
from kumo.tasks.models import TriggerRow
from tests.databases import on_one_database


@pytest.fixture
async def task(client: httpx.AsyncClient) -> Any:
    """A task with files, and with a webhook."""
    project = (await client.post("/projects", json={"name": "hooked"})).json()
    await client.put(f"/projects/{project['id']}/files/main.py", json={"content": "print('called')"})
    body = {"name": "t", "project_id": project["id"], "command": "python main.py", "triggers": [{"type": "webhook"}]}
    return (await client.post("/tasks", json=body)).raise_for_status().json()


@pytest.fixture
def folder(app: FastAPI) -> Path:
    """Where bodies lie."""
    home: Path = app.state.settings.home
    return home / "webhooks"


@pytest.fixture
async def from_elsewhere(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A stranger at another address."""
    transport = httpx.ASGITransport(app, client=("203.0.113.9", 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://kumo.test/api/v1") as client:
        yield client


def address(task: Any) -> str:
    path: str = task["triggers"][0]["url_path"]
    assert path.startswith("/api/v1/hooks/")
    return path.removeprefix("/api/v1")


async def run_of(app: FastAPI, run_id: int) -> Run:
    database: Database = app.state.database
    async with database.read() as session:
        return await session.get_one(Run, run_id)


async def test_a_call_makes_a_run_with_its_body(
    app: FastAPI, stranger: httpx.AsyncClient, task: Any, folder: Path
) -> None:
    answer = await stranger.post(address(task), content=b'{"ref": "main"}')
    assert answer.status_code == 202
    assert list(answer.json()) == ["run_id"]
    run = await run_of(app, answer.json()["run_id"])
    assert (run.task_id, run.cause_type, run.trigger_id, run.actor) == (
        task["id"],
        "webhook",
        task["triggers"][0]["id"],
        None,
    )
    assert run.webhook_body is not None
    (path,) = folder.iterdir()
    assert (path.name, path.read_bytes()) == (run.webhook_body, b'{"ref": "main"}')
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    empty = await stranger.post(address(task))
    assert (await run_of(app, empty.json()["run_id"])).webhook_body is None


async def test_an_address_is_told_once_and_stored_as_its_hash(
    app: FastAPI, client: httpx.AsyncClient, task: Any
) -> None:
    shown = (await client.get(f"/tasks/{task['id']}")).json()["triggers"]
    assert [(each["type"], each["has_secret"], each["url_path"]) for each in shown] == [("webhook", False, None)]
    token = address(task).removeprefix("/hooks/")
    assert len(token) == 43
    database: Database = app.state.database
    async with database.read() as session:
        row = (await session.scalars(select(TriggerRow))).one()
    assert (row.token_hash, row.next_due_at) == (hashlib.sha256(token.encode()).digest(), None)
    kept = await client.patch(f"/tasks/{task['id']}", json={"triggers": shown})
    assert kept.json()["triggers"] == shown
    other = await client.patch(f"/tasks/{task['id']}", json={"triggers": [{"type": "webhook"}]})
    assert address(other.json()) != address(task)
    assert (await client.post(address(task))).status_code == 404
    assert (await client.post(address(other.json()))).status_code == 202


async def test_a_secret_is_asked_for(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, app: FastAPI, task: Any
) -> None:
    trigger = {"id": task["triggers"][0]["id"], "type": "webhook"}
    changed = await client.patch(f"/tasks/{task['id']}", json={"triggers": [trigger | {"secret": "s3cret wörd"}]})
    assert "s3cret" not in changed.text
    assert changed.json()["triggers"][0]["has_secret"] is True
    database: Database = app.state.database
    async with database.read() as session:
        row = (await session.scalars(select(TriggerRow))).one()
    assert "s3cret" not in str(row.settings)
    body = b"anything"
    signature = "sha256=" + hmac.new("s3cret wörd".encode(), body, hashlib.sha256).hexdigest()
    for wrong in ({}, {"X-Hub-Signature-256": signature[:-1] + "x"}, {"X-Hub-Signature-256": signature[7:]}):
        refused = await stranger.post(address(task), content=body, headers=wrong)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    right = await stranger.post(address(task), content=body, headers={"X-Hub-Signature-256": signature})
    assert right.status_code == 202
    # Sent back as it was read it stays, and null takes it away.
    read = (await client.get(f"/tasks/{task['id']}")).json()["triggers"]
    assert (await client.patch(f"/tasks/{task['id']}", json={"triggers": read})).json()["triggers"] == read
    await client.patch(f"/tasks/{task['id']}", json={"triggers": [trigger | {"secret": None}]})
    assert (await stranger.post(address(task), content=body)).status_code == 202


async def test_a_paused_task_is_not_run(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, task: Any, folder: Path
) -> None:
    await client.post(f"/tasks/{task['id']}/pause")
    answer = await stranger.post(address(task), content=b"x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert not folder.exists()


async def test_a_call_that_cannot_be_run_leaves_no_body(
    app: FastAPI, stranger: httpx.AsyncClient, task: Any, folder: Path
) -> None:
    database: Database = app.state.database
    async with database.write() as session:
        (await session.get_one(Project, task["project_id"])).snapshot_id = None
    assert (await stranger.post(address(task), content=b"x")).status_code == 409
    assert list(folder.iterdir()) == []


@on_one_database
async def test_guessing_is_slowed_down_where_it_comes_from(
    stranger: httpx.AsyncClient, from_elsewhere: httpx.AsyncClient, task: Any
) -> None:
    answers = [(await stranger.post(f"/hooks/{number}")).status_code for number in range(8)]
    assert answers == [404] * 5 + [429] * 3
    assert (await from_elsewhere.post("/hooks/guess")).status_code == 404
    # Whoever knows an address is let through, also from where others guess.
    assert (await stranger.post(address(task))).status_code == 202


@on_one_database
async def test_a_body_is_at_most_a_mebibyte(stranger: httpx.AsyncClient, task: Any, folder: Path) -> None:
    assert (await stranger.post(address(task), content=bytes(1 << 20))).status_code == 202
    large = await stranger.post(address(task), content=bytes((1 << 20) + 1))
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(100_000)

    assert (await stranger.post(address(task), content=chunks())).status_code == 413
    assert len(list(folder.iterdir())) == 1


@on_one_database
async def test_a_signed_in_browser_is_nobody_special_here(stranger: httpx.AsyncClient, task: Any) -> None:
    # No session is looked at, so a foreign page gains nothing by a browser that sends its cookies along.
    answer = await stranger.post(address(task), headers={"Cookie": "kumo_session=anything"})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "public"),
    [
        ("POST", "/api/v1/hooks/abc", True),
        ("POST", "/api/v1/hooks/{token}", True),
        ("GET", "/api/v1/hooks/abc", False),
        ("POST", "/api/v1/hooks/", False),
        ("POST", "/api/v1/hooks", False),
        ("POST", "/api/v1/hooks/abc/", False),
        ("POST", "/api/v1/hooks/abc/../../tasks", False),
        ("POST", "/api/v1/hooks/abc/def", False),
        ("POST", "/API/v1/hooks/abc", False),
        ("POST", "/x/api/v1/hooks/abc", False),
        ("POST", "/api/v1/auth/login", True),
        ("POST", "/api/v1/auth/loginx", False),
        ("POST", "/api/v1/auth/login/x", False),
        ("DELETE", "/api/v1/health", False),
    ],
)
def test_which_requests_are_for_strangers(method: str, path: str, *, public: bool) -> None:
    assert (public_route(method, path) is not None) == public


@on_one_database
async def test_bodies_that_a_killed_server_left_are_settled(
    app: FastAPI, stranger: httpx.AsyncClient, task: Any, folder: Path
) -> None:
    answer = await stranger.post(address(task), content=b"stored")
    name = (await run_of(app, answer.json()["run_id"])).webhook_body
    assert name is not None
    (folder / f"{name}.pending").hardlink_to(folder / name)
    bodies = HookBodies(app.state.settings.home)
    orphan = await bodies.keep(b"never queued")
    assert {path.name for path in folder.iterdir()} == {name, f"{name}.pending", orphan, f"{orphan}.pending"}
    await bodies.settle_all(app.state.database)
    assert [path.name for path in folder.iterdir()] == [name]


async def test_who_follows_whom_over_http(client: httpx.AsyncClient, task: Any) -> None:
    body = {"name": "second", "project_id": task["project_id"], "command": "true"}
    triggers = [{"type": "after", "task_id": task["id"], "on": "end"}, {"type": "after", "task_id": task["id"]}]
    second = (await client.post("/tasks", json=body | {"triggers": triggers})).json()
    assert [(each["task_id"], each["on"]) for each in second["triggers"]] == [
        (task["id"], "end"),
        (task["id"], "success"),
    ]
    assert second["next_due_at"] is None
    ring = await client.patch(f"/tasks/{task['id']}", json={"triggers": [{"type": "after", "task_id": second["id"]}]})
    assert ring.status_code == 422
    assert "'t' after 'second' after 't'" in ring.json()["error"]["message"]
    deleted = await client.delete(f"/tasks/{task['id']}")
    assert (deleted.status_code, deleted.json()["error"]["details"]) == (409, [{"field": "task", "message": "second"}])
    for wrong, field in (
        ({"type": "after"}, "triggers.0.task_id"),
        ({"type": "after", "task_id": 99}, "triggers.0.task_id"),
        ({"type": "after", "task_id": 1, "on": "never"}, "triggers.0.on"),
        ({"type": "webhook", "jitter_seconds": 1}, "triggers.0.jitter_seconds"),
        ({"type": "webhook", "secret": ""}, "triggers.0.secret"),
        ({"type": "date", "at": "2999-01-01T00:00:00Z", "on": "end"}, "triggers.0.on"),
    ):
        answer = await client.post("/tasks", json=body | {"name": "wrong", "triggers": [wrong]})
        assert answer.status_code == 422, answer.text
        assert [detail["field"] for detail in answer.json()["error"]["details"]] == [field]
