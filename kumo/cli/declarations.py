"""`kumo apply` and `kumo task export`: tasks as code, over HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from kumo.cli.client import connect
from kumo.cli.lookups import project_id, task_id
from kumo.cli.options import AsJson, Home
from kumo.declarations.file import LARGEST_FILE_BYTES
from kumo.errors import InvalidInput

_SIGNS = {"create": "+", "change": "~", "adopt": "*", "remove": "-"}
_LONGEST_SHOWN = 100

File = Annotated[Path, typer.Argument(metavar="[FILE]", help="The file that declares the tasks.")]


def add_to(app: typer.Typer, tasks: typer.Typer) -> None:
    """Add these commands; `tasks` is the group `kumo task`."""
    app.command()(apply)
    tasks.command("export")(export)


def apply(  # noqa: PLR0913 - one parameter for each option
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The file that declares the tasks.")] = Path(
        "kumo.toml"
    ),
    project: Annotated[
        str | None, typer.Option("--project", help="The project, by id or name; the name of the file's folder without.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the file, for editors.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a project's tasks as a file says, after showing what that changes."""
    if schema:
        from kumo.declarations.schema import schema_text  # noqa: PLC0415 - only here

        print(schema_text(), end="")
        return
    text = _read(file)
    with connect(home) as client:
        path = f"/projects/{project_id(client, project or file.resolve().parent.name)}/apply"
        answer = client.call("POST", path, json={"content": text, "dry_run": True})
        if not as_json:
            for line in _shown(answer["plan"]):
                print(line)
        if not dry_run and not answer["plan"]["nothing_to_do"]:
            if not yes and sys.stdin.isatty():
                typer.confirm("Apply this?", abort=True)
            answer = client.call("POST", path, json={"content": text, "expected_plan": answer["plan"]["hash"]})
    if as_json:
        print(json.dumps(answer))
    elif answer["applied"]:
        print("Applied.")
        for webhook in answer["webhooks"]:
            print(f"The address of {webhook['task_name']}, told this once: {webhook['url_path']}")


def export(
    task: Annotated[str | None, typer.Argument(help="A task's id or name.")] = None,
    project: Annotated[str | None, typer.Option("--project", help="All tasks of this project: its id or name.")] = None,
    home: Home = None,
) -> None:
    """Print a task, or all of a project, as kumo.toml."""
    if (task is None) == (project is None):
        raise InvalidInput("Name a task, or a project by --project.")
    with connect(home) as client:
        if task is not None:
            text = client.text(f"/tasks/{task_id(client, task)}/export")
        else:
            assert project is not None, "one of the two is given"
            text = client.text(f"/projects/{project_id(client, project)}/export")
    print(text, end="")


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            raw = opened.read(LARGEST_FILE_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is not UTF-8 text. Save it as UTF-8.") from None
    if len(raw) > LARGEST_FILE_BYTES:
        raise InvalidInput(f"{file} has more than {LARGEST_FILE_BYTES // 1024} KiB. Make it shorter.")
    return text


def _shown(plan: dict[str, Any]) -> Iterator[str]:
    """A plan as a list of differences."""
    steps = [("environment", plan["environment"])] if plan["environment"] else []
    for kind, step in (*steps, *(("task", step) for step in plan["tasks"])):
        if step["action"] == "unchanged":
            continue
        yield f"{_SIGNS[step['action']]} {kind} {step['name']}" + (" (adopted)" if step["action"] == "adopt" else "")
        for each in step["fields"]:
            before = "" if each["before"] is None and step["action"] == "create" else f"{_value(each['before'])} → "
            yield f"    {each['field']}: {before}{_value(each['after'])}"
    if plan["nothing_to_do"]:
        yield "Nothing to do: everything is as the file says."


def _value(value: Any) -> str:
    """A value on one line, as the file would have it."""
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
