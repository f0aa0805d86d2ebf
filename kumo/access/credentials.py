"""Accounts and their secrets in the database: sessions, API tokens, the setup link.

A secret is 256 random bits; what is stored is its SHA-256, and the secret itself is seen once, by whoever receives it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.access.models import ApiToken, LoginSession, SetupToken, User
from kumo.access.permissions import Actor, Role
from kumo.errors import Conflict, Forbidden, InvalidInput, NotFound

API_TOKEN_PREFIX = "kumo_"  # noqa: S105 - what a token starts with, so that a scanner recognises one that leaked

_LONGEST_USERNAME = 64
_USERNAME = re.compile(r"[\w.@+-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who calls, and by which of their secrets: exactly one of the two ids is set."""

    actor: Actor
    session_id: int | None = None
    token_id: int | None = None


def new_secret() -> str:
    """256 random bits, in characters that fit a cookie, a header and an address."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def csrf_token(session_token: str) -> str:
    """The value that changes by this session must carry; it follows from the session, so it need not be stored.

    The page can read it and the session cookie cannot be computed from it.
    """
    return hashlib.sha256(f"csrf:{session_token}".encode("utf-8", "surrogateescape")).hexdigest()


def username_key(username: str) -> str:
    """What two spellings of the same account's name have in common."""
    return username.casefold()


# --- accounts --------------------------------------------------------------------------------------------------------


async def account_exists(session: AsyncSession) -> bool:
    """Whether anybody can sign in at all."""
    return await session.scalar(select(User.id).limit(1)) is not None


async def find_account(session: AsyncSession, username: str) -> User | None:
    """The account of this name, whatever its capital letters."""
    if not _USERNAME.fullmatch(username):
        return None  # nor may PostgreSQL be asked for it: it takes no NUL
    return await session.scalar(select(User).where(User.username_key == username_key(username)))


def check_username(username: str) -> None:
    """Refuse a name that would not be told apart on a screen or in a log line."""
    # The folded name may be the longer one: "ß" folds to "ss".
    is_short = len(username) <= _LONGEST_USERNAME and len(username_key(username)) <= _LONGEST_USERNAME
    if not _USERNAME.fullmatch(username) or not is_short:
        raise InvalidInput.at("username", "A username has 1 to 64 letters, digits or any of the characters . _ @ + -")


async def create_account(
    session: AsyncSession, *, username: str, password_hash: str, role: Role, now: datetime
) -> User:
    """Add an account, and with it end the setup link: it is for the first account only."""
    check_username(username)
    await session.execute(delete(SetupToken))
    user = User(
        username=username, username_key=username_key(username), password_hash=password_hash, role=role, created_at=now
    )
    session.add(user)
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict(f"The username “{username}” is taken; choose another one.") from None
    return user


async def change_password(
    session: AsyncSession, user_id: int, *, password_hash: str, keep_session_id: int | None
) -> None:
    """Store a new password and end the account's sessions, save the one that asked; API tokens stay valid."""
    user = await session.get(User, user_id, with_for_update=True)
    if user is None:
        raise NotFound("This account does not exist any more.")
    user.password_hash = password_hash
    ended = delete(LoginSession).where(LoginSession.user_id == user_id)
    if keep_session_id is not None:
        ended = ended.where(LoginSession.id != keep_session_id)
    await session.execute(ended)


# --- the setup link --------------------------------------------------------------------------------------------------


async def renew_setup_token(session: AsyncSession, now: datetime) -> str:
    """Make the one setup token, in place of any earlier one."""
    await session.execute(delete(SetupToken))
    secret = new_secret()
    session.add(SetupToken(token_hash=digest(secret), created_at=now))
    return secret


async def check_setup_token(session: AsyncSession, token: str) -> None:
    """Refuse a token that is not the present one; cheap, so it is asked before any password is hashed."""
    if await account_exists(session):
        raise Conflict("Kumo is set up already. Sign in instead.")
    if await session.scalar(select(SetupToken.id).where(SetupToken.token_hash == digest(token))) is None:
        raise _setup_token_refused()


