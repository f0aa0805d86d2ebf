"""What an environment is to hold, and the hash under which equal wishes are one. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from kumo.environments.needs.python_request import PythonRequest, parse_python_request

_LISTS = ("requirements", "constraints", "extra_index_urls", "channels", "conda_packages", "notes")


@dataclass(frozen=True, kw_only=True)
class EnvironmentSpec:
    """A wish: an interpreter and packages. What fulfils it, with exact versions, is a build's lock."""

    backend: str = "uv"  # see `backends.by_name`
    python: str | None = None  # as `parse_python_request` reads it; None takes the default interpreter
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()  # limit versions, install nothing
    pyproject: str | None = None  # with `uv_lock`: the project's own lock is used instead of `requirements`
    uv_lock: str | None = None
    channels: tuple[str, ...] = ()  # of conda, in their order, and what is taken from them as conda reads it
    conda_packages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what people wrote and is not followed: for the log alone
    # The path of a Python that is used as it is, with what it holds; nothing of the above is asked for then.
    interpreter: str | None = None
    index_url: str | None = None  # None takes the index of the settings, and so for the next three
    extra_index_urls: tuple[str, ...] = ()
    proxy: str | None = None
    wheel_folder: str | None = None
    use_index: bool = True  # False: wheels of the folder alone
    import_check: bool = True

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
        lists = {name: tuple(stored.get(name, ())) for name in _LISTS}
        return cls(**(stored | lists))

    def content_hash(self) -> str:
        """Equal for equal wishes; the order of the requirements does not count."""
        content = self.to_json()
        del content["notes"]
        for name in ("requirements", "constraints", "conda_packages"):
            content[name] = sorted(set(content[name]))
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
