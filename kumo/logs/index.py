"""The sparse index beside a log: now and then where a byte lies, when it was written, how many lines are before it."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kumo.runner.contract import INDEX_ENTRY


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexEntry:
    """At this moment the byte at `offset` was the next to be written, and `lines` lines had ended before it.

    What lies between two entries was written within a second after the earlier one.
    """

    offset: int
    written_at_ms: int  # since the epoch
    lines: int


@dataclass(frozen=True)
class LogIndex:
    """The index of one log; without a file it has no entries. A question costs a binary search in the file."""

    path: Path

    def before(self, offset: int) -> IndexEntry | None:
        """The last entry at or before a byte."""
        with self._opened() as entries:
            number = entries.up_to(offset)
            return entries[number - 1] if number else None

    def between(self, start: int, end: int, *, most: int) -> list[IndexEntry]:
        """The entries from the one that covers `start` to the last at or before `end`, thinned evenly to `most`."""
        with self._opened() as entries:
            first, after = max(0, entries.up_to(start) - 1), entries.up_to(end)
            count = after - first
            if count <= most:
                return [entries[number] for number in range(first, after)]
            return [entries[first + step * count // most] for step in range(most)]

    @contextmanager
    def _opened(self) -> Iterator[_Entries]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield _Entries(-1, 0)
            return
        try:
            yield _Entries(descriptor, os.fstat(descriptor).st_size // INDEX_ENTRY.size)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Entries:
    """The entries of an open file, by number."""

    _descriptor: int
    _count: int

    def __getitem__(self, number: int) -> IndexEntry:
        raw = os.pread(self._descriptor, INDEX_ENTRY.size, number * INDEX_ENTRY.size)
        offset, written_at_ms, lines = INDEX_ENTRY.unpack(raw)
        return IndexEntry(offset=offset, written_at_ms=written_at_ms, lines=lines)

    def up_to(self, offset: int) -> int:
        """How many entries lie at or before a byte."""
        return bisect_right(range(self._count), offset, key=lambda number: self[number].offset)
