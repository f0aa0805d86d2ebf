"""What tasks use is not deleted, and the tasks are named."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.errors import InvalidInput
from kumo.tasks import service, uses
from kumo.tasks.service import TaskDefinition
from tests.databases import on_one_database


async def make_tasks(client: httpx.AsyncClient, *names: str, **fields: Any) -> None:
    for name in names:
        answer = await client.post("/tasks", json={"name": name, "command": "true"} | fields)
        assert answer.status_code == 201, answer.text


async def make_environment(client: httpx.AsyncClient) -> int:
    answer = await client.post("/environments", json={"name": "rich", "packages": []})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def refusal(client: httpx.AsyncClient, path: str) -> tuple[str, list[str]]:
    """The sentence of a deletion that is refused, and the tasks that it names."""
    answer = await client.delete(path)
    assert answer.status_code == 409, answer.text
    error = answer.json()["error"]
    assert error["code"] == "conflict"
    assert {detail["field"] for detail in error["details"]} == {"task"}
    return error["message"], [detail["message"] for detail in error["details"]]


@on_one_database
@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["a"], "the task 'a'. Delete it or move it first."),
        (["b", "a"], "the tasks 'a' and 'b'. Delete them or move them first."),
        (["c", "b", "a"], "the tasks 'a', 'b' and 'c'. Delete them or move them first."),
        (["e", "d", "c", "b", "a"], "the tasks 'a', 'b' and 3 more. Delete them or move them first."),
    ],
)
async def test_the_tasks_of_a_project_are_named(
    client: httpx.AsyncClient, project_id: int, names: list[str], sentence: str
) -> None:
    await make_tasks(client, *names, project_id=project_id)
    refused = await refusal(client, f"/projects/{project_id}")
    assert refused == (f"Project 'etl' is used by {sentence}", sorted(names))


async def test_no_more_than_twenty_tasks_are_listed_but_all_are_counted(
    client: httpx.AsyncClient, project_id: int
) -> None:
    names = [f"task {number:02}" for number in range(25)]
    await make_tasks(client, *names, project_id=project_id)
    message, listed = await refusal(client, f"/projects/{project_id}")
    assert "the tasks 'task 00', 'task 01' and 23 more." in message
    assert listed == names[:20]


async def test_only_tasks_that_use_it_now_are_in_the_way(client: httpx.AsyncClient, project_id: int) -> None:
    environment_id = await make_environment(client)
    other = (await client.post("/projects", json={"name": "other"})).json()["id"]
    await make_tasks(client, "plain", project_id=project_id)
    await make_tasks(client, "with", project_id=other, environment_id=environment_id)
    await make_tasks(client, "deleted", project_id=other, environment_id=environment_id)
    tasks = {task["name"]: task["id"] for task in (await client.get("/tasks")).json()["items"]}
    assert (await client.delete(f"/tasks/{tasks['deleted']}")).status_code == 204

    refused = await refusal(client, f"/environments/{environment_id}")
    sentence = "Environment 'rich' is used by the task 'with'. Delete it or give it another environment first."
    assert refused == (sentence, ["with"])
    assert (await client.get(f"/environments/{environment_id}")).status_code == 200
    assert (await refusal(client, f"/projects/{other}"))[1] == ["with"]

    moved = await client.patch(f"/tasks/{tasks['with']}", json={"project_id": project_id, "environment_id": None})
    assert moved.status_code == 200
    for path in (f"/environments/{environment_id}", f"/projects/{other}"):
        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404
        assert (await client.delete(path)).status_code == 404
    assert (await refusal(client, f"/projects/{project_id}"))[1] == ["plain", "with"]


# On SQLite there is one writer at a time anyway.
@pytest.mark.parametrize("stored_settings", ["postgresql"], indirect=True)
async def test_a_task_that_comes_while_its_project_goes_finds_none(
    app: FastAPI, client: httpx.AsyncClient, project_id: int
) -> None:
    database: Database = app.state.database

    async def make_task() -> None:
        async with database.write() as session:
            definition = TaskDefinition(name="late", project_id=project_id, command="true")
            await service.create(session, definition, [], utc_now())

    async def waits_for_a_lock() -> bool:
        async with database.read() as session:
            query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            return await session.scalar(text(query)) is not None

    async with database.write() as session:
        await uses.delete_project(session, project_id, utc_now())
        # It still sees the project, whose deletion is not committed, but must not have it.
        making = asyncio.create_task(make_task())
        while not await waits_for_a_lock():
            assert not making.done(), "the task has not waited for the deletion's end"
            await asyncio.sleep(0.01)
    with pytest.raises(InvalidInput, match=f"Project {project_id} does not exist"):
        await making
    assert (await client.get("/tasks")).json()["items"] == []
