"""What is kept secret in the database: the vault that encrypts it, and the keys that the vault needs.

A key is 32 random bytes in URL-safe base64, Fernet's form. `KUMO_SECRET_KEY` gives one or several, the first of which
encrypts; without it the first start makes one in `<home>/secret.key`. A key that lies there still decrypts when the
setting names another, so that a key of one's own can be introduced at any time.

Each encrypted value begins with the fingerprint of its key, so that a key that is missing can be named. The database
knows the fingerprints of all keys that have been used with it, so that a wrong key is noticed at start.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import os
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from kumo.db.base import Base
from kumo.db.session import Database
from kumo.errors import ConfigurationError, Unavailable
from kumo.settings import Settings

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

KEY_FILE = "secret.key"

_KEY_BYTES = 32
_FINGERPRINT_LENGTH = 16
_HOW_TO_MAKE_ONE = "`openssl rand -base64 32` makes one"


class UsedKey(Base):
    """A key that has encrypted something in this database, known by its fingerprint."""

    __tablename__ = "used_keys"

    fingerprint: Mapped[str] = mapped_column(String(_FINGERPRINT_LENGTH), primary_key=True)
    first_used_at: Mapped[datetime]

    __table_args__ = ()  # its key is no number that SQLite could give out


class Undecryptable(Unavailable):
    """A stored value cannot be decrypted; the message says what is missing, and never the value."""


class Vault:
    """Encrypts with the first of its keys, decrypts with whichever the value was encrypted with."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        """Take the keys as their 32 bytes; of equal ones the first counts."""
        self._keys = {fingerprint(key): key for key in keys}
        self._ciphers: dict[str, Fernet] = {}
        assert self._keys, "a vault without a key"

    def __repr__(self) -> str:
        """Nothing that could open it."""
        return f"Vault({', '.join(self._keys)})"

    @property
    def fingerprints(self) -> list[str]:
        """Its keys by name, the one that encrypts first."""
        return list(self._keys)

    def encrypt(self, plain: bytes) -> bytes:
        """Give the form in which the database keeps it."""
        name = next(iter(self._keys))
        return name.encode() + b":" + self._cipher(name).encrypt(plain)

    def decrypt(self, kept: bytes) -> bytes:
        """Give back what was encrypted; `Undecryptable`, naming the key, when its key is not there."""
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - see `_cipher`

        prefix, _colon, token = kept.partition(b":")
        name = prefix.decode("ascii", "replace")
        try:
            if name not in self._keys:
                raise InvalidToken  # noqa: TRY301 - one way out for all that cannot be decrypted
            return self._cipher(name).decrypt(token)
        except InvalidToken:
            if re.fullmatch(rf"[0-9a-f]{{{_FINGERPRINT_LENGTH}}}", name) and name not in self._keys:
                raise Undecryptable(
                    f"This value was encrypted with the secret key {name}, which Kumo was not given. "
                    "Add that key to KUMO_SECRET_KEY and restart Kumo, or enter the value anew."
                ) from None
            raise Undecryptable("This value is damaged in the database. Enter it anew.") from None

    def has_key_of(self, kept: bytes) -> bool:
        """Whether the key of an encrypted value is there; its first bytes suffice."""
        return kept[:_FINGERPRINT_LENGTH].decode("ascii", "replace") in self._keys

    def _cipher(self, name: str) -> Fernet:
        # Loaded with the first secret: an installation that keeps none saves ten megabytes and a slower start.
        from cryptography.fernet import Fernet  # noqa: PLC0415

        if name not in self._ciphers:
            self._ciphers[name] = Fernet(base64.urlsafe_b64encode(self._keys[name]))
        return self._ciphers[name]


def fingerprint(key: bytes) -> str:
    """The name of a key, which tells nothing of the key itself."""
    return hashlib.sha256(b"kumo secret key\0" + key).hexdigest()[:_FINGERPRINT_LENGTH]


def read_keys(text: str, *, source: str) -> list[bytes]:
    """The keys that stand in a text, separated by commas or white space; at least one."""
    words = [word for word in re.split(r"[\s,]+", text) if word]
    if not words:
        raise ConfigurationError(f"{source} holds no secret key; {_HOW_TO_MAKE_ONE}.")
    return [_read_key(word, source=source) for word in words]


async def open_vault(database: Database, settings: Settings, now: datetime) -> Vault:
    """The vault with the keys of the settings and of the data directory; the first start makes a key.

    `ConfigurationError` when a key is none, or when the database was used with a key that is not there: better at
    start than in the night, when the first run needs it.
    """
    async with database.read() as session:
        used = set((await session.scalars(select(UsedKey.fingerprint))).all())
    keys = _given_keys(settings)
    if not keys and not used:
        keys = [await asyncio.to_thread(_make_key, settings.home / KEY_FILE)]
    if missing := sorted(used.difference(map(fingerprint, keys))):
        raise ConfigurationError(_missing_key(missing[0], settings.home))
    vault = Vault(keys)
    if vault.fingerprints[0] not in used:
        async with database.write() as session:
            session.add(UsedKey(fingerprint=vault.fingerprints[0], first_used_at=now))
    return vault


async def forget_key(database: Database, name: str) -> bool:
    """Ask for a lost key no more; False when it was not known. What it encrypted stays unreadable."""
    async with database.write() as session:
        found = await session.scalar(delete(UsedKey).where(UsedKey.fingerprint == name).returning(UsedKey.fingerprint))
    return found is not None


def _read_key(word: str, *, source: str) -> bytes:
    try:
        # Both alphabets of base64 are read, and padding that got lost on the way is none to stumble over.
        key = base64.b64decode(word.rstrip("=").translate(str.maketrans("-_", "+/")) + "=", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(
            f"{source} holds something that is no secret key: a key is {_KEY_BYTES} bytes in base64; "
            f"{_HOW_TO_MAKE_ONE}. Several are separated by commas, and the first one encrypts."
        )
    return key


def _given_keys(settings: Settings) -> list[bytes]:
    given, file = settings.secret_key, settings.home / KEY_FILE
    keys = [] if given is None else read_keys(given.get_secret_value(), source="KUMO_SECRET_KEY")
    try:
        keys += read_keys(file.read_text("utf-8", "replace"), source=str(file))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ConfigurationError(
            f"The secret key in {file} cannot be read: {error.strerror}. Give the account that runs Kumo the right to."
        ) from None
    return keys


def _make_key(file: Path) -> bytes:
    """Make a key that outlives a power cut: it must be on the disk before anything is encrypted with it."""
    key = os.urandom(_KEY_BYTES)
    written = file.with_name(f"{file.name}.new")
    try:
        written.unlink(missing_ok=True)
        descriptor = os.open(written, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(base64.urlsafe_b64encode(key) + b"\n")
            handle.flush()
            os.fsync(handle.fileno())
        # Renamed, not written in place: a start that is cut off leaves a whole key or none.
        written.rename(file)
        directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise ConfigurationError(
            f"The secret key cannot be written to {file}: {error.strerror}. Make room, or set KUMO_SECRET_KEY."
        ) from None
    return key


def _missing_key(name: str, home: Path) -> str:
    return (
        f"The database was used with the secret key {name}, which Kumo was not given: what is encrypted with it could "
        f"not be read. Add that key to KUMO_SECRET_KEY, behind the first one and a comma, or put the {KEY_FILE} of the "
        f"old data directory into {home}. If it is lost, enter the secrets anew after: kumo db forget-key {name}"
    )
