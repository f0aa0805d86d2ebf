from __future__ import annotations

from typing import Any

import httpx

from tests.databases import on_one_database

# What is refused before the database is asked need not be refused on both.
HUGE = 2**70


async def created(client: httpx.AsyncClient, project_id: int, **fields: Any) -> dict[str, Any]:
    body = {"name": "nightly", "project_id": project_id, "command": "python main.py"} | fields
    answer = await client.post("/tasks", json=body)
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()
    return task


def blamed(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [detail["field"] for detail in answer.json()["error"]["details"]]


async def test_a_task_has_its_defaults(client: httpx.AsyncClient, project_id: int) -> None:
    task = await created(client, project_id)
    assert task == {
        "id": task["id"],
        "version": 1,
        "name": "nightly",
        "description": "",
        "project_id": project_id,
        "project_name": "etl",
        "environment_id": None,
        "tags": [],
        "command": "python main.py",
        "shell": False,
        "active": True,
        "triggers": [],
        "overlap": "skip",
        "max_parallel": 1,
        "catch_up": "latest",
        "catch_up_window_seconds": 3600,
        "priority": 0,
        "timeout_seconds": 3600,
        "stop_grace_seconds": 10,
        "pool": None,
        "retry": {
            "max_attempts": 1,
            "delay_seconds": 60,
            "backoff": 2.0,
            "max_delay_seconds": 3600,
            "exit_codes": None,
        },
        "failure_threshold": None,
        "consecutive_failures": 0,
        "paused_reason": None,
        "limits": {"cpu_percent": None, "memory_bytes": None, "processes": None, "log_bytes": 1 << 30},
        "rate_limit": {"request_interval_ms": None, "max_requests_per_second": None},
        "blackouts": [],
        "proxy": None,
        "declared": False,
        "drift": [],
        "next_due_at": None,
        "last_run": None,
        "created_at": task["created_at"],
        "updated_at": task["created_at"],
    }
    assert task["created_at"].endswith("Z")
    assert (await client.get(f"/tasks/{task['id']}")).json() == task
    assert (await client.get("/tasks?q=NIGHT")).json() == {"items": [task], "next_cursor": None}


async def test_triggers_that_are_sent_back_as_they_came_keep_their_place(
    client: httpx.AsyncClient, project_id: int
) -> None:
    triggers = [
        {"type": "interval", "seconds": 86400.5},
        {"type": "cron", "expression": "0 3 1 1 *", "timezone": "Europe/Berlin"},
        {"type": "date", "at": "2120-01-01T00:00:00.123456+01:00"},
    ]
    task = await created(client, project_id, triggers=triggers)
    answer = await client.patch(f"/tasks/{task['id']}", json={"triggers": task["triggers"]})
    assert answer.status_code == 200, answer.text
    same = {"triggers", "next_due_at"}
    assert {name: answer.json()[name] for name in same} == {name: task[name] for name in same}
    assert answer.json()["version"] == 2


async def test_a_change_changes_what_it_names(client: httpx.AsyncClient, project_id: int) -> None:
    task = await created(client, project_id, tags=["a", "b", "a"], triggers=[{"type": "interval", "seconds": 90}])
    assert task["tags"] == ["a", "b"]
    changed = (await client.patch(f"/tasks/{task['id']}", json={"timeout_seconds": None, "priority": 3})).json()
    different = {"version": 2, "timeout_seconds": None, "priority": 3, "updated_at": changed["updated_at"]}
    assert changed == task | different


async def test_a_lost_update_is_a_conflict(client: httpx.AsyncClient, project_id: int) -> None:
    url = f"/tasks/{(await created(client, project_id))['id']}"
    assert (await client.patch(url, json={"priority": 1}, headers={"If-Match": "1"})).status_code == 200
    late = await client.patch(url, json={"priority": 2}, headers={"If-Match": "1"})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
    assert late.json()["error"]["details"] == [{"field": "version", "message": late.json()["error"]["message"]}]
    assert (await client.get(url)).json()["priority"] == 1


async def test_a_name_is_taken_until_its_task_is_deleted(client: httpx.AsyncClient, project_id: int) -> None:
    task = await created(client, project_id)
    again = {"name": " nightly ", "project_id": project_id, "command": "true"}
    taken = await client.post("/tasks", json=again)
    assert taken.status_code == 409
    message = "A task named 'nightly' exists already. Choose another name."
    assert taken.json()["error"]["message"] == message
    assert taken.json()["error"]["details"] == [{"field": "name", "message": message}]
    other = await created(client, project_id, name="other")
    renamed = await client.patch(f"/tasks/{other['id']}", json={"name": "nightly"})
    assert (renamed.status_code, renamed.json()["error"]["details"]) == (409, [{"field": "name", "message": message}])
    assert (await client.delete(f"/tasks/{task['id']}")).status_code == 204
    assert (await client.get(f"/tasks/{task['id']}")).status_code == 404
    assert (await client.post("/tasks", json=again)).status_code == 201


async def test_pages_hold_each_task_once_by_name(client: httpx.AsyncClient, project_id: int) -> None:
    for number in range(5):
        await created(client, project_id, name=f"task {number}", active=number != 2)
    names: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get("/tasks", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        names += [task["name"] for task in page["items"]]
        cursor = page["next_cursor"]
    assert names == [f"task {number}" for number in range(5)]
    assert len((await client.get("/tasks?active=false")).json()["items"]) == 1
    assert (await client.get(f"/tasks?project_id={project_id + 1}")).json()["items"] == []


async def test_pausing_takes_the_next_moment_away_and_resuming_brings_it_back(
    client: httpx.AsyncClient, project_id: int
) -> None:
    task = await created(client, project_id, triggers=[{"type": "cron", "expression": "0 0 1 1 *"}])
    paused = (await client.post(f"/tasks/{task['id']}/pause")).json()
    assert (paused["active"], paused["next_due_at"]) == (False, None)
    assert (await client.post(f"/tasks/{task['id']}/pause")).json() == paused
    resumed = (await client.post(f"/tasks/{task['id']}/resume")).json()
    assert (resumed["active"], resumed["next_due_at"]) == (True, task["next_due_at"])


@on_one_database
async def test_what_is_wrong_is_named(client: httpx.AsyncClient, project_id: int) -> None:
    task = await created(client, project_id)
    good = {"name": "other", "project_id": project_id, "command": "true"}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"colour": "red"}, "colour"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": None}, "name"),
        ({"command": ""}, "command"),
        ({"command": "a | b"}, "command"),
        ({"project_id": 999}, "project_id"),
        ({"project_id": HUGE}, "project_id"),
        ({"environment_id": 999}, "environment_id"),
        ({"overlap": "replace!"}, "overlap"),
        ({"max_parallel": 0}, "max_parallel"),
        ({"priority": HUGE}, "priority"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": "NaN"}, "timeout_seconds"),
        ({"tags": ["x" * 51]}, "tags.0"),
    ]
    for wrong, field in cases:
        assert blamed(await client.post("/tasks", json=good | wrong)) == [field], wrong
        assert blamed(await client.patch(f"/tasks/{task['id']}", json=wrong)) == [field], wrong


@on_one_database
async def test_null_is_refused_where_there_is_always_a_value(client: httpx.AsyncClient, project_id: int) -> None:
    url = f"/tasks/{(await created(client, project_id))['id']}"
    for field in ("name", "command", "active", "triggers", "stop_grace_seconds"):
        answer = await client.patch(url, json={field: None})
        assert blamed(answer) == [field]
        assert answer.json()["error"]["message"] == f"The field {field} cannot be null. Leave it out to keep its value."


@on_one_database
async def test_what_is_wrong_with_a_trigger_is_named_where_it_is(client: httpx.AsyncClient, project_id: int) -> None:
    task = await created(client, project_id)
    for trigger, field in [
        ({"type": "interval", "seconds": -5}, "seconds"),
        ({"type": "interval", "seconds": "NaN"}, "seconds"),
        ({"type": "interval", "seconds": "Infinity"}, "seconds"),
        ({"type": "interval", "seconds": 1e300}, "seconds"),
        ({"type": "interval"}, "seconds"),
        ({"type": "interval", "seconds": 5, "start_at": "2026-01-01T00:00:00"}, "start_at"),
        ({"type": "interval", "seconds": 5, "start_at": "0001-01-01T00:00:00+14:00"}, "start_at"),
        ({"type": "interval", "seconds": 5, "end_at": "9999-12-31T23:59:59-14:00"}, "end_at"),
        ({"type": "interval", "seconds": 5, "end_at": "2020-01-01T00:00:00Z"}, "end_at"),
        ({"type": "interval", "seconds": 5, "expression": "* * * * *"}, "expression"),
        ({"type": "cron"}, "expression"),
        ({"type": "cron", "expression": "61 * * * *"}, "expression"),
        ({"type": "cron", "expression": "* * * * *", "timezone": "Mars/Base"}, "timezone"),
        ({"type": "date"}, "at"),
        ({"type": "date", "at": "2020-01-01T00:00:00Z"}, "at"),
        ({"type": "date", "at": "2120-01-01"}, "at"),
        ({"type": "date", "at": "tomorrow"}, "at"),
        ({"type": "moon"}, "type"),
        ({"type": "cron", "expression": "* * * * *", "phase": 1}, "phase"),
        ({"id": HUGE, "type": "cron", "expression": "* * * * *"}, "id"),
    ]:
        answer = await client.patch(f"/tasks/{task['id']}", json={"triggers": [trigger]})
        assert blamed(answer) == [f"triggers.0.{field}"], trigger


@on_one_database
async def test_ids_and_cursors_from_nowhere_are_no_failure(client: httpx.AsyncClient, project_id: int) -> None:
    for number in (HUGE, -1, 0, "x"):
        assert (await client.get(f"/tasks/{number}")).status_code == 422
    assert (await client.get(f"/tasks/{2**63 - 1}")).status_code == 404
    # [], ["a","b"], [1], {}, no JSON
    for cursor in ("W10", "WyJhIiwiYiJd", "WzFd", "e30", "!!!"):
        assert blamed(await client.get("/tasks", params={"cursor": cursor})) == ["cursor"], cursor
