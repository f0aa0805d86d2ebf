"""The gate before every API route: nobody passes without a session or a token.

It stands in front of the router, so it also covers routes that do not exist, wrong methods, the OpenAPI document and
whatever is added later; and it answers before a byte of the body is read.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import Request, cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from kumo.access.credentials import (
    API_TOKEN_PREFIX,
    Caller,
    caller_of_session,
    caller_of_token,
    csrf_token,
    digest,
    end_stale_sessions,
)
from kumo.access.models import ApiToken, LoginSession
from kumo.clock import Clock, utc_now
from kumo.db.session import Database
from kumo.errors import Forbidden, KumoError, Unauthenticated, Unavailable
from kumo.http import error_response

log = structlog.get_logger(__name__)

SESSION_COOKIE: Final = "kumo_session"
CSRF_COOKIE: Final = "kumo_csrf"

# The address of a webhook, which is a secret itself.
HOOKS: Final = "/api/v1/hooks/{token}"
GIT_HOOKS: Final = "/api/v1/hooks/git/{token}"

# All that a stranger may ask. Every other path under /api answers 401 without login, whether it exists or not.
PUBLIC_ROUTES: Final = frozenset(
    {
        ("GET", "/api/v1/health"),
        ("GET", "/api/v1/setup"),
        ("POST", "/api/v1/setup"),
        ("POST", "/api/v1/auth/login"),
        ("POST", HOOKS),
        ("POST", GIT_HOOKS),
    }
)
_PLACEHOLDER = re.compile(r"\{\w+\}")

# A placeholder is one part of a path, as it is for the router.
_PUBLIC_PATTERNS: Final = tuple(
    (method, path, re.compile("[^/]+".join(re.escape(part) for part in _PLACEHOLDER.split(path))))
    for method, path in sorted(PUBLIC_ROUTES)
)

_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REMEMBERED_SECONDS = 3.0
_MOST_REMEMBERED = 1000
_STEP_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Presented:
    """The secret that a request carries."""

    secret: str
    by_cookie: bool
    csrf: str = ""


class Authenticator:
    """Tells who holds a secret, by one indexed query that is remembered for three seconds.

    What changes here is forgotten at once (`forget`); a change by another process, such as `kumo user passwd`, is
    seen within those three seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        session_lifetime: timedelta,
        clock: Clock = utc_now,
        on_forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._on_forget = on_forget
        self._lifetime = session_lifetime
        self._clock = clock
        self._remembered: dict[bytes, tuple[float, Caller]] = {}
        self._generation = 0
        self._used: dict[Caller, datetime] = {}

    async def identify(self, presented: Presented) -> Caller | None:
        """Who presents this secret; None when it opens nothing."""
        token_hash = digest(presented.secret)
        remembered = self._remembered.get(token_hash)
        if remembered is not None and remembered[0] > time.monotonic():
            return remembered[1]
        generation = self._generation
        caller = await self._look_up(presented, token_hash)
        if caller is not None and generation == self._generation:
            self._remember(token_hash, caller)
        return caller

    def forget(self) -> None:
        """Ask the database again for everybody; called once a change of accounts, sessions or tokens is committed.

        A look-up that began before the change is not remembered either.
        """
        self._generation += 1
        self._remembered.clear()
        self._on_forget()

    async def forever(self) -> None:
        """Take a step each minute until cancelled."""
        while True:
            await asyncio.sleep(_STEP_SECONDS)
            await self.step(self._clock())

    async def step(self, now: datetime) -> None:
        """Write down when each secret was last used, and drop the sessions that have ended."""
        used, self._used = self._used, {}
        async with self._database.write() as session:
            for caller, used_at in used.items():
                table = ApiToken if caller.session_id is None else LoginSession
                its_id = caller.token_id if caller.session_id is None else caller.session_id
                await session.execute(update(table).where(table.id == its_id).values(last_used_at=used_at))
            await end_stale_sessions(session, self._lifetime, now)

    async def _look_up(self, presented: Presented, token_hash: bytes) -> Caller | None:
        now = self._clock()
        try:
            async with self._database.read() as session:
                if presented.by_cookie:
                    caller = await caller_of_session(session, token_hash, lifetime=self._lifetime, now=now)
                else:
                    caller = await caller_of_token(session, token_hash)
        except (OperationalError, PoolTimeoutError) as error:
            log.error("database does not answer", error=str(error))  # noqa: TRY400 - an outage, not a defect
            raise Unavailable("The database does not answer just now. Try again in a moment.") from error
        if caller is not None:
            self._used[caller] = now
        return caller

    def _remember(self, token_hash: bytes, caller: Caller) -> None:
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[token_hash] = (time.monotonic() + _REMEMBERED_SECONDS, caller)


class Gate:
    """ASGI middleware: lets a request under /api through with its caller in the scope, or answers 401 or 403."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; what is not under /api holds no data (the web UI's files) and passes."""
        if scope["type"] != "http" or not is_guarded(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            scope["kumo.caller"] = await _admit(scope)
        except KumoError as error:
            await error_response(Request(scope), error)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def public_route(method: str, path: str) -> str | None:
    """The path, as `PUBLIC_ROUTES` has it, of the public route that a request asks for; None when it asks for none."""
    for public_method, public_path, pattern in _PUBLIC_PATTERNS:
        if method == public_method and pattern.fullmatch(path):
            return public_path
    return None


def is_guarded(path: str) -> bool:
    """Whether a path belongs to the API, and so to those only who are signed in."""
    return path == "/api" or path.startswith("/api/")


async def _admit(scope: Scope) -> Caller | None:
    """Who calls; None only on a public route. Raises `Unauthenticated` or `Forbidden` for whoever may not pass."""
    is_public = public_route(scope["method"], scope["path"]) is not None
    presented = _presented(scope)
    caller = None
    if presented is not None and not (is_public and scope["method"] not in _READING_METHODS):
        authenticator: Authenticator = scope["app"].state.authenticator
        caller = await authenticator.identify(presented)
    if is_public:
        return caller
    if presented is None:
        raise Unauthenticated("Sign in first, or send an API token as “Authorization: Bearer kumo_…”.")
    if caller is None:
        what = "session has ended; sign in again" if presented.by_cookie else "API token is not valid; make a new one"
        raise Unauthenticated(f"This {what}.")
    if presented.by_cookie and scope["method"] not in _READING_METHODS:
        _check_csrf(presented)
    return caller


def _check_csrf(presented: Presented) -> None:
    """A foreign page can make a browser send its cookies, but not this header."""
    if not hmac.compare_digest(presented.csrf.encode(), csrf_token(presented.secret).encode()):
        raise Forbidden(f"The header X-CSRF-Token is missing or wrong; it must repeat the cookie {CSRF_COOKIE}.")


def _presented(scope: Scope) -> Presented | None:
    """The secret in the headers; an API token goes before a cookie."""
    cookie = csrf = authorization = ""
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value.decode("latin-1")
        elif name == b"cookie":
            cookie = f"{cookie}; {value.decode('latin-1')}" if cookie else value.decode("latin-1")
        elif name == b"x-csrf-token":
            csrf = value.decode("latin-1")
    if authorization:
        scheme, _, secret = authorization.partition(" ")
        is_ours = scheme.lower() == "bearer" and secret.strip().startswith(API_TOKEN_PREFIX)
        return Presented(secret=secret.strip() if is_ours else "", by_cookie=False)
    session = cookie_parser(cookie).get(SESSION_COOKIE) if cookie else None
    return Presented(secret=session, by_cookie=True, csrf=csrf) if session else None
