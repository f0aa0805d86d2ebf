"""Signing in and out, the first account, and API tokens."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy import select

from kumo.access import credentials
from kumo.access.dependencies import Actor, AuthenticatorDep, CallerDep, require
from kumo.access.gate import CSRF_COOKIE, SESSION_COOKIE
from kumo.access.models import ApiToken, LoginSession, User
from kumo.access.passwords import LONGEST, check_password_rules, hash_password, password_matches
from kumo.access.permissions import Permission, Role
from kumo.access.throttle import LoginThrottle
from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from kumo.http import DatabaseDep, Input, PageDep, ReadSession, RowId, UtcMoment, error_answers

# What strangers may ask (each route is listed in `gate.PUBLIC_ROUTES`), and the rest.
public_router = APIRouter(tags=["access"])
router = APIRouter(tags=["access"])

# As long as browsers keep a cookie at all; it is the server that ends a session unused for `session_hours`.
_COOKIE_SECONDS = 400 * 24 * 3600

Username = Annotated[str, Field(min_length=1, max_length=64, examples=["ada"])]
Password = Annotated[SecretStr, Field(min_length=1, max_length=LONGEST, examples=["a long sentence is easy"])]


class SetupState(BaseModel):
    """Whether the first account is still missing."""

    needed: bool


class SetupInput(Input):
    """The first account, and the token of the setup link."""

    token: Annotated[str, Field(max_length=200, description="`token` of the link that Kumo printed at its start.")]
    username: Username
    password: Password


class LoginInput(Input):
    """A username and its password."""

    username: Username
    password: Password


class PasswordInput(Input):
    """The present password and the one in its place."""

    current_password: Password
    new_password: Password


class TokenInput(Input):
    """A new API token."""

    name: Annotated[
        str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["deploy script"])
    ]


class Me(BaseModel):
    """The account that is signed in."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": 1, "username": "ada", "role": "admin"}})

    id: int
    username: str
    role: Role


class SessionOut(BaseModel):
    """One browser that is signed in."""

    id: int
    address: str = Field(examples=["192.0.2.7"])
    user_agent: str
    created_at: UtcMoment
    last_used_at: UtcMoment
    current: bool = Field(description="Whether this request came by it.")


class SessionList(BaseModel):
    """One page of sessions, the newest first."""

    items: list[SessionOut]
    next_cursor: str | None


class TokenOut(BaseModel):
    """An API token, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    created_at: UtcMoment
    last_used_at: UtcMoment | None


class NewTokenOut(TokenOut):
    """A token just made; the only answer that shows its secret."""

    token: str = Field(examples=["kumo_Yv3…"])


class TokenList(BaseModel):
    """One page of tokens, the newest first."""

    items: list[TokenOut]
    next_cursor: str | None


# --- the first account, signing in and out ---------------------------------------------------------------------------


async def _same_site(request: Request) -> None:
    """Refuse a sign-in that another site's page has sent: it would sign the browser in as somebody else.

    Browsers say it themselves in Sec-Fetch-Site; over plain http they leave that out, and the origin must then be ours.
    """
    site = request.headers.get("sec-fetch-site")
    if site is None and (origin := request.headers.get("origin")) is not None:
        ours = {request.headers.get("host"), request.headers.get("x-forwarded-host")}
        site = "same-origin" if urlsplit(origin).netloc in ours else "cross-site"
    if site not in (None, "same-origin", "none"):
        raise Forbidden("This request was sent by another site's page. Open Kumo itself and sign in there.")


async def _throttle(request: Request) -> LoginThrottle:
    found: LoginThrottle = request.app.state.login_throttle
    return found


@public_router.get("/setup", summary="Say whether the first account is missing")
async def read_setup(session: ReadSession) -> SetupState:
    """Whether the first account must still be created, by the link that Kumo printed at its start."""
    return SetupState(needed=not await credentials.account_exists(session))


@public_router.post(
    "/setup",
    summary="Create the first account",
    status_code=201,
    dependencies=[Depends(_same_site)],
    responses=error_answers("forbidden", "conflict", "validation_error"),
)
async def create_first_account(
    body: SetupInput, request: Request, response: Response, database: DatabaseDep, authenticator: AuthenticatorDep
) -> Me:
    """Create the first account, an admin's, and sign in; the token works once."""
    password = body.password.get_secret_value()
    async with database.read() as session:
        await credentials.check_setup_token(session, body.token)
    credentials.check_username(body.username)
    check_password_rules(password, username=body.username)
    password_hash = await hash_password(password)
    async with database.write() as session:
        user = await credentials.use_setup_token(
            session, body.token, username=body.username, password_hash=password_hash, now=utc_now()
        )
    authenticator.forget()
    await _sign_in(user, database, request, response)
    return Me(id=user.id, username=user.username, role=user.role)


