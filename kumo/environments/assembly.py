"""Carrying out one build: choose the interpreter, resolve to a lock, install, publish.

Nothing here knows the database; what comes out is stored by the builder.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kumo.environments.build_log import BuildLog
from kumo.environments.build_store import BuildStore, Package, ReadyBuild, lock_hash_of
from kumo.environments.declarations import direct_requirements
from kumo.environments.imports import Imports
from kumo.environments.index_access import IndexAccess
from kumo.environments.installed import Installed, InstalledPackage, read_installed
from kumo.environments.interpreters import Interpreter, Interpreters
from kumo.environments.probe import installed_packages, probe
from kumo.environments.requirements import has_hashes
from kumo.environments.spec import EnvironmentSpec
from kumo.environments.uv import Uv, UvFailed
from kumo.environments.uv_failures import FULL_DISK, is_full_disk
from kumo.errors import InvalidInput, KumoError, Unavailable
from kumo.settings import Settings

_LOCAL = re.compile(r"(?m)^(?:-e\s+|\S+ @ )?(?P<path>(?:\.{0,2}/|\.$|file:)\S*)")
_SHOWN_LINES, _SHOWN_LETTERS = 60, 8_000
_LOCKED_NAME = re.compile(r"(?m)^([A-Za-z0-9][A-Za-z0-9._-]*)")


class BuildFailed(KumoError):
    """The build cannot be made; the message is one line that says why, `output` the end of what the tool printed."""

    code = "conflict"

    def __init__(self, message: str, *, output: str | None = None) -> None:
        super().__init__(message)
        self.output = output


@dataclass(frozen=True, kw_only=True)
class BuildOrder:
    """What is to be built, how packages are reached, and where it is told how that goes."""

    spec: EnvironmentSpec
    access: IndexAccess
    lock: str | None = None  # where one is known already, the build is made from it
    lock_python: str | None = None  # the version of Python that the lock is for
    now: datetime
    log: BuildLog


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
    uv: Uv
    interpreters: Interpreters
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
        folder: Path | None = None
        try:
            async with asyncio.timeout(limit):
                if order.spec.interpreter is not None:
                    return await self._as_it_is(Path(order.spec.interpreter), order)
                interpreter = await self._interpreter(order)
                folder = await asyncio.to_thread(self.store.begin)
                lock = _usable_lock(order, interpreter)
                lock = lock if lock is not None else await self._resolve(order, interpreter, folder)
                return Assembled(lock=lock, ready=await self._install(order, lock, interpreter, folder))
        except TimeoutError:
            raise BuildFailed(f"The build took longer than the {limit} seconds that the settings allow.") from None
        except UvFailed as error:
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

    async def _as_it_is(self, path: Path, order: BuildOrder) -> Assembled:
        """A build that is another Python with what it holds: it is asked, and nothing is installed."""
        try:
            facts, found = await probe(path), await installed_packages(path)
        except InvalidInput as error:
            raise BuildFailed(error.message) from None
        order.log.line(f"Python {facts.version} at {path}, as it is")
        versions = {canonicalize_name(name): version for name, version in sorted(found.items())}
        lock = "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))
        ready = ReadyBuild(
            lock_hash=lock_hash_of(
                f"{path}\0{lock}",
                python_version=facts.version,
                implementation=facts.implementation,
                platform=f"{sys.platform}-{facts.architecture}",
            ),
            python_version=facts.version,
            packages=tuple(Package(name=name, version=version) for name, version in sorted(versions.items())),
            created=order.now.isoformat(),
            interpreter_path=str(path),
        )
        async with self._equal_builds.holding(ready.lock_hash):
            if await asyncio.to_thread(self.store.find, ready.lock_hash) is None:
                await asyncio.to_thread(self.store.publish_alias, ready)
            self._unsettled[ready.lock_hash] += 1
        return Assembled(lock=lock, ready=ready)

    async def _interpreter(self, order: BuildOrder) -> Interpreter:
        try:
            interpreter = await self.interpreters.select(order.spec.python_request)
        except (InvalidInput, Unavailable) as error:
            raise BuildFailed(error.message) from None
        order.log.line(f"Python {interpreter.version} at {interpreter.path}")
        return interpreter

    async def _resolve(self, order: BuildOrder, interpreter: Interpreter, folder: Path) -> str:
        spec, log = order.spec, order.log
        await asyncio.to_thread(_write_inputs, spec, folder)
        if spec.uv_lock is not None:
            log.line("Reading uv.lock")
            await self.uv.export(folder, interpreter.path, access=order.access, on_output=log.raw)
        elif not spec.requirements:
            return ""
        else:
            log.line(f"Resolving {_count(len(spec.requirements), 'requirement')}")
            await self.uv.compile(folder, interpreter.path, access=order.access, on_output=log.raw)
        text = await asyncio.to_thread((folder / "lock.txt").read_text, "utf-8")
        if local := _LOCAL.search(text):
            message = (
                f"The lock names “{local['path']}”, a directory; environments are made of packages of an index only."
            )
            raise BuildFailed(message)
        return _with_own_hashes(spec, text) if has_hashes(spec.requirements) else text

    async def _install(self, order: BuildOrder, lock: str, interpreter: Interpreter, folder: Path) -> ReadyBuild:
        lock_hash = lock_hash_of(
            lock,
            python_version=interpreter.version,
            implementation=interpreter.implementation,
            platform=f"{sys.platform}-{interpreter.architecture}",
        )
        async with self._equal_builds.holding(lock_hash):
            if (ready := await asyncio.to_thread(self.store.find, lock_hash)) is not None:
                order.log.line("An equal build is there already; it is used.")
                self._unsettled[lock_hash] += 1
                return _with_own_direct(ready, order.spec)
            await self._fill(order, lock, interpreter, folder)
            installed = await asyncio.to_thread(_read_installed, folder / "venv", order.spec, interpreter)
            if order.spec.import_check:
                await self._check_imports(folder / "venv", installed, interpreter, order.log)
            ready = ReadyBuild(
                lock_hash=lock_hash,
                python_version=interpreter.version,
                packages=tuple(_package(one) for one in installed.packages.values()),
                created=order.now.isoformat(),
                interpreter_path=str(interpreter.path),
            )
            await asyncio.to_thread(self.store.publish, folder, ready)
            self._unsettled[lock_hash] += 1
        return ready

    async def _fill(self, order: BuildOrder, lock: str, interpreter: Interpreter, folder: Path) -> None:
        target, lock_file = folder / "venv", folder / "install.txt"
        await asyncio.to_thread(lock_file.write_text, lock, "utf-8")
        await self.uv.create(target, interpreter.path, on_output=order.log.raw)
        if not lock.strip():
            return
        # A commit of git is its own hash, and cannot have another.
        hashed = "@ git+" not in lock
        order.log.line("Installing")
        if await self._install_from_cache(order, target, lock_file, require_hashes=hashed):
            return
        await self.uv.install(
            target, lock_file, access=order.access, require_hashes=hashed, offline=False, on_output=order.log.raw
        )

    async def _check_imports(
        self, environment: Path, installed: Installed, interpreter: Interpreter, log: BuildLog
    ) -> None:
        wrong = await self.imports.check(environment, installed, interpreter, log)
        if wrong is not None:
            raise BuildFailed(wrong.sentence, output=_end_of(wrong.output))

    async def _install_from_cache(self, order: BuildOrder, target: Path, lock: Path, *, require_hashes: bool) -> bool:
        """Try without the network first: the lock fixes every file, and asking the index costs more than installing."""
        printed = bytearray()
        try:
            await self.uv.install(
                target,
                lock,
                access=order.access,
                require_hashes=require_hashes,
                offline=True,
                on_output=printed.extend,
            )
        except UvFailed as error:
            if self.settings.package_index_offline or str(error) == FULL_DISK:
                order.log.raw(bytes(printed))
                raise
            return False
        order.log.raw(bytes(printed))
        return True


def _usable_lock(order: BuildOrder, interpreter: Interpreter) -> str | None:
    """The known lock, if it is for such a Python: it was removed from the machine since, perhaps."""
    if order.lock is None or order.lock_python is None:
        return order.lock
    minor = order.lock_python.split(".")[:2]
    if interpreter.version.split(".")[:2] == minor:
        return order.lock
    order.log.line(f"The lock is for Python {order.lock_python}, which is not taken; resolving anew")
    return None


def _write_inputs(spec: EnvironmentSpec, folder: Path) -> None:
    if spec.uv_lock is not None and spec.pyproject is not None:
        (folder / "pyproject.toml").write_text(spec.pyproject, "utf-8")
        (folder / "uv.lock").write_text(spec.uv_lock, "utf-8")
        return
    (folder / "requirements.in").write_text("".join(f"{line}\n" for line in spec.requirements), "utf-8")
    if spec.constraints:
        (folder / "constraints.txt").write_text("".join(f"{line}\n" for line in spec.constraints), "utf-8")


def _with_own_hashes(spec: EnvironmentSpec, resolved: str) -> str:
    """The requirements as the lock, because their author chose the hashes; every package must be among them."""
    listed = {canonicalize_name(Requirement(line.split(" --hash=")[0]).name) for line in spec.requirements}
    for name in _LOCKED_NAME.findall(resolved):
        if canonicalize_name(name) not in listed:
            message = (
                f"Where one requirement has a hash, all must have one, also those that others need: “{name}” has none."
            )
            raise BuildFailed(message)
    return "\n".join(sorted(spec.requirements)) + "\n"


def _read_installed(environment: Path, spec: EnvironmentSpec, interpreter: Interpreter) -> Installed:
    return read_installed(
        environment,
        direct=direct_requirements(spec),
        python_version=interpreter.version,
        implementation=interpreter.implementation,
    )


def _with_own_direct(ready: ReadyBuild, spec: EnvironmentSpec) -> ReadyBuild:
    """Equal locks can come from different wishes: what one asks for by name, the other needs only in passing."""
    direct = {canonicalize_name(one.name) for one in direct_requirements(spec)}
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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
