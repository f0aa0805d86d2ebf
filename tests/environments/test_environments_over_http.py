"""The routes of interpreters, environments, builds and their logs."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import pytest

from kumo.environments.building.builder import BuilderLoop
from kumo.environments.states import BuildState
from tests.environments.asking import create, error
from tests.environments.conftest import Projects
from tests.fakes import ManualClock


async def test_the_interpreters_are_listed_each_once(http: httpx.AsyncClient) -> None:
    items = (await http.get("/interpreters")).json()["items"]
    assert len({item["path"] for item in items}) == len(items)
    assert not any("shims" in item["path"] for item in items)
    assert sum(item["is_default"] for item in items) == 1
    default = next(item for item in items if item["is_default"])
    assert default["version"] == ".".join(str(part) for part in sys.version_info[:3])
    assert default["implementation"] == "cpython"
    assert all(item["supported"] == (int(item["version"].split(".")[1]) >= 8) for item in items)


async def test_an_environment_from_its_creation_to_its_end(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock
) -> None:
    created = await create(http, packages=["snow"])
    assert created["source"] == "packages"
    assert created["active_build"] is None
    assert created["latest_build"]["state"] == "queued"
    await builder.step(clock())

    shown = (await http.get(f"/environments/{created['id']}")).json()
    assert shown["active_build"]["state"] == "ready"
    assert shown["active_build"]["duration_seconds"] >= 0
    packages = (await http.get(f"/environments/{created['id']}/packages")).json()
    for package in packages["items"]:
        assert package.pop("size_bytes") > 100
    assert packages["items"] == [
        {"name": "snow", "version": "1.0", "is_direct": True, "requires": ["water"], "required_by": []},
        {"name": "water", "version": "1.0", "is_direct": False, "requires": [], "required_by": ["snow"]},
    ]
    assert shown["active_build"]["size_bytes"] > 200

    queued = await http.post(f"/environments/{created['id']}/build")
    assert queued.status_code == 202
    listed = (await http.get(f"/environments/{created['id']}/builds", params={"limit": 1})).json()
    assert [build["id"] for build in listed["items"]] == [queued.json()["id"]]
    rest = (await http.get(f"/environments/{created['id']}/builds", params={"cursor": listed["next_cursor"]})).json()
    assert [build["id"] for build in rest["items"]] == [created["latest_build"]["id"]]

    assert (await http.delete(f"/environments/{created['id']}")).status_code == 204
    assert error(await http.get(f"/environments/{created['id']}"), 404)["code"] == "not_found"
    assert (await http.get("/environments")).json()["items"] == []


async def test_only_a_change_of_what_it_holds_asks_for_a_build(http: httpx.AsyncClient) -> None:
    created = await create(http, requirements="water\n")
    path = f"/environments/{created['id']}"
    renamed = (await http.patch(path, json={"name": "other"})).json()
    assert (renamed["name"], renamed["version"]) == ("other", 2)
    assert renamed["latest_build"]["id"] == created["latest_build"]["id"]
    changed = (await http.patch(path, json={"packages": ["water"], "python": "3"})).json()
    assert (changed["source"], changed["packages"], changed["requirements"]) == ("packages", ["water"], None)
    assert changed["latest_build"]["id"] != created["latest_build"]["id"]
    cleared = (await http.patch(path, json={"python": None})).json()
    assert cleared["python"] is None


async def test_a_change_meant_for_an_older_version_is_refused(http: httpx.AsyncClient) -> None:
    created = await create(http)
    path = f"/environments/{created['id']}"
    assert (await http.patch(path, json={"name": "a"}, headers={"If-Match": "1"})).status_code == 200
    refused = error(await http.patch(path, json={"name": "b"}, headers={"If-Match": "1"}), 409)
    assert refused["code"] == "conflict"
    assert refused["details"] == [{"field": "version", "message": refused["message"]}]


async def test_a_name_is_taken_until_its_environment_is_deleted(http: httpx.AsyncClient) -> None:
    first = await create(http)
    second = await create(http, name="other")
    for method, path, name in [("POST", "/environments", " etl "), ("PATCH", f"/environments/{second['id']}", "etl")]:
        refused = error(await http.request(method, path, json={"name": name}), 409)
        assert (refused["code"], "exists already" in refused["message"]) == ("conflict", True)
        assert refused["details"] == [{"field": "name", "message": refused["message"]}]
    await http.delete(f"/environments/{first['id']}")
    await create(http)


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"name": "  "}, "name", "visible"),
        ({"name": "a\nb"}, "name", "visible"),
        ({"name": "x", "python": "newest"}, "python", "no Python version"),
        ({"name": "x", "python": "3.99"}, "python", "Python 3.99 is not on this machine. Installed: "),
        ({"name": "x", "packages": ["rich", "--index-url http://x"]}, "packages.1", "chooses a package index"),
        ({"name": "x", "requirements": "rich\n-e ."}, "requirements", "Line 2: "),
        ({"name": "x", "packages": ["rich"], "requirements": "rich"}, "requirements", "only one can say"),
        ({"name": "x", "source": "project"}, "project_id", "needs project_id"),
        ({"name": "x", "source": "packages", "requirements": "rich"}, "packages", "needs packages"),
        ({"name": "x", "project_id": 99}, "project_id", "Project 99 does not exist."),
        ({"name": "x", "index_url": "file:///etc"}, "index_url", "starts with https://"),
        ({"name": "x", "index_url": "https://a:b@example.org"}, "index_url", "user name or password"),
        ({"name": "x", "backend": "conda"}, "backend", ""),
        ({"name": "x", "image": "y"}, "image", ""),
        ({}, "name", "required"),
    ],
)
async def test_bad_input_is_named_at_its_field(
    http: httpx.AsyncClient, body: dict[str, Any], field: str, words: str
) -> None:
    refused = error(await http.post("/environments", json=body), 422)
    assert refused["details"][0]["field"] == field
    assert words in refused["details"][0]["message"]


@pytest.mark.parametrize(
    "path", ["/environments/99", "/environments/99/builds", "/environments/99/packages", "/builds/99"]
)
async def test_what_does_not_exist_is_said_so(http: httpx.AsyncClient, path: str) -> None:
    assert "99 does not exist" in error(await http.get(path), 404)["message"]


async def test_the_list_is_searched_and_paged_by_name(http: httpx.AsyncClient) -> None:
    for name in ("c_1", "b", "cx1", "a"):
        await create(http, name=name)
    first = (await http.get("/environments", params={"limit": 3})).json()
    assert [one["name"] for one in first["items"]] == ["a", "b", "c_1"]
    rest = (await http.get("/environments", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [one["name"] for one in rest["items"]] == ["cx1"]
    assert rest["next_cursor"] is None
    found = (await http.get("/environments", params={"q": "C_"})).json()
    assert [one["name"] for one in found["items"]] == ["c_1"]


async def test_an_environment_takes_what_its_project_declares(
    http: httpx.AsyncClient, projects: Projects, builder: BuilderLoop, clock: ManualClock
) -> None:
    project_id = await projects.create({"requirements.txt": "snow\n"})
    created = await create(http, source="project", project_id=project_id)
    assert (created["source"], created["project_id"]) == ("project", project_id)
    await builder.step(clock())
    packages = (await http.get(f"/environments/{created['id']}/packages")).json()["items"]
    assert [package["name"] for package in packages] == ["snow", "water"]
    await projects.change(project_id, {"requirements.txt": "snow\n./lib\n"})
    refused = error(await http.post(f"/environments/{created['id']}/build"), 422)
    assert refused["message"].startswith("requirements.txt, line 2: ")


async def test_a_builds_log_is_read_in_parts_from_its_end_and_as_a_stream(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock
) -> None:
    created = await create(http, packages=["ice"])
    build_id = created["latest_build"]["id"]
    paths = (f"/builds/{build_id}/log", f"/environments/{created['id']}/builds/{build_id}/log")
    before = await http.get(paths[0])
    assert (before.content, before.headers["X-Log-Size"], before.headers["X-Log-Final"]) == (b"", "0", "false")

    following = asyncio.create_task(http.get(f"{paths[0]}/stream"))
    await builder.step(clock())
    async with asyncio.timeout(10):
        streamed = (await following).text
    whole = await http.get(paths[0])
    assert whole.headers["X-Log-Final"] == "true"
    assert int(whole.headers["X-Log-Size"]) == len(whole.content)
    assert whole.text.startswith("No package named “ice”")

    for path in paths:
        part = await http.get(path, params={"offset": 3, "limit": 7})
        assert part.content == whole.content[3:10]
        tail = await http.get(path, params={"tail": 1})
        assert tail.text == "No package named “ice” is on the package index.\n"
        assert int(tail.headers["X-Log-Offset"]) == len(whole.content) - len(tail.content)
    data = [line.removeprefix("data: ") for line in streamed.splitlines() if line.startswith("data: ")]
    assert json.loads(data[-1]) == {"state": BuildState.FAILED}
    last_id = [line for line in streamed.splitlines() if line.startswith("id: ")][-1].removeprefix("id: ")
    assert int(last_id) == len(whole.content)
    resumed = (await http.get(f"{paths[1]}/stream", headers={"Last-Event-ID": last_id})).text
    assert "event: log" not in resumed
    assert "event: end" in resumed


async def test_a_build_of_another_environment_is_not_found(http: httpx.AsyncClient) -> None:
    one, two = await create(http), await create(http, name="two")
    path = f"/environments/{one['id']}/builds/{two['latest_build']['id']}/log"
    assert error(await http.get(path), 404)["code"] == "not_found"
