"""The file of a project, applied over HTTP to both databases, by people and by itself."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kumo.clock import utc_now
from kumo.declarations.applier import Applier
from kumo.declarations.schema import schema_text
from tests.databases import on_one_database

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = re.findall(r"```toml\n(.*?)```", (DOCS / "tasks-as-code.md").read_text("utf-8"), re.DOTALL)[0]


class Project:
    """A project, and what is asked of its file."""

    def __init__(self, client: httpx.AsyncClient, project_id: int) -> None:
        self.client = client
        self.id = project_id
        self.path = f"/projects/{project_id}"

    async def write(self, text: str, path: str = "kumo.toml") -> None:
        answer = await self.client.put(f"{self.path}/files/{path}", json={"content": text})
        assert answer.is_success, answer.text

    async def apply(self, **body: Any) -> dict[str, Any]:
        answer = await self.client.post(f"{self.path}/apply", json=body)
        assert answer.status_code == 200, answer.text
        done: dict[str, Any] = answer.json()
        return done

    async def refused(self, status: int, **body: Any) -> dict[str, Any]:
        answer = await self.client.post(f"{self.path}/apply", json=body)
        assert answer.status_code == status, answer.text
        error: dict[str, Any] = answer.json()["error"]
        return error

    async def declaration(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"{self.path}/declaration")).json()
        return found

    async def tasks(self) -> dict[str, dict[str, Any]]:
        items = (await self.client.get("/tasks", params={"project_id": self.id})).json()["items"]
        return {item["name"]: item for item in items}

    async def change(self, called: str, /, **fields: Any) -> None:
        task = (await self.tasks())[called]
        answer = await self.client.patch(f"/tasks/{task['id']}", json=fields)
        assert answer.is_success, answer.text


@pytest.fixture
async def project(client: httpx.AsyncClient) -> Project:
    return Project(client, (await client.post("/projects", json={"name": "shop"})).json()["id"])


def actions(done: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["action"] for step in done["plan"]["tasks"]}


async def test_the_example_is_applied_exported_and_leaves_nothing_to_do(project: Project) -> None:
    assert (await project.declaration())["state"] == "none"
    assert (await project.client.post("/pools", json={"name": "database", "slots": 2})).is_success
    await project.write("requests\n", "requirements.txt")
    await project.write(EXAMPLE)

    shown = await project.declaration()
    assert (shown["state"], shown["problems"], shown["applied"]) == ("valid", [], None)
    tried = await project.apply(dry_run=True)
    assert tried == {"plan": shown["plan"], "applied": False, "webhooks": []}
    assert await project.tasks() == {}
    done = await project.apply(expected_plan=shown["plan"]["hash"])
    assert actions(done) == dict.fromkeys(["fetch", "report", "close the year"], "create")
    assert [each["task_name"] for each in done["webhooks"]] == ["report"]

    tasks = await project.tasks()
    fetch, report = tasks["fetch"], tasks["report"]
    assert (fetch["timeout_seconds"], report["timeout_seconds"]) == (1200, None)
    assert (fetch["limits"]["memory_bytes"], report["limits"]["log_bytes"]) == (512 << 20, None)
    assert fetch["environment_id"] is not None
    assert report["environment_id"] is None
    assert report["triggers"][0]["task_id"] == fetch["id"]
    assert tasks["close the year"]["active"] is False
    assert all(task["declared"] and task["drift"] == [] for task in tasks.values())

    again = await project.declaration()
    assert again["plan"]["nothing_to_do"]
    assert again["applied"] == {"at": again["applied"]["at"], "by": "ada", "snapshot_id": again["snapshot_id"]}
    export = await project.client.get(f"{project.path}/export")
    assert export.headers["content-type"].startswith("application/toml")
    assert (await project.apply(content=export.text))["plan"]["nothing_to_do"], export.text
    alone = await project.client.get(f"/tasks/{fetch['id']}/export")
    assert alone.text.startswith('[tasks.fetch]\ncommand = "python fetch.py --all"\nenvironment = "shop"\n')

    # What the environment holds follows the file that it names.
    await project.write("requests\nrich\n", "requirements.txt")
    changed = (await project.apply())["plan"]["environment"]
    assert changed["fields"] == [{"field": "requirements", "before": ["requests"], "after": ["requests", "rich"]}]


@on_one_database
async def test_what_a_person_changes_is_drift_and_what_a_person_makes_stays(project: Project) -> None:
    await project.write(
        '[tasks.one]\ncommand = "true"\n[tasks.two]\ncommand = "true"\ntriggers = [{type = "webhook"}]\n'
    )
    await project.apply()
    before = (await project.tasks())["two"]
    by_hand = {"name": "by hand", "project_id": project.id, "command": "true"}
    assert (await project.client.post("/tasks", json=by_hand)).is_success
    await project.change("one", name="renamed", retry={"max_attempts": 4})
    await project.change(
        "two", active=False, triggers=[{"id": before["triggers"][0]["id"], "type": "webhook", "secret": "s"}]
    )

    tasks = await project.tasks()
    assert tasks["renamed"]["drift"] == ["name", "retry.max_attempts"]
    assert (tasks["two"]["drift"], tasks["by hand"]["declared"]) == ([], False)
    (drift,) = (await project.declaration())["drift"]
    assert drift["fields"] == [
        {"field": "name", "before": "renamed", "after": "one"},
        {"field": "retry.max_attempts", "before": 4, "after": 1},
    ]
    elsewhere = (await project.client.post("/projects", json={"name": "elsewhere"})).json()["id"]
    await project.change("two", project_id=elsewhere)
    moved = (await project.client.get(f"/tasks/{before['id']}")).json()
    assert (moved["declared"], moved["drift"]) == (False, [])
    assert "'elsewhere'" in (await project.refused(422))["message"]
    assert (await project.client.patch(f"/tasks/{before['id']}", json={"project_id": project.id})).is_success
    taken_back = await project.apply(task_id=tasks["renamed"]["id"])
    assert actions(taken_back) == {"one": "change"}
    tasks = await project.tasks()
    assert (tasks["one"]["retry"]["max_attempts"], tasks["one"]["drift"]) == (1, [])
    assert tasks["two"]["triggers"] == [before["triggers"][0] | {"has_secret": True, "url_path": None}]

    # What was shown is not what would be done any more.
    shown = await project.declaration()
    await project.write('[tasks."by hand"]\ncommand = "false"\n[tasks.two]\ncommand = "true"\npreviously = "nobody"\n')
    await project.refused(409, expected_plan=shown["plan"]["hash"])
    assert actions(await project.apply()) == {"by hand": "adopt", "two": "change", "one": "remove"}
    assert {name: task["command"] for name, task in (await project.tasks()).items()} == {
        "by hand": "false",
        "two": "true",
    }


async def test_whatever_refuses_a_plan_leaves_everything_as_it_was(project: Project) -> None:
    await project.write("", "main.py")
    ring = '[[tasks.{}.triggers]]\ntype = "after"\ntask = "{}"\n'
    text = '[tasks.a]\ncommand = "sleep 60"\n[tasks.b]\ncommand = "true"\n' + ring.format("b", "a")
    # Two at once do it once.
    both = await asyncio.gather(project.apply(content=text), project.apply(content=text))
    assert sorted(each["plan"]["nothing_to_do"] for each in both) == [False, True]
    run = (await project.client.post(f"/tasks/{(await project.tasks())['a']['id']}/run")).json()
    before = await project.tasks()

    new = '[tasks.new]\ncommand = "true"\n'
    for dry_run in (True, False):
        error = await project.refused(409, content=new, dry_run=dry_run)
        assert "Stop it first" in error["message"]
        error = await project.refused(422, content=new + text + ring.format("a", "b"), dry_run=dry_run)
        assert error["details"][0]["field"] == "tasks.a.triggers[0].task"
        assert "would follow itself" in error["details"][0]["message"]
    error = await project.refused(422, content='[tasks.new]\ncommand = "true"\npool = "none"\n[task.b]\n')
    assert [each["field"] for each in error["details"]] == ["task", "tasks.new.pool"]
    after = await project.tasks()
    for task in (*before.values(), *after.values()):
        del task["last_run"]
    assert after == before
    assert (await project.client.post(f"/runs/{run['id']}/stop")).is_success

    # Who followed whom may be turned round in one go.
    turned = text.split("[[")[0] + ring.format("a", "b")
    assert actions(await project.apply(content=turned)) == {"a": "change", "b": "change"}
    tasks = await project.tasks()
    assert (tasks["a"]["triggers"][0]["task_id"], tasks["b"]["triggers"]) == (tasks["b"]["id"], [])


@on_one_database
async def test_a_project_applies_its_file_itself(project: Project, app: FastAPI) -> None:
    loop = Applier(app.state.database, app.state.settings, utc_now)
    path = f"{project.path}/declaration"
    await project.write('[tasks.one]\ncommand = "true"\n')
    await loop.step()
    assert await project.tasks() == {}
    assert (await project.client.patch(path, json={"apply_declaration": True})).json()["apply_declaration"]
    await loop.step()
    assert list(await project.tasks()) == ["one"]
    assert (await project.declaration())["applied"]["by"] is None

    by_hand = {"name": "by hand", "project_id": project.id, "command": "true"}
    assert (await project.client.post("/tasks", json=by_hand)).is_success
    before = await project.tasks()
    await project.write('[tasks."by hand"]\ncommand = "false"\n')
    await loop.step()
    failure = (await project.declaration())["failure"]
    assert [each["path"] for each in failure["problems"]] == ['tasks."by hand"']
    assert await project.tasks() == before

    await project.write("[tasks.one]\n")
    await loop.step()
    declaration = await project.declaration()
    assert declaration["state"] == "invalid"
    assert declaration["failure"]["problems"] == declaration["problems"]
    assert await project.tasks() == before

    await project.write('[tasks.one]\ncommand = "false"\n')
    await loop.step()
    assert (await project.declaration())["failure"] is None
    assert (await project.tasks())["one"]["command"] == "false"


@on_one_database
async def test_the_schema_is_the_one_that_is_shipped(client: httpx.AsyncClient) -> None:
    shipped = Path(__file__).parents[2] / "kumo/declarations/kumo.toml.schema.json"
    assert shipped.read_text("utf-8") == schema_text(), "run `make openapi`"
    assert (await client.get("/schemas/kumo.toml.json")).text == schema_text()
