from __future__ import annotations

from typing import Any

import httpx

from tests.databases import on_one_database

CRON = {
    "type": "cron",
    "expression": "30 2 * * *",
    "timezone": "Europe/Berlin",
    "start_at": "2999-01-01T00:00:00.000Z",
    "end_at": "2999-03-01T00:00:00.000Z",
    "jitter_seconds": 300,
}


async def make(client: httpx.AsyncClient, project_id: int, *triggers: dict[str, Any]) -> Any:
    body = {"name": "nightly", "project_id": project_id, "command": "true", "triggers": triggers}
    return (await client.post("/tasks", json=body)).raise_for_status().json()


async def test_bounds_and_jitter_are_kept(client: httpx.AsyncClient, project_id: int) -> None:
    task = await make(client, project_id, CRON, {"type": "interval", "seconds": 90, "jitter_seconds": 5})
    cron, interval = task["triggers"]
    assert {name: cron[name] for name in CRON} == CRON
    assert (interval["seconds"], interval["jitter_seconds"]) == (90, 5)
    assert (await client.get(f"/tasks/{task['id']}")).json()["triggers"] == task["triggers"]


async def test_a_trigger_that_is_sent_back_as_it_was_keeps_its_place(
    client: httpx.AsyncClient, project_id: int
) -> None:
    task = await make(client, project_id, {"type": "interval", "seconds": 7200, "jitter_seconds": 3600})
    sent_back = (await client.patch(f"/tasks/{task['id']}", json={"triggers": task["triggers"]})).json()
    assert sent_back["triggers"] == task["triggers"]
    assert sent_back["next_due_at"] == task["next_due_at"]


@on_one_database
async def test_equal_triggers_of_several_tasks_are_spread(client: httpx.AsyncClient, project_id: int) -> None:
    midnight = {"type": "cron", "expression": "0 0 1 1 *", "jitter_seconds": 3600}
    body = {"project_id": project_id, "command": "true", "triggers": [midnight]}
    tasks = [(await client.post("/tasks", json=body | {"name": f"task {number}"})).json() for number in range(8)]
    assert len({task["next_due_at"] for task in tasks}) == 8
    assert {task["next_due_at"][4:13] for task in tasks} == {"-01-01T00"}
