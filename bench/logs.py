"""Logs: how soon a viewer sees a line, how soon a large log shows its end, how fast output is taken in."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx

from bench.figures import Figure, percentile
from tests.server import KumoServer

_LINES = 300
_GIB = 1_000_000_000
_TAIL_READS = 20

_TALKER = f"""
import time
for _ in range({_LINES}):
    print(time.time(), flush=True)
    time.sleep(0.01)
"""
_SHOUTER = f"""
import os
line = b"x" * 99 + b"\\n"
block = line * 10_000
for _ in range({_GIB} // len(block)):
    os.write(1, block)
"""


def measure(workplace: Path) -> list[Figure]:
    """One server, one viewer, one talking script; then one that prints 1 GB."""
    with KumoServer(workplace / "logs") as server:
        project = server.client.post("/projects", json={"name": "bench"}).raise_for_status().json()
        for name, text in (("talk.py", _TALKER), ("shout.py", _SHOUTER)):
            path = f"/projects/{project['id']}/files/{name}"
            server.client.put(path, json={"content": text}).raise_for_status()
        return [
            _latency(server, _run(server, project["id"], "talk.py")),
            *_large_log(server, _run(server, project["id"], "shout.py")),
        ]


def _run(server: KumoServer, project_id: int, script: str) -> int:
    task = {"name": script, "project_id": project_id, "command": f"python3 {script}"}
    made = server.client.post("/tasks", json=task).raise_for_status().json()
    return int(server.client.post(f"/tasks/{made['id']}/run", json={}).raise_for_status().json()["id"])


def _latency(server: KumoServer, run_id: int) -> Figure:
    """Each line is the moment when it was printed; the machine's clock is the same here."""
    delays = []
    with server.client.stream("GET", f"/runs/{run_id}/log/stream", timeout=60) as response:
        rest = ""
        for line in response.iter_lines():
            if line == "event: end":
                break
            if line.startswith("data: "):
                now = time.time()
                *whole, rest = (rest + json.loads(line[6:]).get("text", "")).split("\n")
                delays += [now - float(text) for text in whole]
    found = percentile(delays, 99)
    return Figure(
        what="Line printed → seen by a viewer",
        found=f"p50 {percentile(delays, 50) * 1000:.0f} ms, p99 {found * 1000:.0f} ms ({len(delays)} lines)",
        must="p99 100 ms",
        reached=found <= 0.100 and len(delays) == _LINES,
    )


def _large_log(server: KumoServer, run_id: int) -> list[Figure]:
    run = _wait(server.client, run_id)
    speed = run["attempts"][0]["log_bytes"] / run["duration_seconds"] / 1e6
    times = []
    for _ in range(_TAIL_READS):
        began = time.perf_counter()
        server.client.get(f"/runs/{run_id}/log", params={"tail": 1000}).raise_for_status()
        times.append(time.perf_counter() - began)
    opened = max(times)
    return [
        Figure(
            what="Output taken in",
            found=f"{speed:.0f} MB/s ({run['attempts'][0]['log_bytes'] / 1e9:.1f} GB)",
            must="100 MB/s",
            reached=speed >= 100,
        ),
        Figure(
            what="A log of 1 GB opens at its end",
            found=f"slowest of {_TAIL_READS}: {opened * 1000:.0f} ms",
            must="300 ms",
            reached=opened <= 0.300,
        ),
    ]


def _wait(client: httpx.Client, run_id: int) -> dict[str, Any]:
    while True:
        run: dict[str, Any] = client.get(f"/runs/{run_id}").raise_for_status().json()
        if run["ended_at"] is not None:
            return run
        time.sleep(0.2)
