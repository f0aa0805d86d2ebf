"""Runs of a program that does nothing, from the API request to the stored result, against a bare loop."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import httpx

from bench.figures import Figure
from bench.loops import spawns_per_second
from tests.server import KumoServer

_CLIENTS = 4
_ROUNDS = 3


def measure(workplace: Path) -> list[Figure]:
    """Three rounds each, loop and Kumo in turn; the median ratio counts."""
    with KumoServer(workplace / "throughput", KUMO_MAX_PARALLEL_RUNS="8") as server:
        python = os.path.realpath(sys.executable)  # not a shim of some version manager, which is a program of its own
        return [
            _compare(server, "`/bin/true`", ("/bin/true",), count=200, must=0.20),
            _compare(server, "`python -c pass`", (python, "-c", "pass"), count=40, must=0.80),
        ]


def _compare(server: KumoServer, name: str, arguments: tuple[str, ...], *, count: int, must: float) -> Figure:
    task_id = _make_task(server, arguments)
    asyncio.run(_run(server, task_id, count // 4))
    ratios = []
    speeds = []
    for _ in range(_ROUNDS):
        bare = spawns_per_second(arguments, count)
        speed = asyncio.run(_run(server, task_id, count))
        ratios.append(speed / bare)
        speeds.append((speed, bare))
    ratio = sorted(ratios)[_ROUNDS // 2]
    speed, bare = speeds[ratios.index(ratio)]
    return Figure(
        what=f"{name} runs through the whole system",
        found=f"{ratio:.0%} of the bare loop ({speed:.0f} against {bare:.0f} per second)",
        must=f"{must:.0%}",
        reached=ratio >= must,
    )


def _make_task(server: KumoServer, arguments: tuple[str, ...]) -> int:
    name = f"bench {arguments[0]}"
    project = server.client.post("/projects", json={"name": name}).raise_for_status().json()
    task = {
        "name": name,
        "project_id": project["id"],
        "command": " ".join(arguments),
        "overlap": "allow",
    }
    return int(server.client.post("/tasks", json=task).raise_for_status().json()["id"])


async def _run(server: KumoServer, task_id: int, count: int) -> float:
    """Ask for `count` runs by several clients at once, wait until all results are stored, and give runs per second."""
    headers = dict(server.client.headers)
    async with httpx.AsyncClient(base_url=str(server.client.base_url), headers=headers, timeout=60) as client:
        began = time.perf_counter()
        await asyncio.gather(*(_ask(client, task_id, count // _CLIENTS) for _ in range(_CLIENTS)))
        still_open = f"/runs?state=queued&state=starting&state=running&limit=1&task_id={task_id}"
        while (await client.get(still_open)).raise_for_status().json()["items"]:
            await asyncio.sleep(0.02)
        return count / (time.perf_counter() - began)


async def _ask(client: httpx.AsyncClient, task_id: int, count: int) -> None:
    for _ in range(count):
        (await client.post(f"/tasks/{task_id}/run", json={})).raise_for_status()
