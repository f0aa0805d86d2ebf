"""`kumo variable list`, `set`, `rm`: over HTTP. A value never stands on the command line, where others could see it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from kumo.cli.client import Client, connect
from kumo.cli.lookups import all_items, project_id, task_id
from kumo.cli.options import AsJson, Home
from kumo.errors import InvalidInput
from kumo.variables.rules import LARGEST_VALUE_BYTES

_LONGEST_SHOWN = 60

_variable = typer.Typer(help="Variables: what runs are given in their environment.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The variable's name, as the script reads it.")]
Project = Annotated[str | None, typer.Option("--project", help="Of this project alone: its id or name.")]
Task = Annotated[str | None, typer.Option("--task", help="Of this task alone: its id or name.")]
Secret = Annotated[
    bool | None, typer.Option("--secret/--no-secret", help="Nobody is shown the value again, and logs hide it.")
]
FromFile = Annotated[Path | None, typer.Option("--from-file", help="Take the value from this file, as it is.")]
AsFile = Annotated[bool | None, typer.Option("--as-file/--no-as-file", help="The script finds it in $NAME_FILE.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(_variable, name="variable")


@_variable.command("list")
def variable_list(project: Project = None, task: Task = None, home: Home = None, as_json: AsJson = False) -> None:
    """List the variables: all of them, or those of one project or task."""
    with connect(home) as client:
        scope, scope_id = _owner(client, project, task)
        query = {} if scope_id is None else {f"{scope}_id": scope_id}
        items = list(all_items(client, "/variables", **query))
    if as_json:
        print(json.dumps(items))
        return
    for item in items:
        owner = "all runs" if item["scope"] == "global" else f"{item['scope']} {item['scope_name']}"
        print(f"{item['name']:<30} {owner:<30} {_shown(item)}")


@_variable.command("set")
def variable_set(  # noqa: PLR0913 - one parameter for each option
    name: Name,
    project: Project = None,
    task: Task = None,
    secret: Secret = None,
    as_file: AsFile = None,
    from_file: FromFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Set a variable, new or not; the value is read from standard input, without the newline at its end."""
    value = _value(from_file)
    fields = {"value": value} | {
        option: given for option, given in (("secret", secret), ("as_file", as_file)) if given is not None
    }
    with connect(home) as client:
        scope, scope_id = _owner(client, project, task)
        known = _find(client, name, scope, scope_id)
        if known is None:
            new = {"name": name, "scope": scope} | ({} if scope_id is None else {"scope_id": scope_id})
            answer = client.call("POST", "/variables", json=new | fields)
        else:
            answer = client.call("PATCH", f"/variables/{known['id']}", json=fields)
    if as_json:
        print(json.dumps(answer))
    else:
        secretly = " as a secret" if answer["secret"] else ""
        print(f"{name} is {'set' if known is None else 'changed'}{secretly}, for {_whose(answer)}.")
        for warning in answer["warnings"]:
            print(f"kumo: {warning}", file=sys.stderr)


@_variable.command("rm")
def variable_rm(name: Name, project: Project = None, task: Task = None, home: Home = None) -> None:
    """Delete a variable, with all values that it has had."""
    with connect(home) as client:
        scope, scope_id = _owner(client, project, task)
        known = _find(client, name, scope, scope_id)
        if known is None:
            raise InvalidInput(f"There is no such variable {name!r}. `kumo variable list` shows them.")
        client.call("DELETE", f"/variables/{known['id']}")
    print(f"{name} is deleted, for {_whose(known)}.")


def _owner(client: Client, project: str | None, task: str | None) -> tuple[str, int | None]:
    if project is not None and task is not None:
        raise InvalidInput("Say --project or --task, not both: a variable is for one of them.")
    if project is not None:
        return "project", project_id(client, project)
    if task is not None:
        return "task", task_id(client, task)
    return "global", None


def _find(client: Client, name: str, scope: str, scope_id: int | None) -> dict[str, Any] | None:
    query = {"scope": scope} if scope_id is None else {f"{scope}_id": scope_id}
    # Longer words than any name are not searched for: setting one is refused with a sentence.
    found = all_items(client, "/variables", q=name[:200], **query)
    return next((item for item in found if item["name"] == name), None)


def _value(file: Path | None) -> str:
    """The value, whole: what is too long is left for the server to refuse, once it is known to be so."""
    if file is None and sys.stdin.isatty():
        answer: str = typer.prompt("Value", default="", hide_input=True, show_default=False)
        return answer
    try:
        if file is None:
            raw = sys.stdin.buffer.read(LARGEST_VALUE_BYTES + 2).removesuffix(b"\n")
        else:
            with file.open("rb") as opened:
                raw = opened.read(LARGEST_VALUE_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{file or 'Standard input'} cannot be read: {error.strerror}.") from None
    if len(raw) > LARGEST_VALUE_BYTES:
        raise InvalidInput(f"The value has more than {LARGEST_VALUE_BYTES:,} bytes, the most that a variable holds.")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidInput("The value is not UTF-8 text. Encode it, for example with base64.") from None


def _whose(variable: dict[str, Any]) -> str:
    return "all runs" if variable["scope"] == "global" else f"the {variable['scope']} {variable['scope_name']}"


def _shown(variable: dict[str, Any]) -> str:
    if variable["secret"]:
        return "(secret)"
    if variable["value"] is None:
        return f"({variable['size_bytes']:,} bytes)" if variable["readable"] else "(its key is missing)"
    line = json.dumps(variable["value"], ensure_ascii=False)[1:-1]  # one line, whatever is in it
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}…"