@public_router.post(
    "/auth/login",
    summary="Sign in",
    dependencies=[Depends(_same_site)],
    responses=error_answers("unauthenticated", "forbidden", "validation_error", "rate_limited"),
)
async def sign_in(
    body: LoginInput,
    request: Request,
    response: Response,
    database: DatabaseDep,
    throttle: Annotated[LoginThrottle, Depends(_throttle)],
) -> Me:
    """Sign in with a password; the answer sets the session's cookies. After five failures each costs a longer wait."""
    account, address = credentials.username_key(body.username), _address(request)
    throttle.check(account, address, utc_now())
    async with database.read() as session:
        user = await credentials.find_account(session, body.username)
    # Counted before the slow check, or a hundred guesses at once would all pass as the first one.
    throttle.failed(account, address, utc_now())
    matches = await password_matches(user.password_hash if user else None, body.password.get_secret_value())
    if user is None or not matches:
        raise _wrong_password()
    await _sign_in(user, database, request, response)
    throttle.succeeded(account, address)
    return Me(id=user.id, username=user.username, role=user.role)


def _wrong_password() -> Unauthenticated:
    return Unauthenticated("The username or the password is not right.")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _sign_in(user: User, database: Database, request: Request, response: Response) -> None:
    async with database.write() as session:
        secret = await credentials.open_session(
            session,
            user.id,
            password_hash=user.password_hash,
            address=_address(request),
            user_agent=request.headers.get("user-agent", ""),
            now=utc_now(),
        )
    if secret is None:
        raise _wrong_password()
    secure = request.url.scheme == "https"
    for name, value, hidden in ((SESSION_COOKIE, secret, True), (CSRF_COOKIE, credentials.csrf_token(secret), False)):
        response.set_cookie(name, value, max_age=_COOKIE_SECONDS, httponly=hidden, samesite="lax", secure=secure)


@router.post("/auth/logout", summary="Sign out", status_code=204, responses=error_answers("unauthenticated"))
async def sign_out(
    actor: Annotated[Actor, require(Permission.READ)],
    caller: CallerDep,
    response: Response,
    database: DatabaseDep,
    authenticator: AuthenticatorDep,
) -> None:
    """End the session that this request came by; an API token stays valid."""
    if caller.session_id is not None:
        async with database.write() as session:
            await credentials.end_session(session, caller.session_id, user_id=actor.user_id)
        authenticator.forget()
    response.delete_cookie(SESSION_COOKIE)
    response.delete_cookie(CSRF_COOKIE)


@router.get("/auth/me", summary="Say who is signed in", responses=error_answers("unauthenticated"))
async def read_me(actor: Annotated[Actor, require(Permission.READ)]) -> Me:
    """The account behind this request."""
    return Me(id=actor.user_id, username=actor.username, role=actor.role)


@router.post(
    "/auth/password",
    summary="Change the password",
    status_code=204,
    responses=error_answers("unauthenticated", "validation_error", "rate_limited"),
)
async def change_password(  # noqa: PLR0913 - what FastAPI hands in
    body: PasswordInput,
    request: Request,
    actor: Annotated[Actor, require(Permission.READ)],
    caller: CallerDep,
    database: DatabaseDep,
    authenticator: AuthenticatorDep,
    throttle: Annotated[LoginThrottle, Depends(_throttle)],
) -> None:
    """Change one's own password; every other session of the account ends, API tokens stay valid."""
    account, address = credentials.username_key(actor.username), _address(request)
    throttle.check(account, address, utc_now())
    async with database.read() as session:
        user = await credentials.find_account(session, actor.username)
    throttle.failed(account, address, utc_now())
    if user is None or not await password_matches(user.password_hash, body.current_password.get_secret_value()):
        raise InvalidInput.at("current_password", "This is not your present password.")
    throttle.succeeded(account, address)
    new_password = body.new_password.get_secret_value()
    check_password_rules(new_password, username=actor.username, field="new_password")
    password_hash = await hash_password(new_password)
    async with database.write() as session:
        await credentials.change_password(
            session, actor.user_id, password_hash=password_hash, keep_session_id=caller.session_id
        )
    authenticator.forget()


