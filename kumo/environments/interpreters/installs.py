"""Installing Pythons: downloads that go on in the background, and can be watched.

Nothing of them is stored: uv puts a Python in place only when it is whole, so a server that ends meanwhile leaves
nothing but a download to be repeated.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import structlog

from kumo.clock import Clock
from kumo.db.changes import Change, Changes
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.interpreters.places import installed_by_kumo
from kumo.environments.tools.uv import Uv, UvFailed
from kumo.errors import InvalidInput, NotFound, Unavailable

log = structlog.get_logger(__name__)

_MEASURED_EVERY_SECONDS = 0.2
_TIMEOUT_SECONDS = 3600
_REMEMBERED = 50
_VERSION = re.compile(r"3\.\d{1,2}(\.\d{1,3})?")
_SIZE = re.compile(r"\((?P<number>\d+(?:\.\d+)?)(?P<unit>[KMG]?i?B)\)\s*$")
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class InstallNotFound(NotFound):
    """The installation is not known."""

    def __init__(self, install_id: int) -> None:
        super().__init__(f"Installation {install_id} is not known; the server may have been restarted since.")


@dataclass(frozen=True, kw_only=True)
class Install:
    """One installation as it stands."""

    id: int
    version: str
    state: str  # "running", "done" or "failed"
    message: str
    downloaded_bytes: int = 0
    total_bytes: int | None = None
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(kw_only=True)
class _Going:
    """An installation, the task that carries it out, and those who watch."""

    state: Install
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Installs:
    """The installations of this server's life; owns their tasks."""

    def __init__(self, uv: Uv, interpreters: Interpreters, changes: Changes, clock: Clock) -> None:
        self._uv = uv
        self._interpreters = interpreters
        self._changes = changes
        self._clock = clock
        self._all: dict[int, _Going] = {}
        self._last_id = 0

    def list(self) -> list[Install]:
        """All that are remembered, the newest first."""
        return [going.state for going in reversed(self._all.values())]

    def get(self, install_id: int) -> Install:
        """One of them, or `InstallNotFound`."""
        return self._find(install_id).state

    def start(self, version: str) -> Install:
        """Begin to install a version; one that is under way already is the answer."""
        version = version.strip()
        if not _VERSION.fullmatch(version):
            raise InvalidInput.at("version", "Write a version such as 3.13, for the newest of them, or 3.13.1.")
        for going in self._all.values():
            if going.state.version == version and going.state.state == "running":
                return going.state
        self._last_id += 1
        going = _Going(
            state=Install(
                id=self._last_id, version=version, state="running", message="Begins.", started_at=self._clock()
            )
        )
        self._all[self._last_id] = going
        self._forget_old()
        going.task = asyncio.create_task(self._carry_out(going), name=f"install Python {version}")
        return going.state

    async def follow(self, install_id: int) -> AsyncIterator[Install]:
        """How it stands, each time that this changes; ends with it."""
        going = self._find(install_id)
        while True:
            changed, state = going.changed, going.state
            yield state
            if state.state != "running":
                return
            await changed.wait()

    async def close(self) -> None:
        """End those that are under way."""
        tasks = [going.task for going in self._all.values() if going.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _find(self, install_id: int) -> _Going:
        if install_id not in self._all:
            raise InstallNotFound(install_id)
        return self._all[install_id]

    def _forget_old(self) -> None:
        over = [number for number, going in self._all.items() if going.state.state != "running"]
        for number in over[: max(0, len(self._all) - _REMEMBERED)]:
            del self._all[number]

    def _update(self, going: _Going, **changes: object) -> None:
        going.state = replace(going.state, **changes)  # type: ignore[arg-type]  # fields of its own
        going.changed.set()
        going.changed = asyncio.Event()

    async def _carry_out(self, going: _Going) -> None:
        try:
            message = await self._install(going)
        except (UvFailed, Unavailable, OSError) as error:
            self._update(going, state="failed", message=str(error), ended_at=self._clock())
        except TimeoutError:
            message = f"The download took longer than {_TIMEOUT_SECONDS // 60} minutes."
            self._update(going, state="failed", message=message, ended_at=self._clock())
        except Exception:
            log.exception("a Python could not be installed", version=going.state.version)
            message = "Something went wrong inside Kumo. The server's log says more."
            self._update(going, state="failed", message=message, ended_at=self._clock())
        else:
            self._update(going, state="done", message=message, ended_at=self._clock())
            self._changes.publish([Change("interpreter", going.state.id)])

    async def _install(self, going: _Going) -> str:
        """Download and install, keeping the state up to date; what came of it, in a sentence."""

        def take(printed: bytes) -> None:
            for line in printed.decode("utf-8", "replace").splitlines():
                if line.strip():
                    self._update(going, message=line.strip(), total_bytes=_total(line) or going.state.total_bytes)

        downloads = Path(await asyncio.to_thread(_make_folder, self._uv.home))
        measuring = asyncio.create_task(self._measure(going, downloads))
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await self._uv.install_python(
                    going.state.version,
                    target=installed_by_kumo(self._uv.home),
                    downloads=downloads,
                    on_output=take,
                )
        finally:
            measuring.cancel()
            await asyncio.gather(measuring, return_exceptions=True)
            await asyncio.to_thread(shutil.rmtree, downloads, ignore_errors=True)
        found = await self._interpreters.list(refresh=True)
        same = (one for one in found if f"{one.version}.".startswith(f"{going.state.version}."))
        own = [one for one in same if one.source == "kumo"]
        return f"Python {own[0].version} is installed." if own else f"Python {going.state.version} is installed."

    async def _measure(self, going: _Going, downloads: Path) -> None:
        while True:
            size = await asyncio.to_thread(_size_of, downloads)
            if size > going.state.downloaded_bytes:
                self._update(going, downloaded_bytes=size)
            await asyncio.sleep(_MEASURED_EVERY_SECONDS)


def _make_folder(home: Path) -> str:
    (home / "cache").mkdir(parents=True, exist_ok=True)
    return tempfile.mkdtemp(prefix="python-", dir=home / "cache")


def _size_of(folder: Path) -> int:
    sizes = []
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() else 0)
        except FileNotFoundError:  # renamed meanwhile
            continue
    return sum(sizes)


def _total(line: str) -> int | None:
    found = _SIZE.search(line) if line.startswith("Downloading") else None
    return None if found is None else int(float(found["number"]) * _UNITS.get(found["unit"], 1))
