"""Finding packages by their names, and newer versions of what is installed. Both ask the index, within bounds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic

from packaging.utils import canonicalize_name

from kumo.environments.indexes.access import IndexAccess
from kumo.environments.indexes.listing import IndexListing
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.tools.uv import NewerVersion, Uv, UvFailed
from kumo.errors import InvalidInput, Unavailable

_TIMEOUT_SECONDS = 20
_MOST_FOUND = 20
_KEPT_SECONDS = 600.0
_REMEMBERED = 200
_AT_ONCE = 2  # processes that ask an index
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class FoundPackage:
    """One package whose name fits."""

    name: str
    latest_version: str | None = None  # known of the one that has exactly the name


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search came to; `notice` says what could not be done."""

    items: tuple[FoundPackage, ...]
    notice: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outdated:
    """Newer versions than those of one build, as the index said at a moment."""

    items: Sequence[NewerVersion]
    checked_at: datetime


class PackageSearch:
    """Asks indexes, few at a time, and remembers what is newer for ten minutes."""

    def __init__(self, uv: Uv, interpreters: Interpreters) -> None:
        self._uv = uv
        self._interpreters = interpreters
        self._listing = IndexListing()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._outdated: dict[tuple[str, IndexAccess], tuple[float, Outdated]] = {}

    async def search(self, words: str, access: IndexAccess, known: Iterable[str]) -> Found:
        """Packages whose name contains some letters; `known` are names that this installation has met.

        1. The one that has exactly this name. 2. Those that the index lists, if it can be listed. 3. Those known. When
        the index does not answer, the name as it was typed is found, and the notice says that nobody has checked it.
        """
        words = words.strip()
        if not _NAME.fullmatch(words):
            message = "A package's name has letters, digits, and “-”, “_” and “.” between them."
            raise InvalidInput.at("q", message)
        name = canonicalize_name(words)
        exact, (names, notice) = await asyncio.gather(self._exact(name, access), self._similar(name, access))
        similar = [one for one in sorted({*names, *known}, key=lambda one: (len(one), one)) if name in one]
        others = [FoundPackage(name=one) for one in similar if one != name]
        unfound = None if exact.items else notice
        return Found(items=(*exact.items, *others)[:_MOST_FOUND], notice=exact.notice or unfound)

    async def outdated(
        self, *, lock_hash: str, python: Path, access: IndexAccess, now: datetime, again: bool = False
    ) -> Outdated:
        """What is newer than what a build holds; `Unavailable` with the reason when the index does not say."""
        key = (lock_hash, access)
        found = self._outdated.get(key)
        if found is not None and monotonic() - found[0] < _KEPT_SECONDS and not again:
            return found[1]
        try:
            async with self._places, asyncio.timeout(_TIMEOUT_SECONDS):
                newer = await self._uv.outdated(python, access=access)
        except UvFailed as error:
            raise Unavailable(str(error)) from None
        except TimeoutError:
            raise Unavailable(f"The package index did not answer within {_TIMEOUT_SECONDS} seconds.") from None
        if len(self._outdated) >= _REMEMBERED:
            self._outdated.clear()
        checked = Outdated(items=newer, checked_at=now)
        self._outdated[key] = (monotonic(), checked)
        return checked

    async def _exact(self, name: str, access: IndexAccess) -> Found:
        try:
            interpreter = await self._interpreters.default()
            async with self._places, asyncio.timeout(_TIMEOUT_SECONDS):
                version = await self._uv.newest(name, interpreter.path, access=access)
        except UvFailed as error:
            if error.names_unknown_package:
                return Found(items=())
            reason = str(error)
        except TimeoutError:
            reason = f"The package index did not answer within {_TIMEOUT_SECONDS} seconds."
        else:
            return Found(items=(FoundPackage(name=name, latest_version=version),))
        return Found(items=(FoundPackage(name=name),), notice=f"{reason} “{name}” is not checked; it can be added.")

    async def _similar(self, name: str, access: IndexAccess) -> tuple[Sequence[str], str]:
        names = await self._listing.names(access)
        if names is not None:
            return names, f"No package named “{name}” is on the package index."
        notice = (
            f"No package named “{name}” is on the package index. It cannot be searched by parts of names, so write the "
            "whole name."
        )
        return (), notice
