from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from kumo.runs import request_api
from kumo.settings import Settings
from tests.databases import on_one_database
from tests.runs.asking import add_task, ended, events, run_to_its_end


@pytest.fixture
async def project_id(client: httpx.AsyncClient) -> int:
    """A project with one script that prints three lines."""
    project = (await client.post("/projects", json={"name": "etl"})).json()
    script = "print('first')\nprint('Größe: 5 日')\nprint('last')\n"
    assert (await client.put(f"/projects/{project['id']}/files/main.py", json={"content": script})).is_success
    return int(project["id"])


async def test_a_run_is_asked_for_and_its_log_is_read(client: httpx.AsyncClient, project_id: int) -> None:
    task_id = await add_task(client, project_id)
    run = await run_to_its_end(client, task_id)
    assert (run["state"], run["exit_code"], run["reason"], run["task_name"]) == ("succeeded", 0, None, "nightly")
    assert run["cause"] == {"type": "manual", "trigger_id": None, "due_at": None, "actor": "ada"}
    (attempt,) = run["attempts"]
    assert (attempt["number"], attempt["state"], attempt["worker"]) == (1, "succeeded", "local")
    assert (attempt["outcome"], run["max_attempts"], run["variables"]) == ("exited", 1, [])
    assert run["duration_seconds"] >= 0
    task = (await client.get(f"/tasks/{task_id}")).json()
    assert task["last_run"] == {"id": run["id"], "state": "succeeded", "ended_at": run["ended_at"]}

    text = "first\nGröße: 5 日\nlast\n"
    size = len(text.encode())
    url = f"/runs/{run['id']}/log"
    whole = await client.get(url)
    assert whole.text == text
    assert {name: whole.headers[name] for name in ("X-Log-Size", "X-Log-Offset", "X-Log-Final")} == {
        "X-Log-Size": str(size),
        "X-Log-Offset": "0",
        "X-Log-Final": "true",
    }
    assert (await client.get(f"{url}?offset=6&limit=3")).content == text.encode()[6:9]
    tail = await client.get(f"{url}?tail=1")
    assert (tail.text, tail.headers["X-Log-Offset"]) == ("last\n", str(size - 5))
    assert (await client.get(f"{url}?offset={2**63 - 1}")).content == b""

    found = (await client.get(f"{url}/search", params={"q": "GRÖßE"})).json()
    assert [(item["offset"], item["line"], item["text"]) for item in found["items"]] == [(6, 2, "Größe: 5 日")]
    assert found["next_cursor"] is None
    download = await client.get(f"{url}/download")
    assert download.text == text
    assert f'filename="run-{run["id"]}-1.log"' in download.headers["Content-Disposition"]

    stream = events((await client.get(f"{url}/stream")).text)
    assert "".join(data["text"] for kind, data in stream if kind == "log") == text
    assert stream[-1] == ("end", {"state": "succeeded", "id": None})
    resumed = events((await client.get(f"{url}/stream", headers={"Last-Event-ID": "6"})).text)
    assert [data["text"] for kind, data in resumed if kind == "log"] == ["Größe: 5 日\nlast\n"]
    assert resumed[0][1]["id"] == str(size)


@on_one_database
async def test_questions_about_a_log_that_cannot_be_answered(client: httpx.AsyncClient, project_id: int) -> None:
    run = await run_to_its_end(client, await add_task(client, project_id))
    url = f"/runs/{run['id']}/log"
    assert (await client.get(f"{url}?attempt=2")).status_code == 404
    for question in ("?offset=-1", "?limit=0", f"?limit={(4 << 20) + 1}", "?tail=0", f"?offset={2**63}", "?attempt=0"):
        assert (await client.get(url + question)).status_code == 422, question
    assert (await client.get(f"{url}/search?q=")).status_code == 422
    assert (await client.get(f"{url}/stream", headers={"Last-Event-ID": "x"})).status_code == 422
    for path in ("", "/stream", "/search?q=a", "/download"):
        assert (await client.get(f"/runs/999/log{path}")).status_code == 404
        assert (await client.get(f"/runs/{2**70}/log{path}")).status_code == 422


