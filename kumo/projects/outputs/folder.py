"""The files that scripts leave in a project's output directory: list, read, delete.

Whatever is there was made by scripts, also links and pipes, and may change while it is looked at. Hence nothing is
opened by its whole path: each folder is opened below the one before, and a link on the way is not followed.
"""

from __future__ import annotations

import heapq
import io
import os
import shutil
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from kumo.errors import InvalidInput
from kumo.projects.outputs.place import OutputPlace, missing_is_not_found, open_folder
from kumo.projects.paths import existing_path

MOST_ENTRIES = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """One name in an output directory."""

    name: str
    type: Literal["file", "directory", "link", "other"]
    size_bytes: int
    modified_at: datetime
    mtime_ns: int


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The first names of a directory, sorted."""

    entries: list[Output]
    truncated: bool  # there are more than MOST_ENTRIES


def list_outputs(place: OutputPlace, raw_path: str) -> Listing:
    """What is in a folder; nothing when no script has made the output directory yet."""
    path = existing_path(raw_path)
    if not path and not place.path.exists():
        return Listing(entries=[], truncated=False)
    with open_folder(place, path, path) as folder:
        with os.scandir(folder) as found:
            names = heapq.nsmallest(MOST_ENTRIES + 1, (item.name for item in found))
        entries = [entry for name in names[:MOST_ENTRIES] if (entry := _describe(folder, name)) is not None]
        return Listing(entries=entries, truncated=len(names) > MOST_ENTRIES)


def open_output(place: OutputPlace, raw_path: str) -> tuple[io.FileIO, int]:
    """A file to read from, and its size just now; `NotFound` for anything that is no plain file."""
    path = existing_path(raw_path)
    above, _, name = path.rpartition("/")
    with open_folder(place, above, path) as folder, missing_is_not_found(path):
        # NONBLOCK: a pipe would hold us until somebody writes into it.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise IsADirectoryError
        return io.FileIO(descriptor), found.st_size


def delete_output(place: OutputPlace, raw_path: str) -> None:
    """Delete a file, a link (not what it points to), or a folder with all that is in it."""
    path = existing_path(raw_path)
    above, _, name = path.rpartition("/")
    if not name:
        raise InvalidInput.at("path", "Name the file or folder to delete; the output directory itself stays.")
    with open_folder(place, above, path) as folder, missing_is_not_found(path):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


def _describe(folder: int, name: str) -> Output | None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return Output(
        # A name that is not UTF-8 is shown with marks in it; such a file cannot be asked for.
        name=name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
        type=_type(found.st_mode),
        size_bytes=found.st_size,
        modified_at=datetime.fromtimestamp(found.st_mtime, UTC),
        mtime_ns=found.st_mtime_ns,
    )


def _type(mode: int) -> Literal["file", "directory", "link", "other"]:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else "other"
