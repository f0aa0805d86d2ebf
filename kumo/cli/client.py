"""Talking to a server: the one that KUMO_URL and KUMO_TOKEN name, or the one that runs on the data directory."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from kumo.cli.server import SERVER_FILE
from kumo.errors import ConfigurationError, Forbidden, KumoError, NotFound, Unavailable
from kumo.settings import load_settings

_TIMEOUT_SECONDS = 30.0
_TOKEN_NAME = "command line on this machine"  # noqa: S105 - a label


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a server is, and what opens it."""

    url: str
    token: str


class Client:
    """HTTP with the errors as sentences."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Ask, and give the answer's JSON; the server's refusal is raised with its own sentence."""
        try:
            response = self._http.request(method, f"/api/v1{path}", **options)
        except httpx.TransportError as error:
            raise Unavailable(f"Kumo at {self._http.base_url} does not answer: {error}.") from None
        if response.is_error:
            raise _refusal(response)
        return response.json() if response.content else None

    @contextmanager
    def stream(self, path: str, **options: Any) -> Iterator[httpx.Response]:
        """Open a stream of events."""
        with self._http.stream("GET", f"/api/v1{path}", timeout=httpx.Timeout(_TIMEOUT_SECONDS), **options) as response:
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


def _server(home: Path | None) -> Server:
    url, token = os.environ.get("KUMO_URL"), os.environ.get("KUMO_TOKEN")
    if url:
        if not token:
            raise ConfigurationError("KUMO_URL is set but KUMO_TOKEN is not. Make one with: kumo token create")
        return Server(url=url.rstrip("/"), token=token)
    settings = load_settings(home=home)
    try:
        known = json.loads((settings.home / SERVER_FILE).read_text())
    except FileNotFoundError:
        raise Unavailable(
            f"No Kumo is running on {settings.home}. Start it with: kumo serve. Or set KUMO_URL and KUMO_TOKEN."
        ) from None
    return Server(url=known["url"], token=token or _local_token(settings.home))


def _local_token(home: Path) -> str:
    """Whoever can read the data directory may use it: a token of its own, made once, in a file for its owner alone."""
    file = home / "cli-token"
    if file.is_file():
        return file.read_text().strip()
    secret = asyncio.run(_issue_local_token(home))
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(secret)
    return secret


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
            raise NotFound("Kumo has no account yet. Open its setup link, or use: kumo user create NAME")
        _token_id, secret = await issue(database, username, _TOKEN_NAME)
        return secret
    finally:
        await database.close()


def _refusal(response: httpx.Response) -> KumoError:
    try:
        return Forbidden(response.json()["error"]["message"])
    except (ValueError, KeyError):
        return Unavailable(f"{response.url} answered {response.status_code}, which is not Kumo's way.")
