"""The command `kumo`. Each module holds one group of commands, and loads what it needs when it is called."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from kumo.cli import accounts, declarations, doctor, projects, runs, server, status, variables
from kumo.errors import KumoError

app = typer.Typer(
    name="kumo",
    help="Schedules and runs Python script projects.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
server.add_to(app)
accounts.add_to(app)
projects.add_to(app)
runs.add_to(app)
declarations.add_to(app, runs.tasks)
variables.add_to(app)
status.add_to(app)
doctor.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from kumo import __version__  # noqa: PLC0415 - only here

        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a failure is one sentence on standard error, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what a script printed need not fit this terminal's encoding
    try:
        app()
    except KumoError as error:
        print(f"kumo: {error.message}", file=sys.stderr)
        for detail in error.details:
            if detail.message != error.message:
                print(f"  {detail.field}: {detail.message}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