async def use_setup_token(
    session: AsyncSession, token: str, *, username: str, password_hash: str, now: datetime
) -> User:
    """Create the first account and end the token, both or neither.

    The deletion decides: of two who use the link at once, the second finds nothing to delete.
    """
    used = delete(SetupToken).where(SetupToken.token_hash == digest(token)).returning(SetupToken.id)
    if await session.scalar(used) is None:
        raise _setup_token_refused()
    return await create_account(session, username=username, password_hash=password_hash, role=Role.ADMIN, now=now)


def _setup_token_refused() -> Forbidden:
    return Forbidden("This setup link is not valid any more. Use the link that Kumo printed at its last start.")


# --- sessions --------------------------------------------------------------------------------------------------------


async def open_session(  # noqa: PLR0913 - the row's own columns
    session: AsyncSession, user_id: int, *, password_hash: str, address: str, user_agent: str, now: datetime
) -> str | None:
    """Sign a browser in and give its secret; None when the password was changed since it was checked."""
    user = await session.get(User, user_id, with_for_update={"read": True})
    if user is None or user.password_hash != password_hash:
        return None
    secret = new_secret()
    session.add(
        LoginSession(
            user_id=user_id,
            token_hash=digest(secret),
            address=address[:64],
            user_agent=user_agent[:255],
            created_at=now,
            last_used_at=now,
        )
    )
    return secret


async def end_session(session: AsyncSession, session_id: int, *, user_id: int) -> bool:
    """Sign one browser of an account out; False when it was not signed in."""
    ended = delete(LoginSession).where(LoginSession.id == session_id, LoginSession.user_id == user_id)
    return await session.scalar(ended.returning(LoginSession.id)) is not None


async def end_stale_sessions(session: AsyncSession, lifetime: timedelta, now: datetime) -> None:
    """Drop the sessions that nobody has used for their whole lifetime."""
    await session.execute(delete(LoginSession).where(LoginSession.last_used_at <= now - lifetime))


# --- API tokens ------------------------------------------------------------------------------------------------------


async def issue_token(session: AsyncSession, user_id: int, *, name: str, now: datetime) -> tuple[ApiToken, str]:
    """Make an API token; the secret is in the answer and nowhere else."""
    secret = API_TOKEN_PREFIX + new_secret()
    token = ApiToken(user_id=user_id, name=name, token_hash=digest(secret), created_at=now, last_used_at=None)
    session.add(token)
    await session.flush()
    return token, secret


async def end_token(session: AsyncSession, token_id: int, *, user_id: int) -> bool:
    """Revoke one token of an account; False when it has no such token."""
    ended = delete(ApiToken).where(ApiToken.id == token_id, ApiToken.user_id == user_id)
    return await session.scalar(ended.returning(ApiToken.id)) is not None


# --- who calls -------------------------------------------------------------------------------------------------------


async def caller_of_session(
    session: AsyncSession, token_hash: bytes, *, lifetime: timedelta, now: datetime
) -> Caller | None:
    """Who holds this session; None when it does not exist or has ended. One indexed query."""
    is_alive = LoginSession.last_used_at > now - lifetime
    return await _caller(session, LoginSession, LoginSession.token_hash == token_hash, is_alive)


async def caller_of_token(session: AsyncSession, token_hash: bytes) -> Caller | None:
    """Who holds this API token; None when it does not exist. One indexed query."""
    return await _caller(session, ApiToken, ApiToken.token_hash == token_hash)


async def _caller(
    session: AsyncSession, table: type[LoginSession | ApiToken], *conditions: ColumnElement[bool]
) -> Caller | None:
    query = select(table.id, User.id, User.username, User.role).join(User, User.id == table.user_id).where(*conditions)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    secret_id, user_id, username, role = row
    actor = Actor(user_id=user_id, username=username, role=role)
    if table is LoginSession:
        return Caller(actor=actor, session_id=secret_id)
    return Caller(actor=actor, token_id=secret_id)