# --- sessions --------------------------------------------------------------------------------------------------------


@router.get("/auth/sessions", summary="List where one is signed in", responses=error_answers("unauthenticated"))
async def list_sessions(
    actor: Annotated[Actor, require(Permission.READ)], caller: CallerDep, page: PageDep, session: ReadSession
) -> SessionList:
    """The browsers that are signed in to one's own account, the newest first."""
    mine = select(LoginSession).where(LoginSession.user_id == actor.user_id).order_by(LoginSession.id.desc())
    if (after := page.after_id()) is not None:
        mine = mine.where(LoginSession.id < after)
    rows = (await session.scalars(mine.limit(page.limit + 1))).all()
    shown = [
        SessionOut(
            id=row.id,
            address=row.address,
            user_agent=row.user_agent,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            current=row.id == caller.session_id,
        )
        for row in rows[: page.limit]
    ]
    return SessionList(items=shown, next_cursor=page.next_cursor(rows, [shown[-1].id] if shown else None))


@router.delete(
    "/auth/sessions/{session_id}",
    summary="Sign one browser out",
    status_code=204,
    responses=error_answers("unauthenticated", "not_found"),
)
async def delete_session(
    session_id: RowId,
    actor: Annotated[Actor, require(Permission.READ)],
    database: DatabaseDep,
    authenticator: AuthenticatorDep,
) -> None:
    """End one session of one's own account."""
    async with database.write() as session:
        if not await credentials.end_session(session, session_id, user_id=actor.user_id):
            raise NotFound(f"Session {session_id} does not exist.")
    authenticator.forget()


# --- API tokens ------------------------------------------------------------------------------------------------------


@router.get("/tokens", summary="List API tokens", responses=error_answers("unauthenticated"))
async def list_tokens(
    actor: Annotated[Actor, require(Permission.READ)], page: PageDep, session: ReadSession
) -> TokenList:
    """The tokens of one's own account, the newest first."""
    mine = select(ApiToken).where(ApiToken.user_id == actor.user_id).order_by(ApiToken.id.desc())
    if (after := page.after_id()) is not None:
        mine = mine.where(ApiToken.id < after)
    rows = (await session.scalars(mine.limit(page.limit + 1))).all()
    shown = [TokenOut.model_validate(row) for row in rows[: page.limit]]
    return TokenList(items=shown, next_cursor=page.next_cursor(rows, [shown[-1].id] if shown else None))


@router.post(
    "/tokens",
    summary="Make an API token",
    status_code=201,
    responses=error_answers("unauthenticated", "validation_error"),
)
async def create_token(
    body: TokenInput, actor: Annotated[Actor, require(Permission.READ)], database: DatabaseDep
) -> NewTokenOut:
    """Make a token for one's own account. Its secret is in this answer only; it cannot be shown again."""
    async with database.write() as session:
        token, secret = await credentials.issue_token(session, actor.user_id, name=body.name, now=utc_now())
    return NewTokenOut(id=token.id, name=token.name, created_at=token.created_at, last_used_at=None, token=secret)


@router.delete(
    "/tokens/{token_id}",
    summary="Revoke an API token",
    status_code=204,
    responses=error_answers("unauthenticated", "not_found"),
)
async def delete_token(
    token_id: RowId,
    actor: Annotated[Actor, require(Permission.READ)],
    database: DatabaseDep,
    authenticator: AuthenticatorDep,
) -> None:
    """Revoke a token of one's own account; whoever uses it is refused at once."""
    async with database.write() as session:
        if not await credentials.end_token(session, token_id, user_id=actor.user_id):
            raise NotFound(f"API token {token_id} does not exist.")
    authenticator.forget()
