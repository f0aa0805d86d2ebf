"""Reading a log file: by offset, from its end, by searching. Never the whole of it in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_BLOCK_BYTES = 1 << 18
_LONGEST_LINE_BYTES = 1 << 23  # a longer one is searched in parts of this size, as if they were lines
_LARGEST_LINE_SHOWN_BYTES = 2000


@dataclass(frozen=True, kw_only=True)
class Match:
    """One line that a search found."""

    offset: int  # of the line's first byte
    line: int  # counted from 1
    text: str  # cut after 2,000 bytes


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search found, and where to go on; `next_offset` is None at the end of the log."""

    matches: list[Match]
    next_offset: int | None


@dataclass(frozen=True)
class LogFile:
    """One append-only file, which may not exist yet: then it is empty. All methods block; none takes long."""

    path: Path

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

    def search(self, query: str, *, offset: int, limit: int, most_bytes: int) -> SearchResult:
        """Lines from `offset` on that contain the query, letter case aside, up to `limit` or `most_bytes`.

        Line numbers cost one reading of what lies before `offset`; give back `next_offset` to go on.
        """
        needle = query.casefold()
        matches: list[Match] = []
        line = self._newlines_before(offset) + 1
        position, end = offset, min(self.size, offset + most_bytes)
        while position < end:
            block = self._whole_lines(position)
            if not block:  # the file has become shorter
                break
            for start, text in _lines_with(block, needle):
                matches.append(
                    Match(
                        offset=position + start,
                        line=line + block.count(b"\n", 0, start),
                        text=text[:_LARGEST_LINE_SHOWN_BYTES].decode("utf-8", "replace"),
                    )
                )
                if len(matches) == limit:
                    after = position + min(start + len(text) + 1, len(block))
                    return SearchResult(matches=matches, next_offset=after if after < self.size else None)
            line += block.count(b"\n")
            position += len(block)
        return SearchResult(matches=matches, next_offset=position if position < self.size else None)

    def _whole_lines(self, position: int) -> bytes:
        """A block from `position` that ends with a line's end, or the file's, or after the longest line searched."""
        block = b""
        while len(block) < _LONGEST_LINE_BYTES:
            part = self.read(position + len(block), _BLOCK_BYTES)
            block += part
            if len(part) < _BLOCK_BYTES:
                return block
            if (end := part.rfind(b"\n")) >= 0:
                return block[: len(block) - len(part) + end + 1]
        return block

    def _newlines_before(self, offset: int) -> int:
        count = position = 0
        while position < offset:
            block = self.read(position, min(_BLOCK_BYTES, offset - position))
            if not block:
                break
            count += block.count(b"\n")
            position += len(block)
        return count


def _nth_from_end(block: bytes, count: int) -> int:
    """Where the `count`-th newline from the end lies."""
    position = len(block)
    for _ in range(count):
        position = block.rindex(b"\n", 0, position)
    return position


def _lines_with(block: bytes, needle: str) -> list[tuple[int, bytes]]:
    """Each line of the block that contains the needle, with its offset."""
    # Folding may change the length of what it folds, so positions in the folded text mean nothing in the block.
    folded = block.decode("utf-8", "replace").casefold()
    if needle not in folded:
        return []
    found = []
    start = 0
    for line, folded_line in zip(block.split(b"\n"), folded.split("\n"), strict=True):
        if needle in folded_line:
            found.append((start, line))
        start += len(line) + 1
    return found
