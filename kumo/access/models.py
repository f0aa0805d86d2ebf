"""Accounts, and the three kinds of secret that open the door: sessions, API tokens, the setup link.

Of each secret only its SHA-256 is stored. The secrets are 256 random bits, so a fast hash is enough, and whoever
reads the database cannot sign in with what is found there.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Enum, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from kumo.access.permissions import Role
from kumo.db.base import Base, id_column


class User(Base):
    """An account: somebody, or something, that may sign in."""

    __tablename__ = "user_account"

    id: Mapped[int] = id_column()
    username: Mapped[str] = mapped_column(String(64))  # as it was typed when the account was made
    # Case-folded: "Ada" and "ada" are one person, and nobody can pose as somebody else by a capital letter.
    username_key: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(
        Enum(Role, native_enum=False, length=16, values_callable=lambda roles: [role.value for role in roles])
    )
    created_at: Mapped[datetime]


class LoginSession(Base):
    """One browser that has signed in."""

    __tablename__ = "login_session"

    id: Mapped[int] = id_column()
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]  # exact to a minute; the session ends `session_hours` after it


class ApiToken(Base):
    """A token that a program signs in with."""

    __tablename__ = "api_token"

    id: Mapped[int] = id_column()
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]  # exact to a minute


class SetupToken(Base):
    """The one-time link that creates the first account; gone once any account exists."""

    __tablename__ = "setup_token"

    id: Mapped[int] = id_column()
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[datetime]
