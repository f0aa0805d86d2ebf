"""Carrying out one build: resolve to a lock, install it, try it, publish it. The backends know how.

Nothing here knows the database; what comes out is stored by the builder.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kumo.environments.backends.interface import Backend, BuildFailed, BuildOrder, Locked
from kumo.environments.building.imports import Imports, TriedBuild
from kumo.environments.builds.installed import InstalledPackage
from kumo.environments.builds.log import BuildLog
from kumo.environments.builds.store import BuildStore, Package, ReadyBuild, lock_hash_of
from kumo.environments.tools.running import ToolFailed
from kumo.environments.tools.uv_failures import FULL_DISK, is_full_disk
from kumo.settings import Settings

_SHOWN_LINES, _SHOWN_LETTERS = 60, 8_000


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """What a successful build gives: the lock, and the directory that follows from it."""

    lock: str
    ready: ReadyBuild


class _NamedLocks:
    """A lock for each name that somebody holds or waits for."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def holding(self, name: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(name)
            if users > 1:
                self._locks[name] = (lock, users - 1)


@dataclass(frozen=True, kw_only=True)
class Assembler:
    """The tools that builds are made with; one for the whole server, so that equal builds wait for each other."""

    settings: Settings
    backends: Mapping[str, Backend]
    store: BuildStore
    imports: Imports
    _equal_builds: _NamedLocks = field(default_factory=_NamedLocks)
    # Directories that were made or found, but are in no row yet: nobody may remove them.
    _unsettled: Counter[str] = field(default_factory=Counter)

    async def assemble(self, order: BuildOrder) -> Assembled:
        """Make a build.

        Raises `BuildFailed`. A crash in the middle leaves a temporary directory, which the next start removes.
        """
        limit = self.settings.build_timeout_seconds
        backend = self.backends[order.spec.backend]
        folder: Path | None = None
        try:
            async with asyncio.timeout(limit):
                folder = await asyncio.to_thread(self.store.begin)
                locked = await backend.resolve(order, folder)
                return Assembled(lock=locked.text, ready=await self._install(order, backend, locked, folder))
        except TimeoutError:
            raise BuildFailed(f"The build took longer than the {limit} seconds that the settings allow.") from None
        except ToolFailed as error:
            raise BuildFailed(str(error), output=_end_of(error.output)) from None
        except OSError as error:
            raise BuildFailed(_sentence_of(error)) from error
        finally:
            if folder is not None:
                await asyncio.shield(asyncio.to_thread(self.store.abandon, folder))

    def settle(self, assembled: Assembled) -> None:
        """Say that the outcome is stored, or not wanted any more; to be called once for each that `assemble` gave."""
        lock_hash = assembled.ready.lock_hash
        self._unsettled[lock_hash] -= 1
        if not self._unsettled[lock_hash]:
            del self._unsettled[lock_hash]

    async def discard(self, lock_hash: str, is_needed: Callable[[str], Awaitable[bool]]) -> bool:
        """Remove the directory of a lock, unless it is needed; asked when no build can begin to use it."""
        async with self._equal_builds.holding(lock_hash):
            if self._unsettled[lock_hash] or await is_needed(lock_hash):
                return False
            try:
                aside = await asyncio.to_thread(self.store.put_aside, lock_hash)
            except FileNotFoundError:  # somebody has removed it already
                return False
        await asyncio.to_thread(self.store.abandon, aside)
        return True

    async def _install(self, order: BuildOrder, backend: Backend, locked: Locked, folder: Path) -> ReadyBuild:
        lock_hash = lock_hash_of(
            locked.text,
            python_version=locked.python.version,
            implementation=locked.python.implementation,
            platform=f"{sys.platform}-{locked.python.architecture}",
        )
        async with self._equal_builds.holding(lock_hash):
            if (ready := await asyncio.to_thread(self.store.find, lock_hash)) is not None:
                order.log.line("An equal build is there already; it is used.")
                self._unsettled[lock_hash] += 1
                return _with_own_direct(ready, backend.direct_names(order.spec))
            ready = await self._make(order, backend, locked, folder, lock_hash)
            self._unsettled[lock_hash] += 1
        return ready

    async def _make(
        self, order: BuildOrder, backend: Backend, locked: Locked, folder: Path, lock_hash: str
    ) -> ReadyBuild:
        place = folder / "venv" if backend.is_movable else await asyncio.to_thread(self.store.reserve)
        try:
            await backend.install(order, locked, place, folder)
            installed = await asyncio.to_thread(backend.installed, order, locked, place)
            variables = await backend.variables(place, folder)
            if order.spec.import_check:
                await self._check_imports(
                    TriedBuild(place=place, python=locked.python, installed=installed, variables=variables),
                    order.log,
                    folder,
                )
            ready = ReadyBuild(
                lock_hash=lock_hash,
                python_version=locked.python.version,
                packages=tuple(_package(one) for one in installed.packages.values()),
                created=order.now.isoformat(),
                interpreter_path="" if locked.python.path is None else str(locked.python.path),
                place="" if backend.is_movable else str(place),
                variables=dict(variables),
            )
            await asyncio.to_thread(self.store.publish, place, ready)
        finally:
            if not backend.is_movable:
                await asyncio.shield(asyncio.to_thread(self.store.give_back, place, lock_hash))
        return ready

    async def _check_imports(self, tried: TriedBuild, log: BuildLog, folder: Path) -> None:
        wrong = await self.imports.check(tried, log, folder=folder)
        if wrong is not None:
            raise BuildFailed(wrong.sentence, output=_end_of(wrong.output))


def _with_own_direct(ready: ReadyBuild, direct: AbstractSet[str]) -> ReadyBuild:
    """Equal locks can come from different wishes: what one asks for by name, the other needs only in passing."""
    return replace(ready, packages=tuple(replace(one, is_direct=one.name in direct) for one in ready.packages))


def _package(one: InstalledPackage) -> Package:
    return Package(
        name=one.name, version=one.version, size_bytes=one.size_bytes, requires=one.requires, is_direct=one.is_direct
    )


def _end_of(output: str) -> str:
    """The last lines of what a tool printed; a reader finds the rest in the log."""
    return "\n".join(output.strip("\n").splitlines()[-_SHOWN_LINES:])[-_SHOWN_LETTERS:]


def _sentence_of(error: OSError) -> str:
    if is_full_disk(str(error)) or error.errno in (28, 122):  # ENOSPC, EDQUOT
        return FULL_DISK
    return f"The data directory cannot be used: {error.strerror or error}."
