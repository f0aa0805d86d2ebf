"""A hundred thousand active triggers: how soon the server answers, what it holds, and whether it keeps its times."""

from __future__ import annotations

import json
import random
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.figures import Figure, percentile
from bench.filling import copy_rows, stored
from bench.idle import cpu_seconds, seconds_to_start, tree_of
from kumo.tasks.triggers import Cron, Interval, Trigger, to_settings
from tests.server import KumoServer

_TRIGGERS = 100_000
_A_SECOND = 50
_WATCHED_SECONDS = 60
_STARTS = 3
_PREPARATION = timedelta(seconds=120)  # filling the database, and starting the server some times
_SETTLE_SECONDS = 5.0
_LATE_SECONDS = 1.0
_RARELY = {"type": "cron", "expression": "0 0 29 2 *"}
_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Shanghai", "Asia/Kolkata", "Australia/Sydney")


def measure(workplace: Path) -> list[Figure]:
    """Fill a database, start the server on it some times, and watch it for a minute."""
    home = workplace / "triggers"
    with KumoServer(home) as server:
        project = server.client.post("/projects", json={"name": "triggers"}).raise_for_status().json()
        path = f"/projects/{project['id']}/files/README"
        server.client.put(path, json={"content": "Nothing to see.\n"}).raise_for_status()
        task = {"name": "pattern", "project_id": project["id"], "command": "/bin/true", "triggers": [_RARELY]}
        server.client.post("/tasks", json=task).raise_for_status()
        server.stop()
        begin_at = datetime.now(UTC) + _PREPARATION
        expected = _fill(home / "kumo.db", begin_at)
        full, empty = [], []
        for _ in range(_STARTS):
            full.append(seconds_to_start(home))
            empty.append(seconds_to_start(workplace / "no triggers"))
        server.start()
        _sleep_until(begin_at)
        before = sum(cpu_seconds(process) for process in tree_of(server))
        _sleep_until(begin_at + timedelta(seconds=_WATCHED_SECONDS))
        tree = tree_of(server)
        cpu = (sum(cpu_seconds(process) for process in tree) - before) / _WATCHED_SECONDS
        memory = tree[0].memory_full_info()
        time.sleep(_SETTLE_SECONDS)
        return [
            _start(full, empty),
            _memory(memory.rss, memory.pss),
            *_punctuality(home / "kumo.db", begin_at, expected, cpu),
        ]


def _start(full: list[float], empty: list[float]) -> Figure:
    median = statistics.median(full)
    return Figure(
        what="Start → `/health` answers, with 100,000 active triggers",
        found=f"median {median:.2f} s (with none {statistics.median(empty):.2f} s)",
        must="3 s",
        reached=median <= 3.0,
    )


def _memory(resident: int, proportional: int) -> Figure:
    return Figure(
        what="… memory of the server after a minute at 50 slots per second",
        found=f"{resident / 1e6:.0f} MB RSS, {proportional / 1e6:.0f} MB PSS",
        must="250 MB RSS",
        reached=resident <= 250e6,
    )


def _punctuality(path: Path, begin_at: datetime, expected: int, cpu: float) -> list[Figure]:
    """From the ledger: whether each moment has a slot, when it was stored, and when its run began."""
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute(
            "SELECT slots.due_at, slots.created_at, runs.started_at FROM slots LEFT JOIN runs ON runs.id = slots.run_id"
            " WHERE slots.due_at >= ? AND slots.due_at < ?",
            (stored(begin_at), stored(begin_at + timedelta(seconds=_WATCHED_SECONDS))),
        ).fetchall()
    stored_after = [_seconds_between(due_at, created_at) for due_at, created_at, _ in rows]
    started_after = [_seconds_between(due_at, started_at) for due_at, _, started_at in rows if started_at is not None]
    late = sum(seconds > _LATE_SECONDS for seconds in stored_after)
    return [
        Figure(
            what=f"… slots in a minute, {expected / _WATCHED_SECONDS:.0f} per second",
            found=f"{len(rows)} of {expected} moments have one, {late} over a second late;"
            f" stored after p50 {percentile(stored_after, 50) * 1000:.0f} ms,"
            f" p99 {percentile(stored_after, 99) * 1000:.0f} ms, at most {max(stored_after) * 1000:.0f} ms",
            must="none late",
            reached=len(rows) == expected and not late,
        ),
        Figure(
            what="… and their runs of `/bin/true`",
            found=f"{len(started_after)} have begun, after p50 {percentile(started_after, 50) * 1000:.0f} ms,"
            f" p99 {percentile(started_after, 99) * 1000:.0f} ms; {cpu:.0%} of a core for all",
        ),
    ]


def _fill(path: Path, begin_at: datetime) -> int:
    """Make tasks with one trigger each, and say how many will be due in the minute that is watched."""
    choose = random.Random(1)
    triggers = list(_triggers(choose, begin_at))
    due = [trigger.next_after(begin_at - timedelta(microseconds=1)) for trigger in triggers]
    with closing(sqlite3.connect(path)) as database, database:
        (pattern,) = database.execute("SELECT id FROM tasks").fetchone()
        ids = range(pattern + 1, pattern + 1 + len(triggers))
        overlaps = choose.choices(("skip", "queue", "allow"), (8, 1, 1), k=len(triggers))
        tasks = (
            {"id": task_id, "name": f"task {task_id}", "overlap": each}
            for task_id, each in zip(ids, overlaps, strict=True)
        )
        copy_rows(database, "tasks", f"id = {pattern}", tasks)
        copy_rows(
            database,
            "triggers",
            f"task_id = {pattern}",
            (_row(task_id, trigger, at) for task_id, trigger, at in zip(ids, triggers, due, strict=True)),
        )
        database.execute("UPDATE projects SET task_count = task_count + ?", (len(triggers),))
    end_at = begin_at + timedelta(seconds=_WATCHED_SECONDS)
    return sum(at is not None and at < end_at for at in due)


def _triggers(choose: random.Random, begin_at: datetime) -> Iterator[Trigger]:
    """Some that are due each minute, evenly spread; most are due daily, weekly or monthly, in several zones."""
    each_minute = _A_SECOND * _WATCHED_SECONDS
    for number in range(each_minute):
        yield Interval(seconds=60, start_at=begin_at + number * timedelta(seconds=1) / _A_SECOND)
    for _ in range(_TRIGGERS - each_minute):
        time_of_day = f"{choose.randrange(60)} {choose.randrange(24)}"
        day = choose.choice(("* * *", f"* * {choose.randrange(7)}", "* * 1-5", f"{choose.randint(1, 28)} * *"))
        yield Cron(expression=f"{time_of_day} {day}", timezone=choose.choice(_ZONES))


def _row(task_id: int, trigger: Trigger, due_at: datetime | None) -> dict[str, Any]:
    kind, settings = to_settings(trigger)
    return {
        "task_id": task_id,
        "type": kind,
        "settings": json.dumps(settings),
        "next_due_at": None if due_at is None else stored(due_at),
    }


def _seconds_between(one: str, other: str) -> float:
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()


def _sleep_until(moment: datetime) -> None:
    left = (moment - datetime.now(UTC)).total_seconds()
    assert left > 0, "filling the database took too long"
    time.sleep(left)
