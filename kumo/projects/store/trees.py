"""A directory of a snapshot, as the text that is stored and hashed. Pure.

The first line says how much is in it: bytes, files. Then one line for each name, sorted: kind (`f` file, `x` executable
file, `d` directory), SHA-256, bytes, files, name. A directory's line names the text of that directory, so that saving
one file writes the directories above it only. Equal trees have equal texts, hence one hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

DIRECTORY = "d"
FILE = "f"
EXECUTABLE = "x"
EMPTY = b"0 0\n"  # a directory without entries


class Entry(NamedTuple):
    """One name in a directory; a tuple because a large project has ten thousand of them, read at each change."""

    kind: str
    digest: str
    size_bytes: int  # of a directory: everything below it
    file_count: int  # 1 for a file
    name: str

    @property
    def is_directory(self) -> bool:
        """Whether it has entries of its own."""
        return self.kind == DIRECTORY


class PathEntry(NamedTuple):
    """One file or directory of a whole tree."""

    path: str
    entry: Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A whole state of a project: the hash that names it, and how much it is."""

    tree_hash: str
    file_count: int
    size_bytes: int


def encode(entries: Iterable[Entry]) -> bytes:
    """The text of a directory."""
    lines = sorted((entry.name, entry) for entry in entries)
    size = sum(entry.size_bytes for _, entry in lines)
    count = sum(entry.file_count for _, entry in lines)
    return _header(size, count) + b"".join(_line(entry) for _, entry in lines)


def decode(text: bytes) -> dict[str, Entry]:
    """Read what `encode` gave: the entries by name."""
    # Not splitlines: that would also divide at characters which a name may hold.
    entries = map(_entry, text.decode().split("\n")[1:-1])
    return {entry.name: entry for entry in entries}


def find(text: bytes, name: str) -> Entry | None:
    """One entry of a directory's text, without reading the others: of a large directory that is most of the work."""
    place = _place(text, name)
    return None if place is None else _entry(text[place].decode())


def replaced(text: bytes, old: Entry, new: Entry | None) -> bytes:
    """The text with an entry that is in it replaced by one of the same name, or removed."""
    place = _place(text, old.name)
    assert place is not None, "the entry is in the text"
    size, count = totals(text)
    size += (new.size_bytes if new else 0) - old.size_bytes
    count += (new.file_count if new else 0) - old.file_count
    start = text.index(b"\n") + 1
    return _header(size, count) + text[start : place.start] + (_line(new) if new else b"") + text[place.stop + 1 :]


def totals(text: bytes) -> tuple[int, int]:
    """How much is in a directory: bytes and files."""
    size, count = text[: text.index(b"\n")].split(b" ")
    return int(size), int(count)


def directory_entry(name: str, digest: str, text: bytes) -> Entry:
    """The entry by which a directory stands in the one above it."""
    return Entry(DIRECTORY, digest, *totals(text), name)


def _header(size: int, count: int) -> bytes:
    return b"%d %d\n" % (size, count)


def _line(entry: Entry) -> bytes:
    return f"{entry.kind} {entry.digest} {entry.size_bytes} {entry.file_count} {entry.name}\n".encode()


def _entry(line: str) -> Entry:
    kind, digest, size, count, name = line.split(" ", 4)
    return Entry(kind, digest, int(size), int(count), name)


def _place(text: bytes, name: str) -> slice | None:
    """Where the line of a name is, without its end."""
    ending = f" {name}\n".encode()
    at = text.find(ending)
    while at != -1:
        start, stop = text.rfind(b"\n", 0, at) + 1, at + len(ending) - 1
        # Another name may end alike, as “my main.py”; and so may the first line, which has fewer parts.
        if text[start:stop].split(b" ", 4)[4:] == [ending[1:-1]]:
            return slice(start, stop)
        at = text.find(ending, at + 1)
    return None
