"""Passwords: what makes one acceptable, and how it is kept (argon2id)."""

from __future__ import annotations

import asyncio

import argon2

from kumo.errors import InvalidInput

SHORTEST = 10
LONGEST = 256

# Each hash takes 64 MiB and a core for some 50 ms: many sign-ins at once wait here, not in the machine's swap.
_AT_ONCE = 2

_hasher = argon2.PasswordHasher()
_turns: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}

# The hash of nobody's password. Checked when an account does not exist, so that the time the answer takes does not
# tell which accounts there are.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$At6LfpfwfI7u+9NcFbA5Og$33Ij0L5+tvEIbM0z4D8eWYnlFp9Aa8kFF5jkUmaKz+0"


def check_password_rules(password: str, *, username: str, field: str = "password") -> None:
    """Refuse a password that is too short, too long, or the account's own name."""
    if len(password) < SHORTEST:
        raise InvalidInput.at(field, f"The password is too short; use at least {SHORTEST} characters.")
    if len(password) > LONGEST:
        raise InvalidInput.at(field, f"The password is too long; use at most {LONGEST} characters.")
    if password.casefold() == username.casefold():
        raise InvalidInput.at(field, "The password is the account's name; choose another one.")


async def hash_password(password: str) -> str:
    """The argon2id hash of a password, with its parameters and salt in it."""
    async with _turn():
        return await asyncio.to_thread(_hasher.hash, password)


async def password_matches(password_hash: str | None, password: str) -> bool:
    """Whether it is this account's password; False, after as long a time, for an account that does not exist."""
    async with _turn():
        return await asyncio.to_thread(_matches, password_hash or _NOBODY, password)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except argon2.exceptions.VerifyMismatchError:
        return False


def _turn() -> asyncio.Semaphore:
    """The queue of this event loop; a semaphore belongs to the loop that it first waited in."""
    loop = asyncio.get_running_loop()
    if loop not in _turns:
        _turns.clear()
        _turns[loop] = asyncio.Semaphore(_AT_ONCE)
    return _turns[loop]