async def test_a_run_is_followed_stopped_and_repeated(client: httpx.AsyncClient, project_id: int) -> None:
    task_id = await add_task(client, project_id, command="sleep 600", stop_grace_seconds=1)
    run_id = (await client.post(f"/tasks/{task_id}/run", json={})).json()["id"]
    refused = await client.delete(f"/tasks/{task_id}")
    assert refused.status_code == 409
    assert "has 1 run queued or going" in refused.json()["error"]["message"]
    async with asyncio.timeout(60):
        while (await client.get(f"/runs/{run_id}")).json()["state"] != "running":
            await asyncio.sleep(0.05)
    empty = await client.get(f"/runs/{run_id}/log?tail=100")
    assert (empty.status_code, empty.content, empty.headers["X-Log-Final"]) == (200, b"", "false")
    assert (await client.post(f"/runs/{run_id}/stop")).status_code == 202
    run = await ended(client, run_id)
    assert run["state"] == "stopped"
    assert (await client.post(f"/runs/{run_id}/stop")).status_code == 409

    await client.patch(f"/tasks/{task_id}", json={"command": "true"})
    again = await client.post(f"/runs/{run_id}/rerun", json={})
    assert (again.status_code, again.json()["command"], again.json()["cause"]["type"]) == (202, "true", "rerun")
    assert (await ended(client, again.json()["id"]))["state"] == "succeeded"

    assert (await client.delete(f"/tasks/{task_id}")).status_code == 204
    assert (await client.get(f"/runs/{run_id}")).json()["task_name"] == "nightly"
    gone = await client.post(f"/runs/{run_id}/rerun")
    assert gone.status_code == 409
    assert "has been deleted" in gone.json()["error"]["message"]


async def test_runs_are_listed_newest_first_in_pages_and_by_what_they_are(
    client: httpx.AsyncClient, project_id: int
) -> None:
    works, fails = await add_task(client, project_id), await add_task(client, project_id, name="f", command="false")
    ids = [(await run_to_its_end(client, task_id))["id"] for task_id in (works, fails, works)]

    async def listed(**params: Any) -> list[int]:
        answer = await client.get("/runs", params=params)
        assert answer.status_code == 200, answer.text
        return [run["id"] for run in answer.json()["items"]]

    first = (await client.get("/runs?limit=2")).json()
    assert [run["id"] for run in first["items"]] == ids[:0:-1]
    assert await listed(limit=2, cursor=first["next_cursor"]) == ids[:1]
    assert await listed(task_id=fails) == ids[1:2]
    assert await listed(state=["failed", "lost"]) == ids[1:2]
    assert await listed(project_id=project_id + 1) == []
    queued_at = (await client.get(f"/runs/{ids[2]}")).json()["queued_at"]
    assert await listed(**{"from": queued_at}) == ids[2:]
    assert await listed(to=queued_at) == ids[1::-1]
    answer = await client.get(f"/tasks/{works}/runs")
    assert [run["id"] for run in answer.json()["items"]] == [ids[2], ids[0]]


@on_one_database
async def test_questions_about_runs_that_cannot_be_answered(client: httpx.AsyncClient, project_id: int) -> None:
    for question in (
        "state=sleeping",
        f"task_id={2**70}",
        "from=2026-01-01T00:00:00",
        "to=9999-12-31T23:59:59-14:00",
        "cursor=W10",
        "limit=501",
    ):
        answer = await client.get(f"/runs?{question}")
        assert answer.status_code == 422, question
        assert answer.json()["error"]["details"][0]["field"].split(".")[0] == question.split("=")[0]
    assert (await client.get("/runs/999")).status_code == 404
    assert (await client.get(f"/runs/{2**70}")).status_code == 422
    assert (await client.post("/tasks/999/run")).status_code == 404
    task_id = await add_task(client, project_id)
    assert (await client.post(f"/tasks/{task_id}/run", json={"fast": True})).status_code == 422


