"""What an environment is to hold, and the hash under which equal wishes are one. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from kumo.environments.pythons import PythonRequest, parse_python_request
from kumo.errors import InvalidInput


@dataclass(frozen=True, kw_only=True)
class EnvironmentSpec:
    """A wish: an interpreter and packages. What fulfils it, with exact versions, is a build's lock."""

    backend: str = "uv"
    python: str | None = None  # as `parse_python_request` reads it; None takes the default interpreter
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()  # limit versions, install nothing
    pyproject: str | None = None  # with `uv_lock`: the project's own lock is used instead of `requirements`
    uv_lock: str | None = None
    index_url: str | None = None  # None takes the index of the settings

    @property
    def python_request(self) -> PythonRequest | None:
        """The Python that is asked for."""
        return None if self.python is None else parse_python_request(self.python)

    def to_json(self) -> dict[str, Any]:
        """As it is stored with a build."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> EnvironmentSpec:
        """Read what `to_json` gave."""
        lists = {name: tuple(stored[name]) for name in ("requirements", "constraints")}
        return cls(**(stored | lists))

    def content_hash(self) -> str:
        """Equal for equal wishes; the order of the requirements does not count."""
        content = self.to_json()
        for name in ("requirements", "constraints"):
            content[name] = sorted(set(content[name]))
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def check_index_url(url: str, *, field: str = "index_url") -> str:
    """Accept the address of a package index; one with a password in it is refused, because it would be shown."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise InvalidInput.at(field, "The address of a package index starts with https:// or http://.")
    if parts.username or parts.password:
        message = "The address must not hold a user name or password; put them into the server's .netrc file."
        raise InvalidInput.at(field, message)
    return url.strip()
