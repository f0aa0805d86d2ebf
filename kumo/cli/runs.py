"""`kumo run`, `runs`, `logs`, `stop`, and `kumo task list`: over HTTP."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import typer

from kumo.cli.client import Client, connect
from kumo.cli.lookups import all_items, task_id
from kumo.cli.options import AsJson, Home
from kumo.errors import InvalidInput, Unavailable

_POLL_SECONDS = 0.3
_RECONNECT_SECONDS = 1.0
_SILENCE_SECONDS = 60.0  # longer than a restart takes
_FINAL = frozenset({"succeeded", "failed", "timed_out", "stopped", "lost", "skipped"})

tasks = typer.Typer(help="Tasks.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(run)
    app.command()(runs)
    app.command()(logs)
    app.command()(stop)
    app.add_typer(tasks, name="task")


@tasks.command("list")
def task_list(home: Home = None, as_json: AsJson = False) -> None:
    """List the tasks."""
    with connect(home) as client:
        items = list(all_items(client, "/tasks"))
    if as_json:
        print(json.dumps(items))
        return
    for task in items:
        state = "active" if task["active"] else "paused"
        last = task["last_run"]["state"] if task["last_run"] else "-"
        print(f"{task['id']:>5}  {state:<7} {last:<10} {task['next_due_at'] or '-':<25} {task['name']}")


def run(  # noqa: PLR0913 - one parameter for each option
    task: Annotated[str, typer.Argument(help="A task's id or name.")],
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A parameter; may be repeated.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; the exit code is the script's.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print the log as it comes, and wait.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Run a task now."""
    with connect(home) as client:
        body = {"parameters": _parameters(parameter or [])}
        asked = client.call("POST", f"/tasks/{task_id(client, task)}/run", json=body)
        if follow:
            _print_log(client, asked["id"])
        ended = _wait(client, asked["id"]) if wait or follow else asked
    if as_json:
        print(json.dumps(ended))
    elif not follow:
        print(f"Run {ended['id']} of {ended['task_name']} is {ended['state']}.")
    if wait or follow:
        _exit_as(ended)


def _parameters(given: list[str]) -> dict[str, Any]:
    """As in the web interface: `n=5` is a number, `n="5"` and everything that is no JSON a text."""
    parameters: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise InvalidInput(f"--parameter {each}: write it as NAME=VALUE.")
        try:
            parameters[name] = json.loads(value)
        except ValueError:
            parameters[name] = value
    return parameters


def runs(
    task: Annotated[str | None, typer.Option(help="Only of this task: its id or name.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 20,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first."""
    with connect(home) as client:
        query: dict[str, Any] = {"limit": limit}
        if task is not None:
            query["task_id"] = task_id(client, task)
        items = client.call("GET", "/runs", params=query)["items"]
    if as_json:
        print(json.dumps(items))
        return
    for item in items:
        print(f"{item['id']:>7}  {item['state']:<10} {item['queued_at']}  {item['task_name']}")


def logs(
    run_id: Annotated[int, typer.Argument(metavar="RUN", help="A run's id.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    home: Home = None,
) -> None:
    """Print the log of a run."""
    with connect(home) as client:
        if follow:
            _print_log(client, run_id)
            return
        try:
            with client.stream(f"/runs/{run_id}/log/download") as response:
                for chunk in response.iter_raw():
                    sys.stdout.buffer.write(chunk)
        except httpx.TransportError as error:
            raise Unavailable(f"Kumo does not answer: {error}.") from None
        sys.stdout.buffer.flush()


def stop(
    run_id: Annotated[int, typer.Argument(metavar="RUN", help="A run's id.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Stop a run, and wait until nothing of it lives."""
    with connect(home) as client:
        client.call("POST", f"/runs/{run_id}/stop")
        ended = _wait(client, run_id)
    print(json.dumps(ended) if as_json else f"Run {run_id} is {ended['state']}.")


def _wait(client: Client, run_id: int) -> dict[str, Any]:
    """The run once it has ended. A server that is being restarted is waited for: the run goes on meanwhile."""
    answered_at = time.monotonic()
    while True:
        try:
            seen: dict[str, Any] = client.call("GET", f"/runs/{run_id}")
            answered_at = time.monotonic()
            if seen["state"] in _FINAL:
                return seen
        except Unavailable:
            if time.monotonic() - answered_at > _SILENCE_SECONDS:
                raise
        time.sleep(_POLL_SECONDS)


def _print_log(client: Client, run_id: int) -> None:
    """Print the log until the run ends; a broken connection is taken up where it broke."""
    offset, lost_at = 0, None
    while True:
        try:
            with client.stream(f"/runs/{run_id}/log/stream", headers={"Last-Event-ID": str(offset)}) as response:
                lost_at = None
                for event, event_id, data in _events(response.iter_lines()):
                    if event == "end":
                        return
                    if event == "log":
                        sys.stdout.write(json.loads(data)["text"])
                        sys.stdout.flush()
                        offset = int(event_id)
        except (httpx.TransportError, Unavailable) as error:
            lost_at = lost_at or time.monotonic()
            if time.monotonic() - lost_at > _SILENCE_SECONDS:
                raise Unavailable(f"Kumo does not answer any more: {error}. The run may still go on.") from None
        time.sleep(_RECONNECT_SECONDS)


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Server-sent events as (event, id, data); see the HTML standard, section 9.2."""
    event = event_id = data = ""
    for line in lines:
        name, _colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield event, event_id, data
            event = data = ""
        elif name == "event":
            event = value
        elif name == "id":
            event_id = value
        elif name == "data":
            data += value


def _exit_as(ended: dict[str, Any]) -> None:
    """Leave with the script's exit code; with 128 + N where a signal ended it, as a shell does."""
    code = ended["exit_code"]
    if ended["state"] == "succeeded":
        raise typer.Exit(0)
    if code is None or code == 0:
        raise typer.Exit(1)
    raise typer.Exit(code if code > 0 else 128 - code)
