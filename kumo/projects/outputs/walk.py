"""All files below an output directory, in bounded time: what changed, what it adds up to, what goes into an archive."""

from __future__ import annotations

import heapq
import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from kumo.errors import Conflict, NotFound
from kumo.projects.outputs.place import OutputPlace, open_folder
from kumo.projects.paths import DEEPEST, LONGEST_PATH_BYTES, existing_path


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenFile:
    """A plain file as it was found."""

    path: str  # below the place
    size_bytes: int
    mtime_ns: int
    ctime_ns: int  # when it, or its name, was changed last: no program can set it


class Walk:
    """Goes through all plain files below a folder; links are not followed, other things left out.

    Folders that were changed last come first: when the bounds end the walk early, what is new has most likely been
    seen. `complete` says afterwards whether everything was.
    """

    def __init__(self, place: OutputPlace, start: str = "", *, most_entries: int, most_seconds: float) -> None:
        self._place = place
        self._start = start
        self._left = most_entries
        self._until = monotonic() + most_seconds
        self.complete = True

    def __iter__(self) -> Iterator[SeenFile]:
        """Walk once; a folder that is gone or closed meanwhile counts as empty."""
        folders = [(0, self._start)]
        while folders:
            _newest, folder = heapq.heappop(folders)
            try:
                yield from self._folder(folder, folders)
            except NotFound:
                continue
            except Conflict:
                self.complete = False
            if self._is_used_up():
                self.complete = self.complete and not folders and self._left >= 0
                return

    def _folder(self, folder: str, folders: list[tuple[int, str]]) -> Iterator[SeenFile]:
        with open_folder(self._place, folder, folder) as descriptor, os.scandir(descriptor) as entries:
            for entry in entries:
                self._left -= 1
                if self._is_used_up():
                    self._left = -1
                    return
                path = f"{folder}/{entry.name}" if folder else entry.name
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:  # gone meanwhile
                    continue
                if not _can_be_named(path):
                    self.complete = False
                elif stat.S_ISDIR(found.st_mode):
                    heapq.heappush(folders, (-found.st_mtime_ns, path))
                elif stat.S_ISREG(found.st_mode):
                    yield SeenFile(
                        path=path,
                        size_bytes=found.st_size,
                        mtime_ns=found.st_mtime_ns,
                        ctime_ns=found.st_ctime_ns,
                    )

    def _is_used_up(self) -> bool:
        return self._left < 0 or monotonic() > self._until


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What was changed lately in an output directory."""

    changed: list[SeenFile]
    complete: bool


def scan(place: OutputPlace, *, changed_since_ns: int, most_entries: int, most_seconds: float) -> Scan:
    """The files that were changed, or got their names, at or after a moment."""
    walk = Walk(place, most_entries=most_entries, most_seconds=most_seconds)
    return Scan(changed=[file for file in walk if file.ctime_ns >= changed_since_ns], complete=walk.complete)


@dataclass(frozen=True, kw_only=True)
class FolderSize:
    """What one folder holds, with all below it."""

    file_count: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a folder holds, and what each of the folders in it does."""

    total: FolderSize
    folders: dict[str, FolderSize]
    complete: bool


def measure(place: OutputPlace, raw_path: str, *, most_entries: int, most_seconds: float) -> Sizes:
    """Add up the files of a folder that is there; at least so much is in it when the answer is not complete."""
    path = existing_path(raw_path)
    if path:
        with open_folder(place, path, path):
            pass
    walk = Walk(place, path, most_entries=most_entries, most_seconds=most_seconds)
    below = len(path) + 1 if path else 0
    counts: defaultdict[str, int] = defaultdict(int)
    sizes: defaultdict[str, int] = defaultdict(int)
    for file in walk:
        child, slash, _rest = file.path[below:].partition("/")
        counts[child if slash else ""] += 1
        sizes[child if slash else ""] += file.size_bytes
    return Sizes(
        total=FolderSize(file_count=sum(counts.values()), size_bytes=sum(sizes.values())),
        folders={name: FolderSize(file_count=counts[name], size_bytes=sizes[name]) for name in sorted(counts) if name},
        complete=walk.complete,
    )


def _can_be_named(path: str) -> bool:
    """Whether the file can be asked for, and written into the database: names in no encoding cannot."""
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return False
    return len(encoded) <= LONGEST_PATH_BYTES and path.count("/") < DEEPEST
