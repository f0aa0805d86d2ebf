"""What Kumo costs when nothing happens, and how soon it answers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

from bench.figures import Figure
from tests.server import KumoServer

_IDLE_SECONDS = 30
_SETTLE_SECONDS = 10
_STARTS = 5


def measure(workplace: Path) -> list[Figure]:
    """Memory and CPU of the server and everything it keeps running, the zygote included."""
    with KumoServer(workplace / "idle") as server:
        _one_run(server)
        time.sleep(_SETTLE_SECONDS)
        tree = tree_of(server)
        before = sum(cpu_seconds(process) for process in tree)
        time.sleep(_IDLE_SECONDS)
        cpu = (sum(cpu_seconds(process) for process in tree) - before) / _IDLE_SECONDS
        memory = sum(process.memory_full_info().pss for process in tree)
    start = sorted(seconds_to_start(workplace / "start") for _ in range(_STARTS))[_STARTS // 2]
    return [
        Figure(
            what="Idle memory (PSS, zygote included)",
            found=f"{memory / 1e6:.0f} MB",
            must="120 MB",
            reached=memory <= 120e6,
        ),
        Figure(what="Idle CPU", found=f"{cpu:.2%}", must="0.5 %", reached=cpu <= 0.005),
        Figure(what="Start → `/health` answers", found=f"median {start:.2f} s", must="1.5 s", reached=start <= 1.5),
    ]


def tree_of(server: KumoServer) -> list[psutil.Process]:
    """The server, its zygote and its runners."""
    process = psutil.Process(server.pid)
    return [process, *process.children(recursive=True)]


def _one_run(server: KumoServer) -> None:
    project = server.client.post("/projects", json={"name": "idle"}).raise_for_status().json()
    task = {"name": "idle", "project_id": project["id"], "command": "/bin/true"}
    made = server.client.post("/tasks", json=task).raise_for_status().json()
    server.client.post(f"/tasks/{made['id']}/run", json={}).raise_for_status()


def cpu_seconds(process: psutil.Process) -> float:
    """What a process has used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def seconds_to_start(home: Path) -> float:
    """From the start of a server's process to its first answer; the first one of all also makes the database."""
    port = "8197"
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "kumo", "serve", "--home", str(home), "--port", port],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.startswith("KUMO_")},
    )
    try:
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/api/v1/health", trust_env=False).is_success:
                    return time.perf_counter() - began
            except httpx.TransportError:
                time.sleep(0.01)
    finally:
        process.terminate()
        process.wait()
