"""What the tests of runs ask over HTTP: a task, a run, its end, the events of a stream."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

_FINAL = {"succeeded", "failed", "timed_out", "stopped", "lost"}


async def add_task(client: httpx.AsyncClient, project_id: int, **fields: Any) -> int:
    body = {"name": "nightly", "project_id": project_id, "command": "python main.py"} | fields
    answer = await client.post("/tasks", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def run_to_its_end(client: httpx.AsyncClient, task_id: int, **request: Any) -> dict[str, Any]:
    asked = await client.post(f"/tasks/{task_id}/run", json=request)
    assert asked.status_code == 202, asked.text
    return await ended(client, asked.json()["id"])


async def ended(client: httpx.AsyncClient, run_id: int) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            run: dict[str, Any] = (await client.get(f"/runs/{run_id}")).json()
            if run["state"] in _FINAL:
                return run
            await asyncio.sleep(0.05)


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream with their data; an event's id is put with its data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"]) | {"id": fields.get("id")}))
    return found
