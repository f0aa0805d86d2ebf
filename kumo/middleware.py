"""What every request passes besides the gate, as plain ASGI: limits of bodies, careful headers, streams that end."""

from __future__ import annotations

import asyncio
import re

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kumo.access.gate import GIT_HOOKS, HOOKS, public_route
from kumo.errors import TooLarge
from kumo.http import error_response
from kumo.settings import MIB, Settings

_STRANGERS_MAX_BYTES = 64 * 1024
_UPLOADS = re.compile(r"/api/v1/projects(/\d+/(archive|files))?")

_EVERYWHERE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
# unsafe-inline for styles alone: the components and the editor position things by style attributes.
_PAGE_POLICY = (
    b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none'; "
    b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Files of projects come from here too. Opened in a browser, a page among them must not act as whoever opened it.
_DATA_POLICY = b"default-src 'none'; sandbox; frame-ancestors 'none'"


class SecurityHeaders:
    """Adds the headers that tell a browser to be careful."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_data = scope["path"].startswith("/api/")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                headers.extend(_EVERYWHERE)
                headers.append((b"content-security-policy", _DATA_POLICY if is_data else _PAGE_POLICY))
                if is_data and not any(name == b"cache-control" for name, _value in headers):
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Refuses a body that is larger than its route may need, as soon as that is known."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._upload_bytes = settings.upload_max_bytes + MIB

        # A file's text grows in JSON: a line's end is two characters there, and so are quotes.
        self._json_bytes = 2 * settings.file_max_bytes + MIB

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; the bytes are counted too, since a chunked body does not say its length."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope)
        if _declared_bytes(scope) > limit:
            await self._refuse(limit, scope, receive, send)
            return
        read = 0
        answered = False

        async def receive_counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            # For the application it looks as if the client had left, so that it stops and clears up.
            return {"type": "http.disconnect"} if read > limit else message

        async def send_unless_refused(message: Message) -> None:
            nonlocal answered
            if read <= limit or answered:
                answered = True
                await send(message)

        try:
            await self._app(scope, receive_counted, send_unless_refused)
        except ClientDisconnect:
            if read <= limit:
                raise
        if read > limit and not answered:
            await self._refuse(limit, scope, receive, send)

    def _limit(self, scope: Scope) -> int:
        if (public := public_route(scope["method"], scope["path"])) is not None:
            return MIB if public in {HOOKS, GIT_HOOKS} else _STRANGERS_MAX_BYTES
        return self._upload_bytes if _UPLOADS.fullmatch(scope["path"]) else self._json_bytes

    async def _refuse(self, limit: int, scope: Scope, receive: Receive, send: Send) -> None:
        size = f"{limit // MIB} MiB" if limit >= MIB else f"{limit // 1024} KiB"
        error = TooLarge(f"The request is larger than {size}, the most that is accepted here.")
        response = error_response(Request(scope), error)
        response.headers["Connection"] = "close"  # the rest of the body is not read
        await response(scope, receive, send)


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


class OpenStreams:
    """The event streams that are open: ended when the server stops, and when somebody loses their access.

    A browser reconnects by itself, resumes after the last event, and then passes the gate anew.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self.is_stopping = False  # the server ends: no answer shall take its time any more

    def stop(self) -> None:
        """End every stream for good."""
        self.is_stopping = True
        self.end_all()

    def end_all(self) -> None:
        """End every stream that is open now."""
        for task in self._tasks:
            task.cancel()

    def add(self, task: asyncio.Task[object]) -> None:
        """Count a request as a stream from now on."""
        self._tasks.add(task)

    def remove(self, task: asyncio.Task[object]) -> bool:
        """Forget a request, and say whether it was a stream."""
        was_open = task in self._tasks
        self._tasks.discard(task)
        return was_open


class Streams:
    """ASGI middleware: an answer that turns out to be an event stream can be ended from outside."""

    def __init__(self, app: ASGIApp, open_streams: OpenStreams) -> None:
        self._app = app
        self._open = open_streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; a stream that is ended has a proper end, as if nothing more were to come."""
        task = asyncio.current_task()
        if scope["type"] != "http" or task is None:
            await self._app(scope, receive, send)
            return

        async def send_watched(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_event_stream(message):
                self._open.add(task)
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        except asyncio.CancelledError:
            if not self._open.remove(task) or task.uncancel() > 0:
                raise
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._open.remove(task)


def _is_event_stream(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in message["headers"]
    )
