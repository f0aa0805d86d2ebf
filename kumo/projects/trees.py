"""A directory of a snapshot, as the text that is stored and hashed. Pure.

One line for each name, sorted: kind (`f` file, `x` executable file, `d` directory), SHA-256, bytes, files, name. A
directory's line names the text of that directory, so that saving one file writes the directories above it only. Equal
trees have equal texts, hence one hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

DIRECTORY = "d"
FILE = "f"
EXECUTABLE = "x"


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
    return "".join(f"{e.kind} {e.digest} {e.size_bytes} {e.file_count} {e.name}\n" for _, e in lines).encode()


def decode(text: bytes) -> dict[str, Entry]:
    """Read what `encode` gave: the entries by name."""
    entries = {}
    # Not splitlines: that would also divide at characters which a name may hold.
    for line in text.decode().split("\n")[:-1]:
        kind, digest, size, count, name = line.split(" ", 4)
        entries[name] = Entry(kind, digest, int(size), int(count), name)
    return entries


def directory_entry(name: str, digest: str, entries: Iterable[Entry]) -> Entry:
    """The line by which a directory stands in the one above it."""
    size = count = 0
    for entry in entries:
        size += entry.size_bytes
        count += entry.file_count
    return Entry(DIRECTORY, digest, size, count, name)
