"""Projects: what a hundred states take on the disk, and how long saving, listing and starting take in large ones."""

from __future__ import annotations

import random
import statistics
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.figures import Figure, percentile
from tests.server import KumoServer

_MB = 1_000_000
_STATES = 100
_SAVES = 60
_TREES = 30
_STARTS = 60
_FILES = 10_000


def measure(workplace: Path) -> list[Figure]:
    """All of it at one server, over HTTP."""
    with KumoServer(workplace / "projects") as server:
        return [
            _states(server, workplace),
            *_large(server, workplace, name="in folders of 100", per_folder=100),
            _starts(server),
            *_large(server, workplace, name="in one folder", per_folder=_FILES),
        ]


def _states(server: KumoServer, workplace: Path) -> Figure:
    """500 files that cannot be compressed, 50 MB; one of them is saved 99 times."""
    made = random.Random(1)
    files = {f"part{number // 50}/{number}.bin": made.randbytes(100_000) for number in range(499)}
    files["main.py"] = _script(0)
    project = _upload(server, workplace, "large", files)
    for number in range(1, _STATES):
        _save(server, project, "main.py", _script(number).decode())
    history = server.client.get(f"/projects/{project}/snapshots", params={"limit": 500}).json()["items"]
    assert len(history) == _STATES
    taken = sum(path.stat().st_blocks * 512 for path in (server.home / "store").rglob("*") if path.is_file())
    return Figure(
        what="100 states of a project of 50 MB that differ in one file, on the disk",
        found=f"{taken / _MB:.0f} MB",
        must="60 MB",
        reached=taken < 60 * _MB,
    )


def _large(server: KumoServer, workplace: Path, *, name: str, per_folder: int) -> list[Figure]:
    files = {f"pkg{number // per_folder}/module{number}.py": f"x = {number}\n".encode() for number in range(_FILES)}
    files["README.md"] = b"Beside the folder, which would be left out if it were alone.\n"
    project = _upload(server, workplace, f"many {name}", files)
    paths = random.Random(1).sample(sorted(files), _SAVES)
    saves = [_timed(_save, server, project, path, "x = 'saved'\n") for path in paths]
    trees = [_timed(_tree, server, project) for _ in range(_TREES)]
    states = server.client.get(f"/projects/{project}/snapshots").json()["items"]
    diff = f"/projects/{project}/snapshots/{states[0]['id']}/diff"
    diffs = [_timed(_get, server, diff) for _ in range(_TREES)]
    return [
        Figure(
            what=f"Saving one file of 10,000 {name}",
            found=f"p50 {statistics.median(saves) * 1000:.0f} ms, p95 {percentile(saves, 95) * 1000:.0f} ms",
            must="50 ms",
            reached=statistics.median(saves) <= 0.05,
        ),
        Figure(
            what="… the tree of all of them",
            found=f"p50 {statistics.median(trees) * 1000:.0f} ms, p95 {percentile(trees, 95) * 1000:.0f} ms",
            must="200 ms",
            reached=statistics.median(trees) <= 0.2,
        ),
        Figure(what="… what the last save changed", found=f"p50 {statistics.median(diffs) * 1000:.0f} ms"),
    ]


def _starts(server: KumoServer) -> Figure:
    """Requests for runs of `/bin/true` until they are over, in turn with those of a project with one file."""
    project = server.client.get("/projects", params={"q": "many in folders"}).json()["items"][0]["id"]
    small = server.client.post("/projects", json={"name": "small"}).raise_for_status().json()["id"]
    _save(server, small, "main.py", "print(1)\n")
    tasks = [_task(server, small), _task(server, project)]
    times: list[list[float]] = [[], []]
    for number in range(_STARTS + 2):
        for task, taken in zip(tasks, times, strict=True):
            took = _timed(_run, server, task)
            if number >= 2:  # the first ones lay out the files and start what is warm from then on
                taken.append(took)
    alone, beside = (statistics.median(each) for each in times)
    return Figure(
        what="… a run of a state that is laid out, beyond one of a project with one file",
        found=f"median {(beside - alone) * 1000:+.1f} ms (of {beside * 1000:.1f})",
        must="5 ms",
        reached=beside - alone <= 0.005,
    )


def _task(server: KumoServer, project: int) -> int:
    body = {"name": f"bench {project}", "project_id": project, "command": "/bin/true"}
    return int(server.client.post("/tasks", json=body).raise_for_status().json()["id"])


def _run(server: KumoServer, task: int) -> None:
    run: dict[str, Any] = server.client.post(f"/tasks/{task}/run", json={"wait": True}).raise_for_status().json()
    assert run["state"] == "succeeded", run["reason"]


def _upload(server: KumoServer, workplace: Path, name: str, files: dict[str, bytes]) -> int:
    archive = workplace / "bench.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        for path, content in files.items():
            writer.writestr(path, content)
    with archive.open("rb") as reader:
        answer = server.client.post(
            "/projects", files={"file": ("bench.zip", reader)}, data={"name": name}, timeout=300
        )
    return int(answer.raise_for_status().json()["id"])


def _save(server: KumoServer, project: int, path: str, content: str) -> None:
    server.client.put(f"/projects/{project}/files/{path}", json={"content": content}).raise_for_status()


def _tree(server: KumoServer, project: int) -> None:
    found = server.client.get(f"/projects/{project}/tree").raise_for_status().content
    assert found.count(b'"file"') == _FILES + 1


def _script(number: int) -> bytes:
    return f"# state {number}\n".encode() + b"print('quotes')\n" * 1000


def _get(server: KumoServer, path: str) -> None:
    server.client.get(path).raise_for_status()


def _timed(work: Callable[..., None], *arguments: Any) -> float:
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began
