from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from fastapi import FastAPI

from kumo.db.session import Database
from kumo.schedules.models import Slot
from tests.databases import on_one_database

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@on_one_database
async def test_a_preview_says_when_and_in_which_words(client: httpx.AsyncClient) -> None:
    body: dict[str, Any] = {
        "trigger": {"type": "cron", "expression": "30 2 * * *", "timezone": "Europe/Berlin"},
        "after": "2026-03-28T12:00:00Z",
        "count": 2,
    }
    answer = (await client.post("/triggers/preview", json=body)).json()
    assert answer["next"] == ["2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]
    assert answer["description"] == "At 02:30 every day (Europe/Berlin)"
    chinese = (await client.post("/triggers/preview?language=zh-CN", json=body)).json()
    assert chinese["description"] == "每天 02:30（Europe/Berlin）"


@on_one_database
async def test_a_preview_marks_what_the_clocks_change(client: httpx.AsyncClient) -> None:
    trigger = {"type": "cron", "expression": "30 2 * * *", "timezone": "Europe/Berlin"}
    body: dict[str, Any] = {"trigger": trigger, "after": "2026-03-28T12:00:00Z", "count": 2}
    moved, plain = (await client.post("/triggers/preview", json=body)).json()["moments"]
    assert moved == {
        "due_at": "2026-03-29T01:00:00.000Z",
        "local": "2026-03-29T03:00:00+02:00",
        "change": "moved",
        "note": "02:30 does not exist on this day: the clocks are set forward. It runs right after that.",
        "is_blacked_out": False,
    }
    assert (plain["local"], plain["change"], plain["note"]) == ("2026-03-30T02:30:00+02:00", None, None)
    body["trigger"] |= {"expression": "*/30 2 * * *"}
    answer = (await client.post("/triggers/preview", json=body)).json()
    assert answer["left_out"] == ["2026-03-29T02:00:00", "2026-03-29T02:30:00"]


@on_one_database
async def test_a_preview_of_a_trigger_that_exists_shows_its_own_delays(client: httpx.AsyncClient) -> None:
    trigger = {"id": 7, "type": "cron", "expression": "0 0 * * *", "jitter_seconds": 3600}
    body = {"trigger": trigger, "after": "2026-01-05T12:00:00Z", "count": 1}
    answer = (await client.post("/triggers/preview", json=body)).json()
    assert answer["next"] == ["2026-01-06T00:18:24.570Z"]
    assert answer["description"].endswith(", up to 1 hour later")


@on_one_database
async def test_a_preview_marks_what_lies_in_a_blackout(client: httpx.AsyncClient) -> None:
    blackouts = [{"start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"}]
    for trigger in (
        {"type": "cron", "expression": "0 */6 * * *"},
        {"type": "interval", "seconds": 21_600, "start_at": "2026-01-05T00:00:00Z"},
    ):
        body = {"trigger": trigger, "after": "2026-01-05T12:00:00Z", "count": 4, "blackouts": blackouts}
        moments = (await client.post("/triggers/preview", json=body)).json()["moments"]
        marked = {moment["due_at"][11:13]: moment["is_blacked_out"] for moment in moments}
        assert marked == {"18": False, "00": True, "06": False, "12": False}


@on_one_database
async def test_a_preview_names_what_is_wrong(client: httpx.AsyncClient) -> None:
    good: dict[str, Any] = {"type": "interval", "seconds": 5}
    for body, field in [
        ({"trigger": {"type": "cron", "expression": "x"}}, "trigger.expression"),
        ({"trigger": {"type": "interval", "seconds": -5}}, "trigger.seconds"),
        ({"trigger": good | {"jitter_seconds": 3601}}, "trigger.jitter_seconds"),
        ({"trigger": good | {"jitter_seconds": 0.5}}, "trigger.jitter_seconds"),
        ({"trigger": {"type": "date", "at": "2999-01-01T00:00:00Z", "jitter_seconds": 9}}, "trigger.jitter_seconds"),
        ({"trigger": good | {"end_at": "2001-01-01T00:00:00Z"}}, "trigger.end_at"),
        ({"trigger": good, "count": 51}, "count"),
        ({"trigger": good, "blackouts": [{"start": "x", "end": "06:00"}]}, "blackouts.0.start"),
        (
            {"trigger": good, "blackouts": [{"start": "22:00", "end": "06:00", "timezone": "Mars/Base"}]},
            "blackouts.0.timezone",
        ),
        ({"trigger": good, "after": "2026-01-01T00:00:00"}, "after"),
        ({"trigger": good, "after": "9999-12-31T23:59:59Z"}, "after"),
        ({}, "trigger"),
    ]:
        answer = await client.post("/triggers/preview", json=body)
        assert answer.status_code == 422, answer.text
        assert [detail["field"] for detail in answer.json()["error"]["details"]] == [field]


@on_one_database
async def test_zones_are_listed(client: httpx.AsyncClient) -> None:
    assert {"UTC", "Europe/Berlin"} <= set((await client.get("/timezones")).json()["items"])


async def test_the_ledger_is_read_in_pages_and_by_time(client: httpx.AsyncClient, app: FastAPI) -> None:
    project = (await client.post("/projects", json={"name": "etl"})).json()
    task = (await client.post("/tasks", json={"name": "t", "project_id": project["id"], "command": "true"})).json()
    database: Database = app.state.database
    async with database.write() as session:
        for hour in range(5):
            due_at = NOON + timedelta(hours=hour)
            values = {"task_id": task["id"], "trigger_id": 1, "due_at": due_at, "first_due_at": due_at}
            session.add(Slot(**values, count=1, outcome="skipped", reason="overlap", run_id=None, created_at=due_at))
            await session.flush()
    url = f"/tasks/{task['id']}/slots"
    first = (await client.get(url, params={"limit": 3})).json()
    rest = (await client.get(url, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    due = [slot["due_at"] for slot in first["items"] + rest["items"]]
    assert due == [f"2026-01-05T{hour}:00:00.000Z" for hour in (16, 15, 14, 13, 12)]
    assert rest["next_cursor"] is None
    assert {name: first["items"][0][name] for name in ("outcome", "reason", "run_id", "count")} == {
        "outcome": "skipped",
        "reason": "overlap",
        "run_id": None,
        "count": 1,
    }
    between = await client.get(url, params={"from": "2026-01-05T14:00:00+01:00", "to": "2026-01-05T15:00:00Z"})
    assert [slot["due_at"][11:13] for slot in between.json()["items"]] == ["14", "13"]
    whole = (await client.get(url, params={"from": "2026-01-05T00:00:00Z", "to": "2026-01-06T00:00:00Z"})).json()
    assert whole["summary"] == {
        "from": "2026-01-05T00:00:00.000Z",
        "to": "2026-01-06T00:00:00.000Z",
        "expected": 5,
        "ran": 0,
        "skipped": {"overlap": 5},
        "down": [],
        "cadence": {"configured_seconds": None, "real_seconds": None, "warning": None},
        "sentence": "expected 5, ran 0, 5 skipped: overlap",
    }
    assert first["summary"]["expected"] == 0  # of the last 24 hours
    chinese = await client.get(
        url, params={"from": "2026-01-05T00:00:00Z", "to": "2026-01-06T00:00:00Z", "language": "zh-CN"}
    )
    assert chinese.json()["summary"]["sentence"] == "应有 5 次，运行 0 次，跳过 5 次：上一次运行未结束"
    for wrong in ({"from": "2026-01-05T14:00:00"}, {"to": "0001-01-01T00:00:00+14:00"}, {"cursor": "W10"}):
        answer = await client.get(url, params=wrong)
        assert answer.status_code == 422
        assert answer.json()["error"]["details"][0]["field"] == next(iter(wrong))
    assert (await client.get("/tasks/999/slots")).status_code == 404


async def test_a_boot_report_is_shown_and_purged(client: httpx.AsyncClient) -> None:
    assert (await client.get("/schedule/boot-report")).json() == {
        "down": None,
        "missed": 0,
        "caught_up": 0,
        "queued": 0,
        "task_count": 0,
        "tasks": [],
    }
    assert (await client.post("/schedule/boot-report/purge")).json() == {"stopped_run_ids": []}
    assert (await client.post("/schedule/boot-report/purge", json={"task_ids": [7]})).json() == {"stopped_run_ids": []}
    assert (await client.post("/schedule/boot-report/purge", json={"task_ids": ["x"]})).status_code == 422


async def test_the_ledger_is_narrowed_to_what_became_of_the_moments(client: httpx.AsyncClient, app: FastAPI) -> None:
    project = (await client.post("/projects", json={"name": "etl"})).json()
    task = (await client.post("/tasks", json={"name": "t", "project_id": project["id"], "command": "true"})).json()
    became = ["overlap", None, "missed", None, "overlap", "no_files"]
    database: Database = app.state.database
    async with database.write() as session:
        for hour, reason in enumerate(became):
            due_at = NOON + timedelta(hours=hour)
            values = {"task_id": task["id"], "trigger_id": 1, "due_at": due_at, "first_due_at": due_at, "count": 1}
            outcome = "skipped" if reason else "run"
            session.add(Slot(**values, outcome=outcome, reason=reason, run_id=None, created_at=due_at))

    async def hours(query: str) -> list[int]:
        url = f"/tasks/{task['id']}/slots?from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z"
        first = (await client.get(f"{url}&limit=2&{query}")).json()
        slots = first["items"]
        if first["next_cursor"]:
            rest = (await client.get(f"{url}&cursor={first['next_cursor']}&{query}")).json()
            slots += rest["items"]
        assert first["summary"]["expected"] == len(became)
        return [int(slot["due_at"][11:13]) - 12 for slot in slots]

    assert await hours("") == [5, 4, 3, 2, 1, 0]
    assert await hours("outcome=run") == [3, 1]
    assert await hours("outcome=skipped") == [5, 4, 2, 0]
    assert await hours("reason=overlap") == [4, 0]
    assert await hours("reason=overlap&reason=missed&reason=missed") == [4, 2, 0]
    assert await hours("outcome=skipped&reason=missed") == [2]
    assert await hours("outcome=run&reason=missed") == []
    for wrong in ("outcome=lost", "reason=rain"):
        answer = await client.get(f"/tasks/{task['id']}/slots?{wrong}")
        assert answer.status_code == 422
        assert answer.json()["error"]["details"][0]["field"].startswith(wrong.partition("=")[0])
