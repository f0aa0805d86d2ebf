"""Runs of a program that does nothing, from the API request to the stored result, against a bare loop."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

from bench import apscheduler
from bench.figures import Figure
from bench.loops import spawns_per_second
from tests.server import KumoServer

_CLIENTS = 32
_AT_ONCE = 64  # more than cores: most of its time a run waits for the disk, or for its turn
_ROUNDS = 5


def measure(workplace: Path) -> list[Figure]:
    """Some rounds each, loop and Kumo in turn; the median ratio counts."""
    with KumoServer(workplace / "throughput", KUMO_MAX_PARALLEL_RUNS=str(_AT_ONCE)) as server:
        python = os.path.realpath(sys.executable)  # not a shim of some version manager, which is a program of its own
        return [
            _compare(server, "`/bin/true`", ("/bin/true",), count=800, must=0.20),
            _compare(server, "`python -c pass`", (python, "-c", "pass"), count=96, must=0.80),
        ]


def _compare(server: KumoServer, name: str, arguments: tuple[str, ...], *, count: int, must: float) -> Figure:
    task_id = _make_task(server, arguments)
    _run(server, task_id, count // 4)
    rounds = []
    for _ in range(_ROUNDS):
        bare = spawns_per_second(arguments, count)
        others = apscheduler.runs_per_second(arguments, count, at_once=_AT_ONCE)
        speed = _run(server, task_id, count)
        rounds.append((speed / bare, speed, bare, others))
    ratio, speed, bare, others = sorted(rounds)[_ROUNDS // 2]
    return Figure(
        what=f"{name} runs through the whole system",
        found=f"{ratio:.0%} of the bare loop ({speed:.0f} against {bare:.0f} per second; APScheduler {others:.0f})",
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


def _run(server: KumoServer, task_id: int, count: int) -> float:
    """Ask for `count` runs by several clients at once, wait until all results are stored, and give runs per second."""
    began = time.perf_counter()
    clients = [threading.Thread(target=_ask, args=(server, task_id, count // _CLIENTS)) for _ in range(_CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    still_open = f"/runs?state=queued&state=starting&state=running&limit=1&task_id={task_id}"
    while server.client.get(still_open).raise_for_status().json()["items"]:
        time.sleep(0.02)
    return count / (time.perf_counter() - began)


def _ask(server: KumoServer, task_id: int, count: int) -> None:
    """One client, as lean as the standard library allows: it shares the machine with what it measures."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    for _ in range(count):
        connection.request("POST", f"/api/v1/tasks/{task_id}/run", body=b"{}", headers=headers)
        with connection.getresponse() as answer:
            body = json.loads(answer.read())
        assert answer.status == http.client.ACCEPTED, body
    connection.close()
