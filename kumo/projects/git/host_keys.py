"""Public keys of ssh hosts, and private keys of people, as texts. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from kumo.errors import InvalidInput

MOST_KEYS = 20
_TYPE = re.compile(r"[a-z0-9@.-]{1,60}")
_PEM = re.compile(
    r"-----BEGIN (?P<kind>(?:OPENSSH|RSA|EC|DSA|ENCRYPTED)? ?PRIVATE KEY)-----(?P<body>.*?)-----END (?P=kind)-----",
    re.DOTALL,
)
_OPENSSH_MAGIC = b"openssh-key-v1\0"


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """One public key of a host."""

    type: str  # as “ssh-ed25519”
    blob: str  # base64

    @property
    def fingerprint(self) -> str:
        """As ssh prints it and hosts publish it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    @property
    def text(self) -> str:
        """As it is accepted."""
        return f"{self.type} {self.blob}"


def read_key(text: str, *, field: str = "keys") -> HostKey:
    """A public key as `ssh-keyscan` or a host's documentation writes it, with or without the host before it."""
    words = text.split()
    for kind, blob in pairwise(words):
        if _TYPE.fullmatch(kind) and _names_itself(kind, blob):
            return HostKey(type=kind, blob=blob)
    raise InvalidInput.at(field, "This is no public key of a host. Give it as “ssh-ed25519 AAAA…”.")


def read_scan(output: str) -> list[HostKey]:
    """The keys that `ssh-keyscan` has found, the same order each time."""
    found = []
    for line in output.splitlines():
        if line and not line.startswith("#"):
            try:
                found.append(read_key(line))
            except InvalidInput:
                continue
    return sorted(found, key=lambda key: (key.type != "ssh-ed25519", key.type))


def known_hosts(host_name: str, keys: Iterable[HostKey]) -> str:
    """The lines of a file of known hosts."""
    return "".join(f"{host_name} {key.text}\n" for key in keys)


def read_private_key(text: str, *, field: str = "secret") -> str:
    """A private key as ssh reads it; `InvalidInput` for anything else, and for one with a passphrase."""
    key = text.replace("\r\n", "\n").strip() + "\n"
    match = _PEM.search(key)
    if match is None:
        raise InvalidInput.at(
            field, "This is no private key. It begins with “-----BEGIN OPENSSH PRIVATE KEY-----”, or RSA or EC instead."
        )
    if _is_encrypted(match):
        raise InvalidInput.at(
            field,
            "This key has a passphrase, which nobody could enter at night. Make a key for Kumo alone: "
            "ssh-keygen -t ed25519 -N ''",
        )
    return key


def _is_encrypted(pem: re.Match[str]) -> bool:
    body = pem["body"]
    if "ENCRYPTED" in pem["kind"] or "Proc-Type: 4,ENCRYPTED" in body:
        return True
    if not pem["kind"].startswith("OPENSSH"):
        return False
    try:
        raw = base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        return False  # damaged, which ssh says better
    return raw.startswith(_OPENSSH_MAGIC) and _string(raw[len(_OPENSSH_MAGIC) :]) not in (None, b"none")


def _names_itself(kind: str, blob: str) -> bool:
    """A key's bytes begin with the name of its kind."""
    try:
        return _string(base64.b64decode(blob, validate=True)) == kind.encode()
    except (binascii.Error, ValueError):
        return False


def _string(raw: bytes) -> bytes | None:
    if len(raw) < struct.calcsize(">I"):
        return None
    (length,) = struct.unpack_from(">I", raw)
    return raw[4 : 4 + length] if length <= len(raw) - 4 else None
