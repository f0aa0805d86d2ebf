from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
from fastapi import FastAPI

from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.runs.states import RunState
from kumo.runs.tally import Ended, note_ends


async def made(client: httpx.AsyncClient, path: str, **body: Any) -> int:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def end(app: FastAPI, project_id: int, task_id: int, days_ago: int, **counts: int) -> None:
    """Note the ends of so many runs in each state."""
    database: Database = app.state.database
    at = utc_now() - timedelta(days=days_ago)
    ends = [
        Ended(run_id=0, task_id=task_id, project_id=project_id, state=RunState(state), at=at)
        for state, count in counts.items()
        for _ in range(count)
    ]
    async with database.write() as session:
        await note_ends(session, ends)


async def test_an_empty_house_has_a_dashboard(client: httpx.AsyncClient) -> None:
    shown = (await client.get("/dashboard")).json()
    assert shown["counts"] == {"projects": 0, "environments": 0, "tasks": 0, "active_tasks": 0}
    assert (shown["running"], shown["queued"], shown["success_rate_7d"]) == (0, 0, None)
    assert (shown["recent_runs"], shown["next_due"], shown["top_failures"]) == ([], [], [])
    assert len(shown["days"]) == 14
    assert {tuple(day.values())[1:] for day in shown["days"]} == {(0, 0, 0)}
    assert shown["days"][-1]["date"] == utc_now().date().isoformat()


async def test_the_dashboard_counts_what_there_is(client: httpx.AsyncClient, app: FastAPI) -> None:
    project, other = await made(client, "/projects", name="etl"), await made(client, "/projects", name="other")
    triggers = [{"type": "cron", "expression": "0 0 1 1 *"}]
    busy = await made(client, "/tasks", name="busy", project_id=project, command="true", triggers=triggers)
    calm = await made(client, "/tasks", name="calm", project_id=other, command="true", active=False, triggers=triggers)
    await end(app, project, busy, 0, succeeded=6, failed=1, stopped=5)
    await end(app, project, busy, 6, timed_out=1)
    await end(app, other, calm, 2, succeeded=1, lost=1)
    await end(app, other, calm, 7, failed=100)
    await end(app, other, calm, 14, failed=1000)

    shown = (await client.get("/dashboard")).json()
    assert shown["counts"] == {"projects": 2, "environments": 0, "tasks": 2, "active_tasks": 1}
    assert shown["success_rate_7d"] == 0.7
    by_age = {13 - position: tuple(day.values())[1:] for position, day in enumerate(shown["days"])}
    counted = {0: (6, 1, 5), 2: (1, 1, 0), 6: (0, 1, 0), 7: (0, 100, 0)}
    assert by_age == {age: counted.get(age, (0, 0, 0)) for age in range(14)}
    due_at = (await client.get(f"/tasks/{busy}")).json()["next_due_at"]
    assert shown["next_due"] == [{"task_id": busy, "task_name": "busy", "due_at": due_at}]
    assert shown["top_failures"] == [
        {"task_id": busy, "task_name": "busy", "count": 2},
        {"task_id": calm, "task_name": "calm", "count": 1},
    ]

    of_other = (await client.get(f"/dashboard?project_id={other}")).json()
    assert (of_other["success_rate_7d"], of_other["next_due"], of_other["counts"]["tasks"]) == (0.5, [], 1)
    assert [task["task_id"] for task in of_other["top_failures"]] == [calm]
    assert (await client.delete(f"/tasks/{busy}")).status_code == 204
    assert [task["task_id"] for task in (await client.get("/dashboard")).json()["top_failures"]] == [calm]


async def test_a_task_with_several_triggers_is_due_next_once(client: httpx.AsyncClient) -> None:
    project = await made(client, "/projects", name="etl")
    triggers = [{"type": "interval", "seconds": 86400 * days, "start_at": "2120-01-01T00:00:00Z"} for days in (1, 2)]
    await made(client, "/tasks", name="t", project_id=project, command="true", triggers=triggers)
    shown = (await client.get("/dashboard")).json()
    assert [due["due_at"] for due in shown["next_due"]] == ["2120-01-01T00:00:00.000Z"]
