from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kumo.runner.contract import INDEX_ENTRY, SAMPLE, attempt_directory, run_directory
from kumo.runs import search_api
from kumo.settings import Settings
from tests.databases import on_one_database
from tests.runs.asking import add_task, ended, events, run_to_its_end

_SCRIPTS = {
    "main.py": "print('one needle')\nprint('two')\nprint('Needle three')\n",
    "twice.py": """
import os, sys
print("attempt", os.environ["KUMO_ATTEMPT"])
sys.exit(0 if os.environ["KUMO_ATTEMPT"] == "2" else 1)
""",
    "waits.py": "import time\nprint('waiting', flush=True)\ntime.sleep(600)\n",
}
_RETRY = {"max_attempts": 2, "delay_seconds": 1}


@pytest.fixture
async def project_id(client: httpx.AsyncClient) -> int:
    project = (await client.post("/projects", json={"name": "etl"})).json()
    for name, text in _SCRIPTS.items():
        assert (await client.put(f"/projects/{project['id']}/files/{name}", json={"content": text})).is_success
    return int(project["id"])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.02)


def log_path(settings: Settings, run_id: int, attempt: int = 1) -> Path:
    return attempt_directory(settings.home, run_id, attempt) / "log"


# --- one log ---------------------------------------------------------------------------------------------------------


async def test_a_search_answers_lines_in_pages(client: httpx.AsyncClient, project_id: int) -> None:
    run = await run_to_its_end(client, await add_task(client, project_id))
    url = f"/runs/{run['id']}/log/search"
    first = (await client.get(url, params={"q": "needle", "limit": 1})).json()
    (item,) = first["items"]
    at = datetime.fromisoformat(item.pop("at"))
    started, finished = (datetime.fromisoformat(run[name]) for name in ("started_at", "ended_at"))
    assert started - timedelta(seconds=1) <= at <= finished + timedelta(seconds=1)
    assert item == {
        "offset": 0,
        "line": 1,
        "text": "one needle",
        "match_offset": 4,
        "match_start": 4,
        "match_end": 10,
    }
    assert (first["next_cursor"], first["scanned_bytes"], first["log_bytes"]) == ("11", 11, 28)
    second = (await client.get(url, params={"q": "needle", "limit": 1, "cursor": first["next_cursor"]})).json()
    assert [(item["offset"], item["line"]) for item in second["items"]] == [(15, 3)]
    assert second["next_cursor"] is None


@on_one_database
async def test_a_search_minds_case_and_takes_expressions_when_it_is_told_to(
    client: httpx.AsyncClient, project_id: int
) -> None:
    run = await run_to_its_end(client, await add_task(client, project_id))

    async def lines(**params: Any) -> list[int]:
        answer = await client.get(f"/runs/{run['id']}/log/search", params=params)
        assert answer.status_code == 200, answer.text
        return [item["line"] for item in answer.json()["items"]]

    assert await lines(q="needle") == [1, 3]
    assert await lines(q="needle", case=True) == [1]
    assert await lines(q="^needle", regex=True) == [3]
    assert await lines(q="^needle", regex=True, case=True) == []
    assert await lines(q="^needle") == []


