"""The directories of builds: made aside, marked as complete, renamed into place, never changed again.

    <home>/builds/.tmp-…        being made; swept away at the next start
    <home>/builds/<lock hash>   ready: an environment with `build.json` in it

Files that know the path of their environment cannot be renamed. Such an environment is made where it stays:

    <home>/builds/.at-…         being made or ready; swept away at the next start when no link leads to it
    <home>/builds/<lock hash>   ready: a link to it, which is made last

Whatever moment the power or the process goes, what has a lock's name is complete.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

_MARKER = "build.json"
_UNFINISHED = ".tmp-"
_UNWANTED = ".gone-"
_PLACE = ".at-"


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
    place: str = ""  # the path that its files know, where they cannot be moved
    variables: dict[str, str] = field(default_factory=dict)  # what runs in it find in their environment


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
        """The complete build of a lock; None when there is none, its interpreter has gone, or it was moved in vain."""
        folder = self.directory(lock_hash)
        try:
            stored = json.loads((folder / _MARKER).read_bytes())
        except FileNotFoundError:
            return None
        # `exists` follows the link: an interpreter that was removed leaves a link to nothing.
        if not (folder / "bin" / "python").exists() or not Path(stored.get("interpreter_path") or "/").exists():
            return None
        if (place := stored.get("place")) and self._place_of(folder) != Path(place):
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

    def reserve(self) -> Path:
        """A directory to make an environment in that cannot be moved; it is short, as its files will name it."""
        self._root.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=_PLACE, dir=self._root))
        place.chmod(0o755)
        return place

    def give_back(self, place: Path, lock_hash: str) -> None:
        """Remove a place that `reserve` gave, unless it was published."""
        if self._place_of(self.directory(lock_hash)) != place:
            shutil.rmtree(place, ignore_errors=True)

    def publish(self, made: Path, ready: ReadyBuild) -> None:
        """Mark an environment as complete and give it its name; an equal one that is there stays.

        1. The marker reaches the disk. 2. What has the name and is not usable is put aside. 3. Renamed, or linked
        to, which happens at once.
        """
        _write_durably(made / _MARKER, json.dumps(asdict(ready), indent=1).encode())
        target = self.directory(ready.lock_hash)
        if os.path.lexists(target):
            if self.find(ready.lock_hash) is not None:
                return
            self.abandon(self.put_aside(ready.lock_hash))
        if made.name.startswith(_PLACE):
            target.symlink_to(made.name)
        else:
            made.rename(target)
        _sync_directory(self._root)

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
        complete = [entry for entry in self._root.iterdir() if not entry.name.startswith(".")]
        return [entry.name for entry in complete if _made_at(entry) < moment]

    def abandon(self, folder: Path) -> None:
        """Remove a directory that `begin` or `put_aside` gave, finished or not."""
        if (place := self._place_of(folder / "venv")) is not None:
            shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> int:
        """Remove what a killed server left unfinished, and say how many directories that were.

        Tools that it had started may still be at work there; they are ended first, or they would write into what is
        being removed, and take the time of the next build.
        """
        end_processes_below(self._root / _UNFINISHED)
        with suppress(FileNotFoundError):
            entries = list(self._root.iterdir())
            linked = {self._place_of(entry) for entry in entries}
            left = [one for one in entries if one.name.startswith(".") and one not in linked]
            for entry in left:
                shutil.rmtree(entry, ignore_errors=True)
            return len(left)
        return 0

    def _place_of(self, entry: Path) -> Path | None:
        """Where a link to a place leads; None when it is none."""
        try:
            target = entry.readlink()
        except OSError:
            return None
        return self._root / target if target.parts == (target.name,) and target.name.startswith(_PLACE) else None


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