@on_one_database
async def test_two_runs_are_compared(client: httpx.AsyncClient, project_id: int) -> None:
    task_id = await add_task(client, project_id, retry={"max_attempts": 2, "delay_seconds": 0})
    first = await run_to_its_end(client, task_id)
    await client.put(f"/projects/{project_id}/files/main.py", json={"content": "raise SystemExit(3)\n"})
    second = await run_to_its_end(client, task_id)
    assert (second["attempt"], [attempt["exit_code"] for attempt in second["attempts"]]) == (2, [3, 3])
    compared = (await client.get(f"/runs/{second['id']}/compare", params={"with": first["id"]})).json()
    assert {each["field"] for each in compared["differences"]} == {"snapshot_id", "state", "exit_code", "attempt"}
    assert {"command", "interpreter", "limits"} <= set(compared["same"])
    assert (await client.get(f"/runs/{second['id']}/compare", params={"with": 999})).status_code == 404

    repeated = await client.post(f"/runs/{first['id']}/rerun", json={"exact": True})
    assert repeated.status_code == 202, repeated.text
    again = await ended(client, repeated.json()["id"])
    assert (again["state"], again["snapshot_id"], again["exact_of"]) == ("succeeded", first["snapshot_id"], first["id"])


@on_one_database
async def test_a_script_finds_its_parameters_and_limits(client: httpx.AsyncClient, project_id: int) -> None:
    script = (
        "import os\n"
        "for name in ('KUMO_PARAMETERS', 'REQUEST_INTERVAL_MS', 'MAX_CPU_PERCENT', 'MAX_MEMORY_MB', 'https_proxy'):\n"
        "    print(name, os.environ.get(name))\n"
    )
    await client.put(f"/projects/{project_id}/files/main.py", json={"content": script})
    task_id = await add_task(
        client,
        project_id,
        limits={"memory_bytes": 500_000_000},
        rate_limit={"request_interval_ms": 250},
        proxy="http://proxy.example:3128",
    )
    asked = await client.post(f"/tasks/{task_id}/run", json={"parameters": {"since": "2026-01-01", "full": True}})
    assert asked.status_code == 202, asked.text
    run = await ended(client, asked.json()["id"])
    assert run["parameters"] == {"since": "2026-01-01", "full": True}
    again = (await client.post(f"/runs/{run['id']}/rerun")).json()
    assert (again["parameters"], again["exact_of"]) == (run["parameters"], None)
    log = (await client.get(f"/runs/{run['id']}/log")).text
    assert log == (
        'KUMO_PARAMETERS {"since": "2026-01-01", "full": true}\n'
        "REQUEST_INTERVAL_MS 250\n"
        "MAX_CPU_PERCENT None\n"
        "MAX_MEMORY_MB 500\n"
        "https_proxy http://proxy.example:3128\n"
    )


@on_one_database
async def test_an_attempt_says_that_a_limit_ended_it(client: httpx.AsyncClient, project_id: int) -> None:
    script = "import time\nheld = bytearray(300_000_000)\ntime.sleep(600)\n"
    await client.put(f"/projects/{project_id}/files/main.py", json={"content": script})
    task_id = await add_task(client, project_id, limits={"memory_bytes": 60_000_000})
    (attempt,) = (await run_to_its_end(client, task_id))["attempts"]
    assert attempt["outcome"] == "limit"
    assert attempt["limits_by"] in {"cgroup", "sampling"}
    assert "of memory" in attempt["reason"]


@on_one_database
async def test_parameters_that_are_too_long_are_refused(client: httpx.AsyncClient, project_id: int) -> None:
    task_id = await add_task(client, project_id)
    refused = await client.post(f"/tasks/{task_id}/run", json={"parameters": {"all": "x" * 40_000}})
    assert refused.status_code == 422
    assert refused.json()["error"]["details"][0]["field"] == "parameters"
    assert "32 KiB" in refused.json()["error"]["message"]


# --- a request that brings values, and one that waits ----------------------------------------------------------------


@pytest.fixture
async def telling(client: httpx.AsyncClient, project_id: int) -> int:
    """A task that prints a variable, and one that came by a file."""
    script = "import os\nprint(os.environ.get('WORD'), os.environ.get('KEPT'), 'LONG_FILE' in os.environ)\n"
    assert (await client.put(f"/projects/{project_id}/files/tells.py", json={"content": script})).is_success
    return await add_task(client, project_id, name="tells", command="python tells.py")


async def test_values_of_a_request_win_and_are_for_that_run_alone(
    client: httpx.AsyncClient, telling: int, settings: Settings
) -> None:
    for name in ("WORD", "KEPT"):
        await client.post("/variables", json={"scope": "task", "scope_id": telling, "name": name, "value": "stored"})
    body = {"variables": {"WORD": "brought-along", "LONG": "x" * 140_000}, "wait": True}
    answer = await client.post(f"/tasks/{telling}/run", json=body)
    assert answer.status_code == 200, answer.text
    run = answer.json()
    assert (run["state"], run["own_variables"]) == ("succeeded", ["LONG", "WORD"])
    assert set(run["variable_versions"]) == {"KEPT"}
    assert (await client.get(f"/runs/{run['id']}/log")).text == "brought-along stored True\n"
    again = (await client.post(f"/runs/{run['id']}/rerun", json={"exact": True})).json()
    await ended(client, again["id"])
    assert (await client.get(f"/runs/{again['id']}/log")).text == "brought-along stored True\n"
    plain = await run_to_its_end(client, telling)
    assert (await client.get(f"/runs/{plain['id']}/log")).text == "stored stored False\n"
    other = await run_to_its_end(client, telling, variables={"WORD": "another-word"})
    for run_id, own in ((again["id"], {}), (other["id"], {"LONG": (1, None), "WORD": (1, 2)})):
        compared = (await client.get(f"/runs/{run['id']}/compare", params={"with": run_id})).json()
        found = {each["field"]: (each["this"], each["other"]) for each in compared["differences"]}
        assert {name: found[name] for name in found if "own" in name} == {
            f"own_variables.{name}": sides for name, sides in own.items()
        }
    if (settings.home / "kumo.db").exists():
        kept = b"".join(path.read_bytes() for path in settings.home.glob("kumo.db*"))
        assert b"brought-along" not in kept


@on_one_database
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"1ST": "x"}, "1ST: The name of a variable"),
        ({"KUMO_RUN_ID": "5"}, "Kumo's own"),
        ({"A": "a\0b"}, "A: The value has a NUL"),
        ({"A": 5}, "string"),
        ({f"A{number}": "x" * 60_000 for number in range(5)}, "longer than 256 KiB"),
    ],
)
async def test_values_that_no_run_can_be_given_are_refused(
    client: httpx.AsyncClient, telling: int, variables: dict[str, Any], words: str
) -> None:
    answer = await client.post(f"/tasks/{telling}/run", json={"variables": variables})
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]
    assert answer.json()["error"]["details"][0]["field"].startswith("variables")
    assert (await client.get("/runs")).json()["items"] == []


@on_one_database
async def test_whoever_waits_is_told_of_the_run_as_it_is_when_the_time_is_over(
    client: httpx.AsyncClient, project_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_api, "_LONGEST_WAIT_SECONDS", 0.5)
    await client.put(f"/projects/{project_id}/files/sleeps.py", json={"content": "import time\ntime.sleep(600)\n"})
    task_id = await add_task(client, project_id, name="sleeps", command="python sleeps.py", stop_grace_seconds=1)
    answer = await client.post(f"/tasks/{task_id}/run", json={"wait": True})
    assert answer.status_code == 202
    assert answer.json()["state"] in {"queued", "starting", "running"}
    await client.post(f"/runs/{answer.json()['id']}/stop")
    assert (await ended(client, answer.json()["id"]))["state"] == "stopped"
