"""Which Pythons this machine has, and which of them suits a request."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

from packaging.version import InvalidVersion, Version

from kumo.environments.interpreters.places import interpreter_folders, source_of
from kumo.environments.interpreters.probe import OLDEST, probe
from kumo.environments.needs.python_request import PythonRequest
from kumo.environments.tools.uv import Uv
from kumo.errors import InvalidInput

_KEPT_SECONDS = 60.0


AddedPaths = Callable[[], Awaitable[Sequence[Path]]]


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """One Python executable that Kumo knows."""

    path: Path
    version: str
    implementation: str  # "cpython", "pypy"
    architecture: str
    source: str  # who put it there, see `places.source_of`; "added" where a person has named its path
    supported: bool  # whether environments can be built with it
    is_default: bool = field(default=False)  # what is taken when nothing is asked for
    problem: str | None = None  # of one that was added: why it does not work any more; then it has no version


async def _none_added() -> Sequence[Path]:
    return ()


class Interpreters:
    """The interpreters of this machine; looked up at most once a minute, because each is started to ask it."""

    def __init__(self, uv: Uv, added: AddedPaths = _none_added) -> None:
        """`added` gives the paths that people have named."""
        self._uv = uv
        self._added = added
        self._looking = asyncio.Lock()
        self._found: tuple[Interpreter, ...] = ()
        self._found_at = float("-inf")

    async def list(self, *, refresh: bool = False) -> tuple[Interpreter, ...]:
        """All of them, newest first; `refresh` looks again at once."""
        asked_at = monotonic()
        async with self._looking:
            # Whoever waited for another's search takes what that one found.
            fresh = self._found_at >= asked_at if refresh else monotonic() - self._found_at < _KEPT_SECONDS
            if not fresh:
                listed, paths = await asyncio.gather(_listed_by(self._uv), self._added())
                added = await asyncio.gather(*(_look_at(path) for path in paths))
                self._found = await asyncio.to_thread(describe, listed, self._uv.home, added)
                self._found_at = monotonic()
            return self._found

    async def default(self) -> Interpreter:
        """What runs use whose project declares nothing; looked for again once it is gone.

        Not each minute as the list is: looking takes seconds, and every run asks, within a transaction.
        """
        known = choose(self._found, None)
        # pathlib takes five times as long.
        if known is None or not os.path.exists(known.path):  # noqa: ASYNC240, PTH110
            return await self.select(None)
        return known

    async def select(self, request: PythonRequest | None, *, field: str = "python") -> Interpreter:
        """The one to build with; looks again before it says that there is none."""
        found = choose(await self.list(), request)
        if found is None:
            found = choose(await self.list(refresh=True), request)
        if found is None:
            raise InvalidInput.at(field, _not_here(await self.list(), request))
        return found


def describe(
    listed: Sequence[dict[str, Any]], home: Path, added: Sequence[Interpreter] = ()
) -> tuple[Interpreter, ...]:
    """The list of uv as interpreters, each executable once, whatever the number of its names; and those added."""
    by_file: dict[str, Interpreter] = {}
    for entry in listed:
        if (
            entry.get("path") is None
            or entry.get("variant", "default") != "default"
            or not _is_version(entry["version"])
        ):
            continue
        # uv names the executable itself before the links to it.
        by_file.setdefault(os.path.realpath(entry["path"]), _interpreter(entry, home))
    named = {one.path for one in added}
    found = [one for one in by_file.values() if one.path not in named]
    newest_first = sorted([*found, *added], key=_by_version, reverse=True)
    default = _default(newest_first)
    return tuple(replace(one, is_default=True) if one is default else one for one in newest_first)


def choose(interpreters: Sequence[Interpreter], request: PythonRequest | None) -> Interpreter | None:
    """The newest that suits, CPython before others and releases before pre-releases; the default without a request."""
    able = [one for one in interpreters if one.supported]
    if request is None:
        return next((one for one in able if one.is_default), None)
    suitable = [one for one in able if request.matches(one.version)]
    return max(suitable, key=_preference, default=None)


async def _listed_by(uv: Uv) -> list[dict[str, Any]]:
    return await uv.list_interpreters(await asyncio.to_thread(interpreter_folders, uv.home))


async def _look_at(path: Path) -> Interpreter:
    """One that was added, as it is now."""
    try:
        facts = await probe(path)
    except InvalidInput as error:
        return Interpreter(
            path=path,
            version="",
            implementation="",
            architecture="",
            source="added",
            supported=False,
            problem=error.message,
        )
    return Interpreter(path=path, **asdict(facts), source="added", supported=True)


def _interpreter(entry: dict[str, Any], home: Path) -> Interpreter:
    version = Version(entry["version"])
    return Interpreter(
        path=Path(entry["path"]),
        version=entry["version"],
        implementation=entry.get("implementation", "cpython"),
        architecture=entry.get("arch", platform.machine()),
        source=source_of(Path(entry["path"]), home),
        supported=version.release >= OLDEST.release,
    )


def _default(newest_first: Sequence[Interpreter]) -> Interpreter | None:
    """The server's own version where it is there, because it is known to work; else its nearest, else the newest."""
    able = [one for one in newest_first if one.supported and one.implementation == "cpython"]
    own = platform.python_version()
    minor = f"{sys.version_info.major}.{sys.version_info.minor}."
    candidates = (
        *(one for one in able if one.version == own),
        *(one for one in able if one.version.startswith(minor)),
        *able,
    )
    return next(iter(candidates), None)


def _preference(one: Interpreter) -> tuple[bool, bool, Version]:
    version = Version(one.version)
    return one.implementation == "cpython", not version.is_prerelease, version


def _by_version(one: Interpreter) -> Version:
    return Version(one.version or "0")


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _not_here(interpreters: Sequence[Interpreter], request: PythonRequest | None) -> str:
    able = dict.fromkeys(one.version for one in interpreters if one.supported)
    if not able:
        return "No Python that environments can be built with is on this machine. Install Python 3.8 or newer."
    asked = f"Python {request.text}" if request else "A default Python"
    too_old = [one.version for one in interpreters if request and not one.supported and request.matches(one.version)]
    where = f"is here as {too_old[0]}, but too old to build environments with" if too_old else "is not on this machine"
    return f"{asked} {where}. Installed: {', '.join(able)}."
