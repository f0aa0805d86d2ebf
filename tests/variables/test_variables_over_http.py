"""Variables as people set, change, list and delete them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.databases import on_one_database
from tests.variables.conftest import Set

# What is refused before the database is asked need not be refused on both.


def blamed(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [detail["field"] for detail in answer.json()["error"]["details"]]


async def names(client: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await client.get("/variables", params=query)
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


async def test_a_variable_is_answered_as_it_was_set(client: httpx.AsyncClient, project_id: int) -> None:
    wanted = {"name": "API_URL", "value": "https://example.com/数据", "scope": "project", "scope_id": project_id}
    answer = await client.post("/variables", json=wanted)
    assert answer.status_code == 201, answer.text
    variable = answer.json()
    assert variable == wanted | {
        "id": variable["id"],
        "version": 1,
        "scope_name": "etl",
        "description": "",
        "secret": False,
        "size_bytes": 26,
        "as_file": False,
        "given_as": "environment",
        "value_number": 1,
        "readable": True,
        "hides": [],
        "warnings": [],
        "created_at": variable["created_at"],
        "updated_at": variable["created_at"],
        "updated_by": "ada",
    }
    assert (await client.get(f"/variables/{variable['id']}")).json() == variable
    assert (await client.get("/variables")).json() == {"items": [variable], "next_cursor": None}


async def test_a_change_changes_what_it_names_and_a_lost_one_is_a_conflict(
    client: httpx.AsyncClient, set_variable: Set
) -> None:
    variable = await set_variable("COLOUR", "red", description="Of the roof")
    url = f"/variables/{variable['id']}"
    changed = (await client.patch(url, json={"value": "blue"}, headers={"If-Match": "1"})).json()
    different = {"version": 2, "value": "blue", "size_bytes": 4, "value_number": 2, "updated_at": changed["updated_at"]}
    assert changed == variable | different
    late = await client.patch(url, json={"value": "green"}, headers={"If-Match": "1"})
    assert (late.status_code, late.json()["error"]["details"][0]["field"]) == (409, "version")
    assert (await client.delete(url, headers={"If-Match": "1"})).status_code == 409
    described = (await client.patch(url, json={"description": "", "name": "PAINT"})).json()
    assert (described["name"], described["description"], described["value_number"]) == ("PAINT", "", 2)
    assert (await client.delete(url, headers={"If-Match": "3"})).status_code == 204
    assert (await client.get(url)).status_code == 404
    assert (await client.delete(url)).status_code == 404


async def test_one_name_is_there_once_for_each_owner(
    client: httpx.AsyncClient, set_variable: Set, project_id: int, task_id: int
) -> None:
    owners: list[dict[str, Any]] = [
        {},
        {"scope": "project", "scope_id": project_id},
        {"scope": "task", "scope_id": task_id},
    ]
    for owner in owners:
        await set_variable("TOKEN", "x", **owner)
        again = await client.post("/variables", json={"name": "TOKEN", "value": "y"} | owner)
        assert (again.status_code, again.json()["error"]["details"][0]["field"]) == (409, "name"), owner
    other = await set_variable("OTHER", "x")
    assert (await client.patch(f"/variables/{other['id']}", json={"name": "TOKEN"})).status_code == 409
    assert await set_variable("token", "another name")


async def test_filters_and_pages_show_each_once_by_name(
    client: httpx.AsyncClient, set_variable: Set, project_id: int, task_id: int
) -> None:
    for number in range(5):
        await set_variable(f"V_{number}", "x")
    await set_variable("V_0", "x", scope="project", scope_id=project_id)
    await set_variable("V_1", "x", scope="task", scope_id=task_id)
    assert await names(client, scope="global") == [f"V_{number}" for number in range(5)]
    assert await names(client, project_id=project_id) == ["V_0"]
    assert await names(client, task_id=task_id) == ["V_1"]
    assert await names(client, task_id=task_id + 1) == []
    assert await names(client, q="v_3") == ["V_3"]
    assert await names(client, q="%") == []
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get("/variables", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ["V_0", "V_0", "V_1", "V_1", "V_2", "V_3", "V_4"]


async def test_a_secret_s_value_is_told_by_nothing(client: httpx.AsyncClient, set_variable: Set, task_id: int) -> None:
    variable = await set_variable("TOKEN", "precious-token", secret=True)
    url = f"/variables/{variable['id']}"
    await client.patch(url, json={"value": "precious-token-2"})
    answers = [
        *(await client.get(url), await client.get("/variables"), await client.get(f"{url}/versions")),
        *(await client.get(f"/variables/effective?task_id={task_id}"), await client.patch(url, json={"name": "KEY"})),
        *(await client.patch(url, json={"secret": False}), await client.patch(url, json={"value": "precious\0"})),
        await client.post("/variables", json={"name": "precious-name", "value": "precious", "secret": True}),
        await client.post("/variables", json={"name": "A", "value": ["precious"]}),
    ]
    for answer in answers:
        assert "precious" not in answer.text, answer.text
    assert variable["value"] is None
    assert variable["size_bytes"] is None  # its length would tell something of it


async def test_a_secret_becomes_readable_with_a_new_value_alone(client: httpx.AsyncClient, set_variable: Set) -> None:
    variable = await set_variable("TOKEN", "precious", secret=True)
    url = f"/variables/{variable['id']}"
    assert blamed(await client.patch(url, json={"secret": False})) == ["secret"]
    opened = (await client.patch(url, json={"secret": False, "value": "open"})).json()
    assert (opened["secret"], opened["value"]) == (False, "open")
    versions = (await client.get(f"{url}/versions")).json()["items"]
    assert [(item["number"], item["secret"], item["value"]) for item in versions] == [
        (2, False, "open"),
        (1, True, None),
    ]


async def test_what_becomes_secret_was_always_so(client: httpx.AsyncClient, set_variable: Set) -> None:
    variable = await set_variable("TOKEN", "first-value")
    url = f"/variables/{variable['id']}"
    await client.patch(url, json={"value": "second-value"})
    shown = (await client.get(f"{url}/versions")).json()["items"]
    assert [(item["number"], item["value"], item["actor"]) for item in shown] == [
        (2, "second-value", "ada"),
        (1, "first-value", "ada"),
    ]
    closed = (await client.patch(url, json={"secret": True})).json()
    assert (closed["value"], closed["value_number"]) == (None, 3)
    await client.patch(url, json={"secret": False, "value": "third"})
    again = (await client.get(f"{url}/versions")).json()["items"]
    assert [(item["number"], item["value"]) for item in again] == [(4, "third"), (3, None), (2, None), (1, None)]


async def test_the_narrowest_scope_wins(
    client: httpx.AsyncClient, set_variable: Set, project_id: int, task_id: int
) -> None:
    await set_variable("A", "global")
    await set_variable("A", "project", scope="project", scope_id=project_id)
    await set_variable("A", "task", scope="task", scope_id=task_id)
    await set_variable("B", "global", secret=True)
    await set_variable("B", "project", scope="project", scope_id=project_id)
    await set_variable("C", "global", secret=True)
    other = (await client.post("/projects", json={"name": "other"})).json()["id"]
    await set_variable("D", "other", scope="project", scope_id=other)
    found = (await client.get("/variables/effective", params={"task_id": task_id})).json()["items"]
    assert [(item["name"], item["scope"], item["value"], item["secret"], item["hides"]) for item in found] == [
        ("A", "task", "task", False, ["project", "global"]),
        ("B", "project", "project", False, ["global"]),
        ("C", "global", None, True, []),
    ]
    listed = (await client.get("/variables")).json()["items"]
    assert {(item["name"], item["scope"]): item["hides"] for item in listed if item["hides"]} == {
        ("A", "task"): ["project", "global"],
        ("A", "project"): ["global"],
        ("B", "project"): ["global"],
    }
    assert (await client.get("/variables/effective", params={"task_id": task_id + 1})).status_code == 404


async def test_of_a_project_is_told_what_all_of_its_runs_are_given(
    client: httpx.AsyncClient, set_variable: Set, project_id: int, task_id: int
) -> None:
    await set_variable("A", "global")
    await set_variable("A", "project", scope="project", scope_id=project_id)
    await set_variable("A", "task", scope="task", scope_id=task_id)
    await set_variable("B", "task", scope="task", scope_id=task_id)
    await set_variable("C", "global")
    url = "/variables/effective"
    found = (await client.get(url, params={"project_id": project_id})).json()["items"]
    assert [(item["name"], item["value"], item["hides"]) for item in found] == [
        ("A", "project", ["global"]),
        ("C", "global", []),
    ]
    assert (await client.get(url, params={"project_id": project_id + 1})).status_code == 404
    assert blamed(await client.get(url)) == ["task_id"]
    assert blamed(await client.get(url, params={"project_id": project_id, "task_id": task_id})) == ["task_id"]


async def test_a_variable_hides_none_of_a_project_that_is_not_its_task_s(
    client: httpx.AsyncClient, set_variable: Set, task_id: int
) -> None:
    other = (await client.post("/projects", json={"name": "other"})).json()["id"]
    await set_variable("A", "other", scope="project", scope_id=other)
    assert (await set_variable("A", "task", scope="task", scope_id=task_id))["hides"] == []


async def test_a_variable_moves_to_another_owner(
    client: httpx.AsyncClient, set_variable: Set, project_id: int, task_id: int
) -> None:
    url = f"/variables/{(await set_variable('A', 'x'))['id']}"
    moved = (await client.patch(url, json={"scope": "task", "scope_id": task_id})).json()
    assert (moved["scope"], moved["scope_id"], moved["scope_name"]) == ("task", task_id, "nightly")
    back = (await client.patch(url, json={"scope": "global"})).json()
    assert (back["scope"], back["scope_id"], back["value_number"]) == ("global", None, 1)
    assert blamed(await client.patch(url, json={"scope": "project"})) == ["scope_id"]
    assert blamed(await client.patch(url, json={"scope_id": project_id})) == ["scope"]


async def test_variables_of_what_was_deleted_are_gone(
    client: httpx.AsyncClient, set_variable: Set, project_id: int, task_id: int
) -> None:
    kept = await set_variable("KEPT", "x")
    of_task = await set_variable("A", "x", scope="task", scope_id=task_id)
    of_project = await set_variable("B", "x", scope="project", scope_id=project_id)
    assert (await client.delete(f"/tasks/{task_id}")).status_code == 204
    assert (await client.delete(f"/projects/{project_id}")).status_code == 204
    assert await names(client) == ["KEPT"]
    for variable in (of_task, of_project):
        assert (await client.get(f"/variables/{variable['id']}")).status_code == 404
        assert (await client.get(f"/variables/{variable['id']}/versions")).status_code == 404
    assert blamed(await client.patch(f"/variables/{kept['id']}", json={"scope": "task", "scope_id": task_id})) == [
        "scope_id"
    ]


@on_one_database
async def test_what_is_wrong_is_named(client: httpx.AsyncClient, set_variable: Set, project_id: int) -> None:
    variable = await set_variable("GOOD", "x")
    good = {"name": "OTHER", "value": "x"}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"colour": "red"}, "colour"),
        ({"name": ""}, "name"),
        ({"name": "1A"}, "name"),
        ({"name": "A\0"}, "name"),
        ({"name": "A" * 201}, "name"),
        ({"name": "A" * 100_000}, "name"),
        ({"name": None}, "name"),
        ({"name": "PATH"}, "name"),
        ({"name": "KUMO_HOME"}, "name"),
        ({"value": "a\0b"}, "value"),
        ({"value": 7}, "value"),
        ({"value": None}, "value"),
        ({"value": "x" * (1 << 20) + "x"}, "value"),
        ({"secret": "perhaps"}, "secret"),
        ({"scope": "universe"}, "scope"),
        ({"scope": "project"}, "scope_id"),
        ({"scope": "project", "scope_id": project_id + 1}, "scope_id"),
        ({"scope": "project", "scope_id": 2**70}, "scope_id"),
        ({"scope": "task", "scope_id": project_id + 1}, "scope_id"),
        ({"description": "\0"}, "description"),
    ]
    for wrong, field in cases:
        assert blamed(await client.post("/variables", json=good | wrong)) == [field], str(wrong)[:100]
        assert blamed(await client.patch(f"/variables/{variable['id']}", json=wrong)) == [field], str(wrong)[:100]
    assert blamed(await client.post("/variables", json=good | {"scope_id": project_id})) == ["scope_id"]
    half = rb'{"name": "A", "value": "\ud800"}'
    answer = await client.post("/variables", content=half, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    for cursor in ("W10", "WyJhIiwiYiJd", "WzFd", "e30", "!!!"):
        assert blamed(await client.get("/variables", params={"cursor": cursor})) == ["cursor"], cursor
    assert await names(client) == ["GOOD"]


async def test_a_long_value_goes_as_a_file_and_stays_out_of_lists(client: httpx.AsyncClient, set_variable: Set) -> None:
    long = "0123456789" * 20_000
    variable = await set_variable("CERT", long)
    assert (variable["given_as"], variable["as_file"], variable["value"]) == ("file", False, long)
    [listed] = (await client.get("/variables")).json()["items"]
    assert (listed["value"], listed["size_bytes"]) == (None, 200_000)
    short = (await client.patch(f"/variables/{variable['id']}", json={"value": "x"})).json()
    assert short["given_as"] == "environment"
    asked = (await client.patch(f"/variables/{variable['id']}", json={"as_file": True})).json()
    assert (asked["given_as"], asked["value"], asked["value_number"]) == ("file", "x", 3)


async def test_what_a_run_could_not_be_given_is_refused_when_it_is_set(
    client: httpx.AsyncClient, set_variable: Set, project_id: int, task_id: int
) -> None:
    big = "x" * 120_000
    for number in range(4):
        await set_variable(f"TASK_{number}", big, scope="task", scope_id=task_id)
    for number in range(3):
        await set_variable(f"PROJECT_{number}", big, scope="project", scope_id=project_id)
    await set_variable("GLOBAL_0", big)
    for owner in ({}, {"scope": "project", "scope_id": project_id}, {"scope": "task", "scope_id": task_id}):
        answer = await client.post("/variables", json={"name": "ONE_MORE", "value": big} | owner)
        assert blamed(answer) == ["value"], owner
        told = answer.json()["error"]["message"]
        assert f"the runs of task {task_id} would be given 1,055 KiB" in told
        for part in ("of the variables for all runs", "of the project", "of the task", "The most is 1,024 KiB"):
            assert part in told
    other = (await client.post("/projects", json={"name": "other"})).json()["id"]
    assert await set_variable("ONE_MORE", big, scope="project", scope_id=other)
    as_file = await set_variable("ONE_MORE", big, as_file=True)
    assert blamed(await client.patch(f"/variables/{as_file['id']}", json={"as_file": False})) == ["value"]


async def test_files_have_a_limit_together(client: httpx.AsyncClient, set_variable: Set) -> None:
    largest = "x" * (1 << 20)
    for number in range(16):
        await set_variable(f"FILE_{number}", largest)
    answer = await client.post("/variables", json={"name": "ONE_MORE", "value": largest})
    assert blamed(answer) == ["value"]
    assert "every run would be given 17,408 KiB" in answer.json()["error"]["message"]


async def test_versions_come_in_pages_and_the_oldest_go(
    client: httpx.AsyncClient, set_variable: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kumo.variables.service.VERSIONS_KEPT", 5)
    url = f"/variables/{(await set_variable('A', '1'))['id']}"
    for number in range(2, 9):
        assert (await client.patch(url, json={"value": str(number)})).status_code == 200
    first = (await client.get(f"{url}/versions?limit=3")).json()
    second = (await client.get(f"{url}/versions", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [item["value"] for item in first["items"] + second["items"]] == ["8", "7", "6", "5", "4"]
    assert second["next_cursor"] is None
