"""`kumo user …` and `kumo token …`, offline from the data directory."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from kumo.cli.options import AsJson, Home
from kumo.errors import ConfigurationError, NotFound
from kumo.settings import load_settings

if TYPE_CHECKING:
    from kumo.db.session import Database

T = TypeVar("T")

_user = typer.Typer(help="Accounts.", no_args_is_help=True)
_token = typer.Typer(help="API tokens.", no_args_is_help=True)

FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(_user, name="user")
    app.add_typer(_token, name="token")


@_user.command("create")
def user_create(username: str, home: Home = None, password_stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Create an account."""
    from kumo.access import credentials  # noqa: PLC0415
    from kumo.access.passwords import check_password_rules, hash_password  # noqa: PLC0415
    from kumo.access.permissions import Role  # noqa: PLC0415
    from kumo.clock import utc_now  # noqa: PLC0415

    credentials.check_username(username)
    password = _password(from_stdin=password_stdin)
    check_password_rules(password, username=username)

    async def create(database: Database) -> int:
        password_hash = await hash_password(password)
        async with database.write() as session:
            user = await credentials.create_account(
                session, username=username, password_hash=password_hash, role=Role.ADMIN, now=utc_now()
            )
            return user.id

    user_id = _with_database(home, create)
    print(json.dumps({"id": user_id, "username": username}) if as_json else f"Account {username} is made.")


@_user.command("list")
def user_list(home: Home = None, as_json: AsJson = False) -> None:
    """List the accounts."""
    from sqlalchemy import select  # noqa: PLC0415

    from kumo.access.models import User  # noqa: PLC0415

    async def read(database: Database) -> list[dict[str, object]]:
        async with database.read() as session:
            users = await session.scalars(select(User).order_by(User.id))
            return [{"id": user.id, "username": user.username, "role": user.role} for user in users]

    users = _with_database(home, read)
    if as_json:
        print(json.dumps(users))
        return
    for user in users:
        print(f"{user['id']:>4}  {user['username']}  ({user['role']})")


@_user.command("passwd")
def user_passwd(username: str, home: Home = None, password_stdin: FromStdin = False) -> None:
    """Set an account's password, and end its sessions."""
    from kumo.access import credentials  # noqa: PLC0415
    from kumo.access.passwords import check_password_rules, hash_password  # noqa: PLC0415

    password = _password(from_stdin=password_stdin)
    check_password_rules(password, username=username)

    async def change(database: Database) -> None:
        password_hash = await hash_password(password)
        async with database.write() as session:
            user = await credentials.find_account(session, username)
            if user is None:
                raise NotFound(f"There is no account {username!r}. `kumo user list` shows them.")
            await credentials.change_password(session, user.id, password_hash=password_hash, keep_session_id=None)

    _with_database(home, change)
    print(f"The password of {username} is changed.")


@_token.command("create")
def token_create(
    user: Annotated[str, typer.Option("--user", help="Whose token it is.")],
    name: Annotated[str, typer.Option("--name", help="What it is for.")] = "command line",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make an API token; it is shown once."""
    token_id, secret = _with_database(home, lambda database: issue(database, user, name))
    print(json.dumps({"id": token_id, "token": secret}) if as_json else secret)


async def issue(database: Database, username: str, name: str) -> tuple[int, str]:
    """Make a token for an account, and give its id and secret."""
    from kumo.access import credentials  # noqa: PLC0415
    from kumo.clock import utc_now  # noqa: PLC0415

    async with database.write() as session:
        user = await credentials.find_account(session, username)
        if user is None:
            raise NotFound(f"There is no account {username!r}. `kumo user list` shows them.")
        token, secret = await credentials.issue_token(session, user.id, name=name, now=utc_now())
        return token.id, secret


def _with_database(home: Path | None, work: Callable[[Database], Awaitable[T]]) -> T:
    """Do some work on the data directory's database, made first where it is not yet. A server may be running."""
    from kumo.db.migrate import current_revision, newest_revision, upgrade  # noqa: PLC0415
    from kumo.db.session import open_database  # noqa: PLC0415

    settings = load_settings(home=home)
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"The data directory {settings.home} cannot be made: {error.strerror}.") from None
    if current_revision(settings) != newest_revision():
        upgrade(settings)

    async def run() -> T:
        database = open_database(settings)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer
