"""`kumo status`: whether the server of this data directory runs, and what it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from kumo.cli.client import NoAccount, connect, connect_as_stranger, find_server
from kumo.cli.options import AsJson, Home
from kumo.errors import Unavailable

_NOT_KNOWN: dict[str, Any] = dict.fromkeys(
    (
        "version",
        "python",
        "database",
        "home",
        "running_runs",
        "queued_runs",
        "max_parallel_runs",
        "loops",
        "next_due",
    )
)


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(status)


def status(home: Home = None, as_json: AsJson = False) -> None:
    """Say whether the server runs, and what it does; the exit code is 1 when it does not."""
    try:
        facts = _look(home)
    except Unavailable as error:
        if not as_json:
            raise
        print(json.dumps({"running": False, "reason": error.message}))
        raise typer.Exit(1) from None
    print(json.dumps(facts) if as_json else "\n".join(_sentences(facts)))


def _look(home: Path | None) -> dict[str, Any]:
    """What there is to say; with nothing but the first facts where nobody can sign in yet."""
    server = find_server(home)
    with connect_as_stranger(server.url) as client:
        health = client.call("GET", "/health")
    known = {"running": True, "url": server.url, "pid": server.pid, "health": health["status"]}
    try:
        with connect(home) as client:
            health, info, dashboard = (client.call("GET", path) for path in ("/health", "/system/info", "/dashboard"))
    except NoAccount:
        return known | _NOT_KNOWN
    return known | {
        "health": health["status"],
        "version": info["version"],
        "python": info["python"],
        "database": info["database"],
        "home": info["home"],
        "running_runs": dashboard["running"],
        "queued_runs": dashboard["queued"],
        "max_parallel_runs": info["max_parallel_runs"],
        "loops": health["loops"],
        "next_due": next(iter(dashboard["next_due"]), None),
    }


def _sentences(facts: dict[str, Any]) -> Iterator[str]:
    process = "" if facts["pid"] is None else f" (process {facts['pid']})"
    if facts["version"] is None:
        yield f"Kumo runs at {facts['url']}{process}."
        yield NoAccount().message
        return
    yield f"Kumo {facts['version']} runs at {facts['url']}{process}."
    going, queued, most = facts["running_runs"], facts["queued_runs"], facts["max_parallel_runs"]
    yield f"Runs: {going} going, {queued} queued; at most {most} go at once."
    due = facts["next_due"]
    yield f"Next due: {due['task_name']!r} at {due['due_at']}." if due else "Next due: nothing."
    failed = [loop for loop in facts["loops"] if loop["failures"]]
    if not failed:
        yield "Background duties: all well since the start."
    for loop in failed:
        times = "once" if loop["failures"] == 1 else f"{loop['failures']} times"
        now = "goes again" if loop["running"] else "is about to be started again"
        yield f"The {loop['name']} has failed {times} and {now}. At {loop['failed_at']}: {loop['last_error']}"
