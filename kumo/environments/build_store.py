"""The directories of builds: made aside, marked as complete, renamed into place, never changed again.

    <home>/builds/.tmp-…        being made; swept away at the next start
    <home>/builds/<lock hash>   ready: a virtual environment with `build.json` in it

Whatever moment the power or the process goes, a directory with a lock's name is a complete one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shlex
import shutil
import signal
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_MARKER = "build.json"
_UNFINISHED = ".tmp-"
_UNWANTED = ".gone-"


@dataclass(frozen=True, kw_only=True)
class Package:
    """One package in a build, at its exact version."""

    name: str
    version: str
    size_bytes: int = 0
    requires: tuple[str, ...] = ()  # names of others in the build that it needs
    is_direct: bool = False  # asked for by name, not only needed by others


@dataclass(frozen=True, kw_only=True)
class ReadyBuild:
    """What the marker of a complete directory says."""

    lock_hash: str
    python_version: str
    packages: tuple[Package, ...]
    created: str
    interpreter_path: str = ""


def lock_hash_of(lock: str, *, python_version: str, implementation: str, platform: str) -> str:
    """The name of what follows from a lock on one interpreter: equal ones are the same directory."""
    parts = f"{lock}\0{python_version}\0{implementation}\0{platform}"
    return hashlib.sha256(parts.encode()).hexdigest()


class BuildStore:
    """The builds of this machine. All methods but `has` block."""

    def __init__(self, home: Path) -> None:
        self._root = home / "builds"

    def directory(self, lock_hash: str) -> Path:
        """Where the build of a lock lies, or would."""
        return self._root / lock_hash

    def find(self, lock_hash: str) -> ReadyBuild | None:
        """The complete build of a lock; None when there is none, or when its interpreter has gone."""
        folder = self.directory(lock_hash)
        try:
            stored = json.loads((folder / _MARKER).read_bytes())
        except FileNotFoundError:
            return None
        # `exists` follows the link: an interpreter that was removed leaves a link to nothing.
        if not (folder / "bin" / "python").exists() or not Path(stored.get("interpreter_path") or "/").exists():
            return None
        packages = tuple(Package(**(one | {"requires": tuple(one.get("requires", ()))})) for one in stored["packages"])
        return ReadyBuild(**(stored | {"packages": packages}))

    async def has(self, lock_hash: str) -> bool:
        """Whether the complete build of a lock is there."""
        return await asyncio.to_thread(self.find, lock_hash) is not None

    def begin(self) -> Path:
        """A directory to make a build in; the environment itself goes into its `venv`."""
        self._root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._root))

    def publish(self, folder: Path, ready: ReadyBuild) -> None:
        """Mark the environment in `folder` as complete and give it its name; an equal one that is there stays.

        1. The marker reaches the disk. 2. What has the name and is not usable is put aside. 3. Renamed into place.
        """
        _write_durably(folder / "venv" / _MARKER, json.dumps(asdict(ready), indent=1).encode())
        target = self.directory(ready.lock_hash)
        if target.exists():
            if self.find(ready.lock_hash) is not None:
                return
            self.abandon(self.put_aside(ready.lock_hash))
        (folder / "venv").rename(target)
        _sync_directory(self._root)

    def publish_alias(self, ready: ReadyBuild) -> None:
        """Publish a build that is another Python as it is: a directory with nothing but a `python` that starts it."""
        folder = self.begin()
        try:
            programs = folder / "venv" / "bin"
            programs.mkdir(parents=True)
            # Not a link: Python would look for its library beside it.
            starter = f'#!/bin/sh\nexec {shlex.quote(ready.interpreter_path)} "$@"\n'
            for name in ("python", "python3"):
                (programs / name).write_text(starter, "utf-8")
                (programs / name).chmod(0o755)
            self.publish(folder, ready)
        finally:
            self.abandon(folder)

    def put_aside(self, lock_hash: str) -> Path:
        """Take its name from a build, all at once; what is answered is for `abandon`, or for the next start."""
        unwanted = Path(tempfile.mkdtemp(prefix=_UNWANTED, dir=self._root))
        try:
            self.directory(lock_hash).rename(unwanted / "venv")
        except FileNotFoundError:
            self.abandon(unwanted)
            raise
        return unwanted

    def made_before(self, moment: float) -> list[str]:
        """The locks of all directories that were complete before a moment, or never became so."""
        if not self._root.exists():
            return []
        complete = [entry for entry in self._root.iterdir() if not entry.name.startswith((_UNFINISHED, _UNWANTED))]
        return [entry.name for entry in complete if _made_at(entry) < moment]

    def abandon(self, folder: Path) -> None:
        """Remove a directory that `begin` or `put_aside` gave, finished or not."""
        shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> int:
        """Remove what a killed server left unfinished, and say how many directories that were.

        Tools that it had started may still be at work there; they are ended first, or they would write into what is
        being removed, and take the time of the next build.
        """
        end_processes_below(self._root / _UNFINISHED)
        with suppress(FileNotFoundError):
            left = [entry for entry in self._root.iterdir() if entry.name.startswith((_UNFINISHED, _UNWANTED))]
            for entry in left:
                shutil.rmtree(entry, ignore_errors=True)
            return len(left)
        return 0


def _made_at(folder: Path) -> float:
    for path in (folder / _MARKER, folder):
        with suppress(FileNotFoundError):
            return path.stat().st_mtime
    return float("inf")  # gone meanwhile


def end_processes_below(prefix: Path) -> None:
    """Kill the processes that work in a directory whose path begins so, with all that is in their sessions."""
    own = os.getsid(0)
    while sessions := {_session(pid) for pid in _processes() if _works_below(pid, prefix)} - {None, own}:
        for pid in _processes():
            if _session(pid) in sessions:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _works_below(pid: int, prefix: Path) -> bool:
    # A process that has ended, or is another account's, has no such link to read.
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink()).startswith(str(prefix))
    except OSError:
        return False


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
