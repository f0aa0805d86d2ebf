"""`kumo project list`, `create`, `upload`, `pull`, `rm`: over HTTP."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from kumo.cli.client import Client, connect
from kumo.cli.lookups import all_items, project_id
from kumo.cli.options import AsJson, Home
from kumo.errors import InvalidInput, Unavailable

_POLL_SECONDS = 0.2
_SILENCE_SECONDS = 60.0  # longer than a restart takes
_UPLOAD_SECONDS = 600.0

_project = typer.Typer(help="Projects.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="PROJECT", help="A project's id or name.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(_project, name="project")


@_project.command("list")
def project_list(home: Home = None, as_json: AsJson = False) -> None:
    """List the projects."""
    with connect(home) as client:
        projects = list(all_items(client, "/projects"))
    if as_json:
        print(json.dumps(projects))
        return
    for project in projects:
        git = project["git"]
        source = "" if git is None else f"  {git['url']}"
        print(f"{project['id']:>5}  {project['file_count']:>6} files  {project['name']}{source}")


@_project.command("create")
def project_create(  # noqa: PLR0913 - one parameter for each option
    name: Annotated[str, typer.Argument(help="The name of the new project.")],
    git: Annotated[str | None, typer.Option("--git", metavar="URL", help="Follow this repository.")] = None,
    branch: Annotated[str | None, typer.Option(help="Follow this branch; the main one without.")] = None,
    tag: Annotated[str | None, typer.Option(help="Follow this tag.")] = None,
    commit: Annotated[str | None, typer.Option(help="Follow this commit, by its whole id.")] = None,
    subdirectory: Annotated[str | None, typer.Option(help="Only this folder of the repository.")] = None,
    credential: Annotated[str | None, typer.Option(help="The git credential that opens it, by name.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Create a project: empty, or from a repository, whose files are waited for."""
    followed = {"branch": branch, "tag": tag, "commit": commit, "subdirectory": subdirectory, "credential": credential}
    given = {option: value for option, value in followed.items() if value is not None}
    if git is None and given:
        raise InvalidInput(f"--{next(iter(given))} is about a repository: name it with --git URL.")
    body = {"name": name} | ({} if git is None else {"git": {"url": git} | given})
    with connect(home) as client:
        project = client.call("POST", "/projects", json=body)
        pull = None if git is None else _wait(client, project["id"], project["git"]["last_pull"]["id"])
        project = client.call("GET", f"/projects/{project['id']}")
    if as_json:
        print(json.dumps(project))
    else:
        print(f"Project {project['id']} “{project['name']}” is here.")
    if pull is not None:
        _tell(pull, quiet=as_json)


@_project.command("upload")
def project_upload(
    name: Name,
    archive: Annotated[Path, typer.Argument(help="A .zip, .tar.gz, .tar.bz2, .tar.xz or .tar archive.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Replace a project's files by those of an archive."""
    try:
        with connect(home) as client, archive.open("rb") as opened:
            path = f"/projects/{project_id(client, name)}/archive"
            project = client.call("POST", path, files={"file": (archive.name, opened)}, timeout=_UPLOAD_SECONDS)
    except OSError as error:
        raise InvalidInput(f"{archive} cannot be read: {error.strerror}.") from None
    print(json.dumps(project) if as_json else f"“{project['name']}” has {project['file_count']} files now.")


@_project.command("pull")
def project_pull(
    name: Name,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also where files were changed here; the history keeps the changes.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Pull a project from its repository, and wait until that is done."""
    with connect(home) as client:
        wanted = project_id(client, name)
        asked = client.call("POST", f"/projects/{wanted}/sync", json={"overwrite": overwrite})
        pull = _wait(client, wanted, asked["id"])
    if as_json:
        print(json.dumps(pull))
    _tell(pull, quiet=as_json)


@_project.command("rm")
def project_rm(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: Home = None,
) -> None:
    """Delete a project that no task uses."""
    with connect(home) as client:
        wanted = client.call("GET", f"/projects/{project_id(client, name)}")
        if not yes:
            typer.confirm(f"Delete the project “{wanted['name']}”?", abort=True)
        client.call("DELETE", f"/projects/{wanted['id']}")
    print(f"The project “{wanted['name']}” is deleted.")


def _wait(client: Client, project: int, pull_id: int) -> dict[str, Any]:
    """Wait for the end of a pull, also over a restart of the server; say when it begins, where somebody looks."""
    answered_at = time.monotonic()
    told = not sys.stderr.isatty()
    while True:
        try:
            pull: dict[str, Any] = client.call("GET", f"/projects/{project}/pulls/{pull_id}")
        except Unavailable:
            if time.monotonic() - answered_at > _SILENCE_SECONDS:
                raise
        else:
            answered_at = time.monotonic()
            if pull["state"] in {"succeeded", "failed"}:
                return pull
            if not told and pull["state"] == "running":
                print("Pulling …", file=sys.stderr)
                told = True
        time.sleep(_POLL_SECONDS)


def _tell(pull: dict[str, Any], *, quiet: bool) -> None:
    if pull["state"] == "failed":
        print(f"kumo: {pull['message']}", file=sys.stderr)
        raise typer.Exit(1)
    if not quiet:
        print(pull["message"])
