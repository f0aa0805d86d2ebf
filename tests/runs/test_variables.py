from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.databases import on_one_database
from tests.runs.asking import add_task, ended, run_to_its_end

_TELLS = """
import os
print(os.environ.get("GREETING"), os.environ.get("TOKEN"))
path = os.environ.get("LONG_FILE")
print(path and os.path.dirname(path) == os.environ["KUMO_VARIABLES_DIR"], len(open(path).read()) if path else None)
"""


@pytest.fixture
async def project_id(client: httpx.AsyncClient) -> int:
    """A project whose script prints its variables."""
    project = (await client.post("/projects", json={"name": "etl"})).json()
    assert (await client.put(f"/projects/{project['id']}/files/main.py", json={"content": _TELLS})).is_success
    return int(project["id"])


async def set_variable(client: httpx.AsyncClient, **fields: Any) -> int:
    answer = await client.post("/variables", json={"scope": "global"} | fields)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def log_of(client: httpx.AsyncClient, run: dict[str, Any]) -> str:
    assert run["state"] == "succeeded", run
    return (await client.get(f"/runs/{run['id']}/log")).text


@on_one_database
async def test_a_script_gets_its_variables_the_nearest_first(client: httpx.AsyncClient, project_id: int) -> None:
    task_id = await add_task(client, project_id)
    greeting = await set_variable(client, name="GREETING", value="hello")
    await set_variable(client, name="TOKEN", value="s3cret-of-all", secret=True)
    await set_variable(client, name="LONG", value="x" * 300_000)
    first = await run_to_its_end(client, task_id)
    assert await log_of(client, first) == "hello s3cret-of-all\nTrue 300000\n"
    assert set(first["variable_versions"]) == {"GREETING", "TOKEN", "LONG"}
    assert first["variables"] == [
        {"name": name, "scope": "global", "number": 1} for name in ("GREETING", "LONG", "TOKEN")
    ]

    await client.patch(f"/variables/{greeting}", json={"value": "good day"})
    await set_variable(client, name="TOKEN", value="s3cret-of-task", secret=True, scope="task", scope_id=task_id)
    second = await run_to_its_end(client, task_id)
    assert (await log_of(client, second)).startswith("good day s3cret-of-task\n")
    assert [(each["scope"], each["number"]) for each in second["variables"]] == [
        ("global", 2),
        ("global", 1),
        ("task", 1),
    ]
    compared = (await client.get(f"/runs/{second['id']}/compare", params={"with": first["id"]})).json()
    assert [each["field"] for each in compared["differences"]] == [
        "variable_versions.GREETING",
        "variable_versions.TOKEN",
    ]

    repeated = (await client.post(f"/runs/{first['id']}/rerun", json={"exact": True})).json()
    assert (await log_of(client, await ended(client, repeated["id"]))).startswith("hello s3cret-of-all\n")

    await client.delete(f"/variables/{greeting}")
    shown = (await client.get(f"/runs/{first['id']}")).json()["variables"]
    assert shown[0] == {"name": "GREETING", "scope": None, "number": None}
