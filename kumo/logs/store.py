"""Reading a log file: by offset, from its end, by lines. Never the whole of it in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kumo.logs.index import LogIndex

_BLOCK_BYTES = 1 << 18


@dataclass(frozen=True)
class LogFile:
    """One append-only file, which may not exist yet: then it is empty. All methods block; none takes long."""

    path: Path

    @property
    def index(self) -> LogIndex:
        """What is known of when its bytes were written; a build's log has none."""
        return LogIndex(self.path.with_name(self.path.name + ".index"))

    @property
    def size(self) -> int:
        """Bytes written so far."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def read(self, offset: int, limit: int) -> bytes:
        """At most `limit` bytes from `offset`; empty past the end."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        try:
            # Past the end the system may refuse a number that it cannot count to, rather than answer nothing.
            return os.pread(descriptor, limit, offset) if offset < os.fstat(descriptor).st_size else b""
        finally:
            os.close(descriptor)

    def tail_offset(self, lines: int, most_bytes: int) -> int:
        """Where the last `lines` lines begin, or the last `most_bytes` bytes where that is less.

        Reads from the end backwards, so its cost is that of what it answers, whatever the log's size.
        """
        size = self.size
        earliest = max(0, size - most_bytes)
        position, wanted = size, lines + 1
        # A newline at the very end closes the last line; it begins none.
        if size and self.read(size - 1, 1) != b"\n":
            wanted -= 1
        while position > earliest:
            start = max(earliest, position - _BLOCK_BYTES)
            block = self.read(start, position - start)
            count = block.count(b"\n")
            if count >= wanted:
                return start + _nth_from_end(block, wanted) + 1
            wanted -= count
            position = start
        return earliest

    def line_start(self, offset: int) -> int:
        """Where the line begins that a byte belongs to."""
        position = min(offset, self.size)
        while position > 0:
            start = max(0, position - _BLOCK_BYTES)
            newline = self.read(start, position - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            position = start
        return 0

    def count_lines(self, start: int, end: int) -> int:
        """How many lines end in a range of bytes."""
        count = 0
        while start < end and (block := self.read(start, min(_BLOCK_BYTES, end - start))):
            count += block.count(b"\n")
            start += len(block)
        return count

    def lines_before(self, offset: int) -> int:
        """How many lines end before a byte: looked up in the index, and counted on from there."""
        entry = self.index.before(offset)
        if entry is None:
            return self.count_lines(0, offset)
        return entry.lines + self.count_lines(entry.offset, offset)


def _nth_from_end(block: bytes, count: int) -> int:
    """Where the `count`-th newline from the end lies."""
    position = len(block)
    for _ in range(count):
        position = block.rindex(b"\n", 0, position)
    return position
