"""Talking to a server: the one that KUMO_URL and KUMO_TOKEN name, or the one that runs on the data directory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from kumo.cli.server import RunningServer, running_server
from kumo.errors import ConfigurationError, Detail, Forbidden, KumoError, NotFound, Unavailable
from kumo.settings import load_settings

_TIMEOUT_SECONDS = 30.0
_TOKEN_NAME = "command line on this machine"  # noqa: S105 - a label


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a server is, and what opens it."""

    url: str
    token: str


class NoAccount(NotFound):
    """The server has no account yet, so nobody can sign in."""

    def __init__(self) -> None:
        super().__init__("Kumo has no account yet. Open its setup link, or use: kumo user create NAME")


class Client:
    """HTTP with the errors as sentences."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Ask, and give the answer's JSON; the server's refusal is raised with its own sentence."""
        response = self._ask(method, path, **options)
        try:
            return response.json() if response.content else None
        except ValueError:
            raise Unavailable(f"What answers at {self._http.base_url} is not Kumo.") from None

    def text(self, path: str) -> str:
        """Ask for a text that is no JSON."""
        return self._ask("GET", path).text

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, f"/api/v1{path}", **options)
        except httpx.TransportError as error:
            raise Unavailable(f"Kumo at {self._http.base_url} does not answer: {error}.") from None
        if response.is_error:
            raise _refusal(response)
        return response

    @contextmanager
    def stream(self, path: str, **options: Any) -> Iterator[httpx.Response]:
        """Open a stream of events."""
        with self._http.stream("GET", f"/api/v1{path}", **options) as response:
            if response.is_error:
                response.read()
                raise _refusal(response)
            yield response


@contextmanager
def connect(home: Path | None) -> Iterator[Client]:
    """A client of the server that is meant."""
    server = _server(home)
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False) as http:
        yield Client(http)


@contextmanager
def connect_as_stranger(url: str) -> Iterator[Client]:
    """A client that is not signed in."""
    with httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False) as http:
        yield Client(http)


def find_server(home: Path | None) -> RunningServer:
    """The server that is meant, by its own word or by KUMO_URL; `Unavailable` where there is none."""
    if url := os.environ.get("KUMO_URL"):
        return RunningServer(url=url.rstrip("/"), pid=None)
    settings = load_settings(home=home)
    running = running_server(settings.home)
    if running is None:
        raise Unavailable(
            f"No Kumo is running on {settings.home}. Start it with: kumo serve. Or set KUMO_URL and KUMO_TOKEN."
        )
    return running


def _server(home: Path | None) -> Server:
    found, token = find_server(home), os.environ.get("KUMO_TOKEN")
    if not token:
        if found.pid is None:
            raise ConfigurationError("KUMO_URL is set but KUMO_TOKEN is not. Make one with: kumo token create")
        token = _local_token(found.url, load_settings(home=home).home)
    return Server(url=found.url, token=token)


def _local_token(url: str, home: Path) -> str:
    """Whoever can read the data directory may use it: a token of its own, in a file for its owner alone.

    Made at the first need, and again once it does not open the server any more: somebody may have revoked it.
    """
    file = home / "cli-token"
    if file.is_file() and _opens(url, kept := file.read_text("utf-8").strip()):
        return kept
    secret = asyncio.run(_issue_local_token(home))
    # Renamed, not written in place: two commands at once each see a whole token.
    written = home / f"cli-token.{os.getpid()}"
    descriptor = os.open(written, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(secret)
    written.replace(file)
    return secret


def _opens(url: str, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    try:
        answer = httpx.get(f"{url}/api/v1/auth/me", headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False)
    except httpx.TransportError:
        return True  # whatever is wrong, it is not the token
    return answer.status_code != httpx.codes.UNAUTHORIZED


async def _issue_local_token(home: Path) -> str:
    from sqlalchemy import select  # noqa: PLC0415 - only for the very first call

    from kumo.access.models import User  # noqa: PLC0415
    from kumo.cli.accounts import issue  # noqa: PLC0415
    from kumo.db.session import open_database  # noqa: PLC0415

    database = open_database(load_settings(home=home))
    try:
        async with database.read() as session:
            username = await session.scalar(select(User.username).order_by(User.id).limit(1))
        if username is None:
            raise NoAccount
        _token_id, secret = await issue(database, username, _TOKEN_NAME)
        return secret
    finally:
        await database.close()


def _refusal(response: httpx.Response) -> KumoError:
    try:
        error = response.json()["error"]
        sentence = str(error["message"])
        details = tuple(Detail(field=str(each["field"]), message=str(each["message"])) for each in error["details"])
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"{response.url} answered {response.status_code}, which is not Kumo's way.")
    return Unavailable(sentence) if response.is_server_error else Forbidden(sentence, details=details)