@on_one_database
async def test_searches_that_cannot_be_answered_say_why(
    client: httpx.AsyncClient, project_id: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await run_to_its_end(client, await add_task(client, project_id))
    monkeypatch.setattr(search_api, "SECONDS", 0.5)
    log_path(settings, run["id"]).write_bytes(b"a" * 60 + b"!\n")
    questions: tuple[tuple[dict[str, Any], str], ...] = (
        ({"q": "("}, "no regular expression"),
        ({"q": "(a+)+$"}, "takes too long"),
        ({"q": "a\nb"}, "cannot go on in the next line"),
        ({"q": ""}, "q:"),
        ({"q": "x" * 501}, "q:"),
    )
    for question, words in questions:
        for path in (f"/runs/{run['id']}/log/search", "/logs/search"):
            answer = await client.get(path, params={"regex": True} | question)
            assert answer.status_code == 422, question
            assert words in answer.json()["error"]["message"]
            assert [detail["field"] for detail in answer.json()["error"]["details"]] == ["q"]


@on_one_database
async def test_lines_have_numbers_and_times(client: httpx.AsyncClient, project_id: int, settings: Settings) -> None:
    run = await run_to_its_end(client, await add_task(client, project_id))
    log_path(settings, run["id"]).write_bytes(b"line\n" * 1000)
    entries = [INDEX_ENTRY.pack(number * 50, 1_767_614_400_000 + number, number * 10) for number in range(100)]
    log_path(settings, run["id"]).with_name("log.index").write_bytes(b"".join(entries))
    url = f"/runs/{run['id']}/log"
    numbers = {
        question: (await client.get(f"{url}?{question}")).headers["X-Log-Line"]
        for question in ("tail=3", "offset=0", "offset=59", "offset=60", "offset=99999")
    }
    assert numbers == {"tail=3": "998", "offset=0": "1", "offset=59": "12", "offset=60": "13", "offset=99999": "1001"}
    times = (await client.get(f"{url}/times?from_offset=120&to_offset=200")).json()["items"]
    assert times == [
        {"offset": 100, "at": "2026-01-05T12:00:00.002Z", "line": 21},
        {"offset": 150, "at": "2026-01-05T12:00:00.003Z", "line": 31},
        {"offset": 200, "at": "2026-01-05T12:00:00.004Z", "line": 41},
    ]
    assert len((await client.get(f"{url}/times")).json()["items"]) == 100


# --- several attempts ------------------------------------------------------------------------------------------------


async def test_each_attempt_has_its_log(client: httpx.AsyncClient, project_id: int) -> None:
    task_id = await add_task(client, project_id, command="python twice.py", retry=_RETRY)
    run = await run_to_its_end(client, task_id)
    assert (run["state"], run["attempt"]) == ("succeeded", 2)
    url = f"/runs/{run['id']}/log"
    for question, number in (("", 2), ("?attempt=2", 2), ("?attempt=1", 1)):
        assert (await client.get(url + question)).text == f"attempt {number}\n"
        found = (await client.get(f"{url}/search{question}", params={"q": "attempt"} if not question else None)).json()
        if not question:
            assert [item["text"] for item in found["items"]] == ["attempt 2"]
        download = await client.get(f"{url}/download{question}")
        assert download.text == f"attempt {number}\n"
        assert f'filename="run-{run["id"]}-{number}.log"' in download.headers["Content-Disposition"]
    first = (await client.get(f"{url}/search", params={"q": "attempt", "attempt": 1})).json()
    assert [item["text"] for item in first["items"]] == ["attempt 1"]
    for path in ("", "/stream", "/search?q=a", "/download", "/times"):
        answer = await client.get(url + path + ("&" if "?" in path else "?") + "attempt=3")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert (await client.get(f"/runs/{run['id']}/samples?attempt=3")).status_code == 404
    states = {
        number: events((await client.get(f"{url}/stream?attempt={number}")).text)[-1][1]["state"] for number in (1, 2)
    }
    assert states == {1: "failed", 2: "succeeded"}


async def test_the_log_of_an_attempt_ends_with_it_though_the_run_goes_on(
    client: httpx.AsyncClient, project_id: int
) -> None:
    retry = {"max_attempts": 2, "delay_seconds": 3600}
    task_id = await add_task(client, project_id, command="python twice.py", retry=retry)
    run_id = (await client.post(f"/tasks/{task_id}/run")).json()["id"]
    stream = asyncio.create_task(client.get(f"/runs/{run_id}/log/stream"))
    async with asyncio.timeout(60):
        told = events((await stream).text)
    # Python writes a line and its end apart: they may come in two parts.
    assert {kind for kind, _ in told[:-1]} == {"log"}
    assert "".join(data["text"] for _, data in told[:-1]) == "attempt 1\n"
    assert (told[-1][0], told[-1][1]["state"]) == ("end", "failed")
    assert (await client.get(f"/runs/{run_id}")).json()["state"] == "retrying"
    assert (await client.get(f"/runs/{run_id}/log")).headers["X-Log-Final"] == "true"
    await client.post(f"/runs/{run_id}/stop")


# --- many runs -------------------------------------------------------------------------------------------------------


async def test_logs_of_many_runs_are_searched_from_the_newest_on(client: httpx.AsyncClient, project_id: int) -> None:
    works = await add_task(client, project_id)
    twice = await add_task(client, project_id, name="twice", command="python twice.py", retry=_RETRY)
    silent = await add_task(client, project_id, name="silent", command="true")
    ids = [(await run_to_its_end(client, task_id))["id"] for task_id in (works, twice, silent, works)]

    async def found(**params: Any) -> list[tuple[int, int, list[int]]]:
        """All pages of a search: run, attempt, lines."""
        runs: list[tuple[int, int, list[int]]] = []
        cursor: dict[str, Any] = {}
        while True:
            answer = await client.get("/logs/search", params=params | cursor)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            runs += [(r["run_id"], r["attempt"], [m["line"] for m in r["matches"]]) for r in page["items"]]
            if page["next_cursor"] is None:
                return runs
            cursor = {"cursor": page["next_cursor"]}

    needles = [(ids[3], 1, [1, 3]), (ids[0], 1, [1, 3])]
    assert await found(q="needle") == needles
    assert await found(q="needle", limit=1) == needles
    assert await found(q="NEEDLE", case=True) == []
    assert await found(q="attempt [12]", regex=True, limit=1) == [(ids[1], 2, [1]), (ids[1], 1, [1])]
    assert await found(q="needle", task_id=works) == needles
    assert await found(q="needle", task_id=twice) == []
    assert await found(q="needle", project_id=project_id + 1) == []
    assert await found(q="e", state=["failed", "lost"]) == []
    queued_at = (await client.get(f"/runs/{ids[3]}")).json()["queued_at"]
    assert await found(q="needle", **{"from": queued_at}) == needles[:1]
    assert await found(q="needle", to=queued_at) == needles[1:]

    (run, *_) = (await client.get("/logs/search", params={"q": "needle"})).json()["items"]
    assert (run["task_id"], run["task_name"], run["state"], run["has_more"]) == (works, "nightly", "succeeded", False)
    assert run["queued_at"] == queued_at


@on_one_database
async def test_a_search_through_many_runs_goes_on_within_a_log(
    client: httpx.AsyncClient, project_id: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await add_task(client, project_id)
    ids = [(await run_to_its_end(client, task_id))["id"] for _ in range(2)]
    with log_path(settings, ids[1]).open("wb") as file:
        file.truncate(1 << 30)  # without blocks on the disk
        file.seek(0, 2)
        file.write(b"\na needle\n" + b"needle\n" * 10)
    log_path(settings, ids[1]).with_name("log.index").write_bytes(INDEX_ENTRY.pack((1 << 30) + 1, 0, 1))
    monkeypatch.setattr(search_api, "SECONDS", 0.1)
    found, requests = [], 0
    cursor: dict[str, str] = {}
    while True:
        answer = (await client.get("/logs/search", params={"q": "needle"} | cursor)).json()
        requests += 1
        assert answer["searched_back_to"] is not None
        found += [(r["run_id"], len(r["matches"]), r["has_more"]) for r in answer["items"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert found == [(ids[1], 5, True), (ids[0], 2, False)]
    assert requests > 1


# --- samples ---------------------------------------------------------------------------------------------------------


@on_one_database
async def test_what_an_attempt_used_is_told_over_time(
    client: httpx.AsyncClient, project_id: int, settings: Settings
) -> None:
    run = await run_to_its_end(client, await add_task(client, project_id))
    url = f"/runs/{run['id']}/samples"
    samples = attempt_directory(settings.home, run["id"], 1) / "samples"
    samples.unlink(missing_ok=True)
    assert (await client.get(url)).json() == {"interval_seconds": None, "items": []}
    samples.write_bytes(SAMPLE.pack(1000, 50.5, 1 << 20, 1) + SAMPLE.pack(3000, 99.94, 1 << 21, 3) + b"half")
    answer = (await client.get(url)).json()
    assert answer["interval_seconds"] == 2
    began = datetime.fromisoformat(run["attempts"][0]["started_at"])
    assert [datetime.fromisoformat(item.pop("at")) - began for item in answer["items"]] == [
        pytest.approx(timedelta(seconds=seconds), abs=timedelta(milliseconds=2)) for seconds in (1, 3)
    ]
    assert answer["items"] == [
        {"cpu_percent": 50.5, "memory_bytes": 1 << 20, "processes": 1},
        {"cpu_percent": 99.9, "memory_bytes": 1 << 21, "processes": 3},
    ]


# --- deleting --------------------------------------------------------------------------------------------------------


async def test_a_run_that_is_over_can_be_deleted(
    client: httpx.AsyncClient, project_id: int, stored_settings: Settings
) -> None:
    task_id = await add_task(client, project_id, command="python twice.py", retry=_RETRY)
    ids = [(await run_to_its_end(client, task_id))["id"] for _ in range(2)]
    assert run_directory(stored_settings.home, ids[1]).exists()
    assert (await client.delete(f"/runs/{ids[1]}")).status_code == 204
    assert not run_directory(stored_settings.home, ids[1]).exists()
    for path in ("", "/log", "/samples"):
        assert (await client.get(f"/runs/{ids[1]}{path}")).status_code == 404
    assert (await client.delete(f"/runs/{ids[1]}")).status_code == 404
    assert (await client.get(f"/tasks/{task_id}")).json()["last_run"]["id"] == ids[0]
    assert run_directory(stored_settings.home, ids[0]).exists()
    assert (await client.delete(f"/runs/{ids[0]}")).status_code == 204
    assert (await client.get(f"/tasks/{task_id}")).json()["last_run"] is None
    assert (await client.get("/runs")).json()["items"] == []
    days = (await client.get("/dashboard")).json()["days"]
    assert sum(day["succeeded"] for day in days) == 2  # what happened has happened


async def test_an_open_run_cannot_be_deleted(client: httpx.AsyncClient, project_id: int) -> None:
    task_id = await add_task(client, project_id, command="python waits.py", stop_grace_seconds=1)
    run_id = (await client.post(f"/tasks/{task_id}/run")).json()["id"]
    refused = await client.delete(f"/runs/{run_id}")
    assert refused.status_code == 409
    assert "Stop it first" in refused.json()["error"]["message"]
    await client.post(f"/runs/{run_id}/stop")
    await ended(client, run_id)
    assert (await client.delete(f"/runs/{run_id}")).status_code == 204


async def test_the_slot_of_a_deleted_run_stays(client: httpx.AsyncClient, project_id: int, app: FastAPI) -> None:
    trigger = {"type": "interval", "seconds": 1}
    task_id = await add_task(client, project_id, command="true", triggers=[trigger])

    async def has_run() -> bool:
        return any(run["state"] == "succeeded" for run in (await client.get("/runs")).json()["items"])

    await until(has_run)
    await client.post(f"/tasks/{task_id}/pause")
    runs = (await client.get("/runs?state=succeeded")).json()["items"]
    run = runs[-1]
    assert run["cause"]["type"] == "slot"
    assert (await client.delete(f"/runs/{run['id']}")).status_code == 204
    slots = (await client.get(f"/tasks/{task_id}/slots")).json()["items"]
    (slot,) = [slot for slot in slots if slot["due_at"] == run["cause"]["due_at"]]
    assert (slot["outcome"], slot["run_id"]) == ("run", None)
