"""`kumo serve`, `kumo db upgrade`, `kumo db forget-key`, `kumo openapi`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from kumo.cli.options import Home
from kumo.errors import ConfigurationError, NotFound
from kumo.settings import Settings, load_settings

SERVER_FILE = "server.json"
_BACKLOG = 2048
_SHUTDOWN_SECONDS = 5
# Longer than clients (httpx: 5 s) and proxies (nginx: 60 s) keep an idle connection: whoever closes first must not be
# the server, or now and then a request is sent into a connection that has just been closed.
_LOADED_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 75

_db = typer.Typer(help="The database.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(serve)
    app.command()(openapi)
    app.add_typer(_db, name="db")


def serve(
    home: Home = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on; 0 takes a free one.")] = None,
    example: Annotated[bool, typer.Option("--example", help="Bring an example project on the first start.")] = False,
) -> None:
    """Start the server: API, web UI, scheduler, supervisor and builder in one process."""
    settings = load_settings(home=home, host=host, port=port, example=example or None)
    with _listen(settings) as listening:
        _serve(settings, listening)


def _serve(settings: Settings, listening: socket.socket) -> None:
    gc.disable()  # nearly all that is made while the server starts stays; see `_spare_what_is_loaded`
    import uvicorn  # noqa: PLC0415 - half a second that other commands need not pay

    from kumo.app import create_app, home_is_writable  # noqa: PLC0415
    from kumo.structured_logging import set_up_logging  # noqa: PLC0415

    home_is_writable(settings).close()
    set_up_logging(settings)
    address = _address(settings, listening)
    app = create_app(settings, on_ready=lambda token: _on_ready(settings, address, token))
    config = uvicorn.Config(
        app,
        loop="asyncio",  # uvloop starts processes several times slower
        http="httptools",
        log_config=None,
        access_log=False,
        lifespan="off",  # begun below: uvicorn would show what fails there as a traceback
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        server_header=False,
        proxy_headers=False,
    )

    class Server(uvicorn.Server):
        def __init__(self) -> None:
            super().__init__(config)
            self._loop = asyncio.get_running_loop()
            self._told = asyncio.Event()

        async def main_loop(self) -> None:
            """Look once a second (for the header Date) and when told to stop; uvicorn's own looks ten times."""
            while not await self.on_tick(0):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await self._told.wait()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            super().handle_exit(sig, frame)
            self._loop.call_soon_threadsafe(self._told.set)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """End the event streams first: uvicorn waits for every answer's end, and theirs would not come."""
            app.state.streams.stop()
            await super().shutdown(sockets)

    async def run() -> None:
        async with app.router.lifespan_context(app):
            asyncio.get_running_loop().call_later(_LOADED_SECONDS, _spare_what_is_loaded)
            # uvicorn raises the signal that ended it once more, for whoever handled it before. By then it is obeyed.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda _number, _frame: None)
            await Server().serve(sockets=[listening])

    try:
        asyncio.run(run())
    finally:
        _forget_server(settings)


def _spare_what_is_loaded() -> None:
    """Take what a started server consists of out of the garbage collector's sight, and let it look after the rest.

    A moment after the start: what was made in vain by then is collected once, and nobody waits for that.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


def _listen(settings: Settings) -> socket.socket:
    """Open the port before anything else, so that a port in use changes nothing."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named because asyncio sends small answers at once (TCP_NODELAY) only where it is: without it,
    # every answer on a kept connection waits 40 ms for the client's acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"Kumo cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Stop what uses it, or choose another with --port."
        ) from None
    listening.set_inheritable(False)
    return listening


def _address(settings: Settings, listening: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listening.getsockname()[1]}"


def _on_ready(settings: Settings, address: str, setup_token: str | None) -> None:
    written = settings.home / f"{SERVER_FILE}.new"
    written.write_text(json.dumps({"url": address, "pid": os.getpid()}))
    written.replace(settings.home / SERVER_FILE)
    if setup_token is None:
        print(f"Kumo is ready at {address}", flush=True)
    else:
        print(f"Kumo is ready. Create the first account at {address}/setup?token={setup_token}", flush=True)


def _forget_server(settings: Settings) -> None:
    running = running_server(settings.home)
    if running is not None and running.pid == os.getpid():
        (settings.home / SERVER_FILE).unlink()


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """Where a server listens, by its own word; one that was killed could not take it back."""

    url: str
    pid: int | None  # None: somewhere else, where its process is not known


def running_server(home: Path) -> RunningServer | None:
    """What the server that works on this directory has said; None where none does."""
    try:
        return RunningServer(**json.loads((home / SERVER_FILE).read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise ConfigurationError(f"{error.filename} cannot be read: {error.strerror}.") from None


@_db.command("upgrade")
def db_upgrade(home: Home = None) -> None:
    """Bring the database to the form that this version needs; `kumo serve` does it by itself."""
    from kumo.app import prepared_home  # noqa: PLC0415
    from kumo.db.migrate import newest_revision, upgrade  # noqa: PLC0415

    settings = load_settings(home=home)
    with prepared_home(settings):
        before = upgrade(settings)
    print(f"The database is at revision {newest_revision()}" + (f", from {before}." if before else " already."))


@_db.command("forget-key")
def db_forget_key(
    key: Annotated[str, typer.Argument(help="The key's name, as Kumo gives it when it asks for the key.")],
    home: Home = None,
) -> None:
    """Start without a secret key that is lost; what it encrypted must be entered anew."""
    from kumo.app import prepared_home  # noqa: PLC0415
    from kumo.db.migrate import upgrade  # noqa: PLC0415
    from kumo.db.session import open_database  # noqa: PLC0415
    from kumo.secrets import forget_key  # noqa: PLC0415

    settings = load_settings(home=home)

    async def forget() -> bool:
        database = open_database(settings)
        try:
            return await forget_key(database, key)
        finally:
            await database.close()

    with prepared_home(settings):
        upgrade(settings)
        if not asyncio.run(forget()):
            raise NotFound(f"The database was not used with a secret key named {key!r}.")
    print(f"Kumo does not ask for the secret key {key} any more.")


def openapi() -> None:
    """Print the OpenAPI document."""
    from kumo.app import create_app  # noqa: PLC0415

    settings = Settings(home=Path("/nonexistent"), _env_file=None)
    document: dict[str, Any] = create_app(settings).openapi()
    json.dump(document, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
    print()
