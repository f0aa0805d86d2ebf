"""Trying out a file of a project: a run like any other, which counts nowhere."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.databases import on_one_database
from tests.runs.asking import add_task, ended


@pytest.fixture
async def project_id(client: httpx.AsyncClient) -> int:
    """A project with scripts that somebody might try out."""
    project = (await client.post("/projects", json={"name": "etl"})).json()
    files = {
        "main.py": "import os\nprint('saved', os.environ.get('KUMO_PARAMETERS'))\n",
        "it's a test.py": "raise SystemExit(3)\n",
        "hello.sh": "#!/bin/sh\necho hello from $0\n",
        "notes.txt": "nothing to run\n",
    }
    for path, content in files.items():
        assert (await client.put(f"/projects/{project['id']}/files/{path}", json={"content": content})).is_success
    return int(project["id"])


async def scratch(client: httpx.AsyncClient, project_id: int, **body: Any) -> dict[str, Any]:
    asked = await client.post(f"/projects/{project_id}/scratch", json=body)
    assert asked.status_code == 202, asked.text
    run: dict[str, Any] = asked.json()
    return run | {"end": await ended(client, asked.json()["id"])}


@on_one_database
async def test_a_file_is_tried_out_with_the_machinery_of_every_run(client: httpx.AsyncClient, project_id: int) -> None:
    run = await scratch(client, project_id, path="main.py", parameters={"day": 1})
    assert (run["state"], run["scratch"], run["task_name"]) == ("queued", True, "main.py")
    assert (run["command"], run["timeout_seconds"]) == ("python main.py", 3600)
    assert run["end"]["state"] == "succeeded"
    assert (await client.get(f"/runs/{run['id']}/log")).text == 'saved {"day": 1}\n'

    failed = await scratch(client, project_id, path="it's a test.py")
    assert (failed["end"]["state"], failed["end"]["exit_code"]) == ("failed", 3)
    shell = await scratch(client, project_id, path="hello.sh")
    assert (shell["command"], (await client.get(f"/runs/{shell['id']}/log")).text) == (
        "sh hello.sh",
        "hello from hello.sh\n",
    )
    words = await scratch(client, project_id, command="echo one && echo two", shell=True)  # noqa: S604
    assert (await client.get(f"/runs/{words['id']}/log")).text == "one\ntwo\n"

    for exact in (False, True):
        again = (await client.post(f"/runs/{shell['id']}/rerun", json={"exact": exact})).json()
        assert (again["command"], again["task_name"], again["scratch"]) == ("sh hello.sh", "hello.sh", True)
        assert (await ended(client, again["id"]))["state"] == "succeeded"


async def test_scratch_runs_count_nowhere_but_are_listed(client: httpx.AsyncClient, project_id: int) -> None:
    task_id = await add_task(client, project_id)
    run = await scratch(client, project_id, path="it's a test.py")
    hidden = run["task_id"]
    assert [task["id"] for task in (await client.get("/tasks")).json()["items"]] == [task_id]
    assert (await client.get(f"/projects/{project_id}")).json()["task_count"] == 1
    answers = [
        await client.get(f"/tasks/{hidden}"),
        await client.patch(f"/tasks/{hidden}", json={"name": "x"}),
        await client.delete(f"/tasks/{hidden}"),
        await client.post(f"/tasks/{hidden}/run"),
        await client.post(f"/tasks/{hidden}/pause"),
        await client.get(f"/tasks/{hidden}/runs"),
    ]
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    after = {"triggers": [{"type": "after", "task_id": hidden}]}
    assert (await client.patch(f"/tasks/{task_id}", json=after)).status_code == 422
    own = {"name": "A", "value": "1", "scope": "task", "scope_id": hidden}
    assert (await client.post("/variables", json=own)).status_code == 422
    dashboard = (await client.get("/dashboard")).json()
    assert (dashboard["counts"]["tasks"], dashboard["top_failures"], dashboard["success_rate_7d"]) == (1, [], None)
    assert sum(day["failed"] for day in dashboard["days"]) == 0

    assert [one["id"] for one in (await client.get("/runs")).json()["items"]] == [run["id"]]
    assert (await client.get("/runs?scratch=false")).json()["items"] == []
    assert [one["id"] for one in (await client.get("/runs?scratch=true")).json()["items"]] == [run["id"]]

    # A task may have the name that the hidden one has, and the project is not kept by it.
    assert (await client.patch(f"/tasks/{task_id}", json={"name": "scratch"})).is_success
    assert (await client.delete(f"/tasks/{task_id}")).status_code == 204
    assert (await client.delete(f"/projects/{project_id}")).status_code == 204
    assert (await client.post(f"/runs/{run['id']}/rerun")).status_code == 409
    assert (await client.post(f"/projects/{project_id}/scratch", json={"path": "main.py"})).status_code == 404


@on_one_database
async def test_what_cannot_be_tried_out_is_said(client: httpx.AsyncClient, project_id: int) -> None:
    refused: list[tuple[dict[str, Any], int, str | None]] = [
        ({}, 422, ""),
        ({"path": "main.py", "command": "python main.py"}, 422, ""),
        ({"path": "notes.txt"}, 422, "path"),
        ({"path": "../main.py"}, 422, "path"),
        ({"path": "nowhere.py"}, 404, None),
        ({"path": "main.py", "shell": True}, 422, "shell"),
        ({"command": " "}, 422, "command"),
        ({"command": "a | b"}, 422, "command"),
        ({"path": "main.py", "environment_id": 99}, 404, None),
        ({"path": "main.py", "parameters": {"a": "x" * 40_000}}, 422, "parameters"),
    ]
    for body, status, field in refused:
        answer = await client.post(f"/projects/{project_id}/scratch", json=body)
        assert answer.status_code == status, answer.text
        details = answer.json()["error"]["details"]
        assert field is None or [one["field"] for one in details] == [field]
    assert (await client.get("/runs")).json()["items"] == []
