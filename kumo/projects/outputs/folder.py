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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from kumo.errors import Conflict, InvalidInput, NotFound
from kumo.projects.paths import existing_path, shown

MOST_ENTRIES = 10_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """One name in an output directory."""

    name: str
    type: Literal["file", "directory", "link", "other"]
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The first names of a directory, sorted."""

    entries: list[Output]
    truncated: bool  # there are more than MOST_ENTRIES


def list_outputs(root: Path, raw_path: str) -> Listing:
    """What is in a folder; nothing when no script has made the output directory yet."""
    path = existing_path(raw_path)
    if not path and not root.exists():
        return Listing(entries=[], truncated=False)
    with _open_folder(root, path, path) as folder:
        with os.scandir(folder) as found:
            names = heapq.nsmallest(MOST_ENTRIES + 1, (item.name for item in found))
        entries = [entry for name in names[:MOST_ENTRIES] if (entry := _describe(folder, name)) is not None]
        return Listing(entries=entries, truncated=len(names) > MOST_ENTRIES)


def open_output(root: Path, raw_path: str) -> tuple[io.FileIO, int]:
    """A file to read from, and its size just now; `NotFound` for anything that is no plain file."""
    path = existing_path(raw_path)
    above, _, name = path.rpartition("/")
    with _open_folder(root, above, path) as folder, _missing_is_not_found(path):
        # NONBLOCK: a pipe would hold us until somebody writes into it.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise IsADirectoryError
        return io.FileIO(descriptor), found.st_size


def delete_output(root: Path, raw_path: str) -> None:
    """Delete a file, a link (not what it points to), or a folder with all that is in it."""
    path = existing_path(raw_path)
    above, _, name = path.rpartition("/")
    if not name:
        raise InvalidInput.at("path", "Name the file or folder to delete; the output directory itself stays.")
    with _open_folder(root, above, path) as folder, _missing_is_not_found(path):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


@contextmanager
def _open_folder(root: Path, path: str, asked: str) -> Iterator[int]:
    """The descriptor of a folder below the root, reached without following a link."""
    with _missing_is_not_found(asked):
        descriptor = os.open(root, _FOLDER)
        try:
            for part in path.split("/") if path else ():
                below = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
        except BaseException:
            os.close(descriptor)
            raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _missing_is_not_found(path: str) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise Conflict(f"{shown(path)} may not be touched by Kumo: its owner or its mode forbids it.") from None
    except OSError:
        # Gone meanwhile, a link, a file where a folder was named, a socket: not there, for whoever asks.
        raise _not_there(path) from None


def _not_there(path: str) -> NotFound:
    return NotFound(f"There is no file {shown(path)} in the output directory.")


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
    )


def _type(mode: int) -> Literal["file", "directory", "link", "other"]:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else "other"
