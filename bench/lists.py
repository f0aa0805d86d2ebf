"""What people open most, with ten thousand tasks and a million runs behind it, and the same with hardly any runs."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from bench.figures import Figure, percentile
from bench.filling import copy_rows, stored
from kumo.runs.states import FAILURES
from tests.server import KumoServer

_TASKS = 10_000
_RUNS = 1_000_000
_FEW_RUNS = 10_000
_DAYS = 30
_QUESTIONS = 300
_STATES = ("succeeded", "failed", "timed_out", "stopped")
_WEIGHTS = (94, 4, 1, 1)
_NIGHTLY = {"type": "cron", "expression": "30 2 * * *"}


def measure(workplace: Path) -> list[Figure]:
    """Ask with few runs stored, then with many: the same questions, in turn, of one server."""
    with KumoServer(workplace / "lists") as server:
        _make_pattern(server)
        server.stop()
        _fill_tasks(workplace / "lists" / "kumo.db")
        _fill_runs(workplace / "lists" / "kumo.db", _FEW_RUNS)
        server.start()
        few = _ask(server.client)
        server.stop()
        _fill_runs(workplace / "lists" / "kumo.db", _RUNS - _FEW_RUNS)
        server.start()
        many = _ask(server.client)
    must = {"tasks": 0.030, "dashboard": 0.050}
    return [
        Figure(
            what=f"{name}, with {_TASKS:,} tasks and {_RUNS:,} runs",
            found=f"p50 {_ms(many[name], 50)}, p99 {_ms(many[name], 99)}"
            f" (with {_FEW_RUNS:,} runs: p50 {_ms(few[name], 50)})",
            must=f"p99 {must[name] * 1000:.0f} ms" if name in must else "–",
            reached=percentile(many[name], 99) <= must[name] if name in must else None,
        )
        for name in many
    ]


def _questions() -> dict[str, str]:
    return {
        "tasks": "/tasks?limit=50",
        "tasks, searched": f"/tasks?limit=50&q=task+{_TASKS - 2}",
        "dashboard": "/dashboard",
        "runs": "/runs?limit=50",
        "runs that failed": "/runs?limit=50&state=failed",
        "runs of a task": f"/runs?limit=50&task_id={_TASKS // 2}",
    }


def _ask(client: httpx.Client) -> dict[str, list[float]]:
    """How long each question took, every time; they take turns, as those of several people would."""
    took: dict[str, list[float]] = {name: [] for name in _questions()}
    for round_ in range(-5, _QUESTIONS):  # the first few make the caches warm
        for name, path in _questions().items():
            began = time.perf_counter()
            items = client.get(path).raise_for_status().json()
            if round_ >= 0:
                took[name].append(time.perf_counter() - began)
            assert items.get("items", True), f"{path} found nothing"
    return took


def _make_pattern(server: KumoServer) -> None:
    """One task and one run, of which all others are copies."""
    project = server.client.post("/projects", json={"name": "lists"}).raise_for_status().json()
    path = f"/projects/{project['id']}/files/README"
    server.client.put(path, json={"content": "Nothing to see.\n"}).raise_for_status()
    task = {"name": "pattern", "project_id": project["id"], "command": "/bin/true", "triggers": [_NIGHTLY]}
    made = server.client.post("/tasks", json=task).raise_for_status().json()
    run = server.client.post(f"/tasks/{made['id']}/run", json={"wait": True}).raise_for_status().json()
    assert run["state"] == "succeeded"


def _fill_tasks(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        ids = range(2, _TASKS + 1)
        copy_rows(database, "tasks", "id = 1", ({"id": number, "name": f"task {number}"} for number in ids))
        copy_rows(database, "triggers", "task_id = 1", ({"task_id": number} for number in ids))
        database.execute("UPDATE projects SET task_count = ?", (_TASKS,))


def _fill_runs(path: Path, count: int) -> None:
    """Add so many runs of all tasks, evenly over the last days, and what is kept of them elsewhere."""
    choose = random.Random(count)
    tallies: Counter[tuple[str, str]] = Counter()
    failures: Counter[tuple[str, int]] = Counter()
    with closing(sqlite3.connect(path)) as database, database:
        (first,) = database.execute("SELECT max(id) + 1 FROM runs").fetchone()
        rows = list(_runs(choose, first, count, tallies, failures))
        copy_rows(database, "runs", "id = 1", rows)
        attempts = ({"run_id": row["id"], "state": row["state"]} for row in rows)
        copy_rows(database, "attempts", "run_id = 1", attempts)
        database.executemany(
            "INSERT INTO daily_tallies (day, project_id, state, count) VALUES (?, 1, ?, ?)"
            " ON CONFLICT (day, project_id, state) DO UPDATE SET count = count + excluded.count",
            ((day, state, number) for (day, state), number in tallies.items()),
        )
        database.executemany(
            "INSERT INTO daily_failures (day, task_id, count) VALUES (?, ?, ?)"
            " ON CONFLICT (day, task_id) DO UPDATE SET count = count + excluded.count",
            ((day, task_id, number) for (day, task_id), number in failures.items()),
        )
        database.execute(
            "UPDATE tasks SET last_run_id = newest.id, last_run_state = newest.state,"
            " last_run_ended_at = newest.ended_at"
            " FROM (SELECT task_id, max(id) AS id, state, ended_at FROM runs GROUP BY task_id) AS newest"
            " WHERE newest.task_id = tasks.id"
        )
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA optimize")


def _runs(
    choose: random.Random,
    first: int,
    count: int,
    tallies: Counter[tuple[str, str]],
    failures: Counter[tuple[str, int]],
) -> Iterator[dict[str, Any]]:
    begin_at = datetime.now(UTC) - timedelta(days=_DAYS)
    for number in range(count):
        moment = begin_at + number * timedelta(days=_DAYS) / count
        task_id = choose.randint(1, _TASKS)
        (state,) = choose.choices(_STATES, _WEIGHTS)
        day = moment.date().isoformat()
        tallies[day, state] += 1
        if state in FAILURES:
            failures[day, task_id] += 1
        yield {
            "id": first + number,
            "task_id": task_id,
            "task_name": f"task {task_id}",
            "state": state,
            "queued_at": stored(moment),
            "started_at": stored(moment),
            "ended_at": stored(moment + timedelta(seconds=2)),
        }


def _ms(seconds: list[float], percent: int) -> str:
    return f"{percentile(seconds, percent) * 1000:.0f} ms"
