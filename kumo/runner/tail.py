"""The newest part of an output that is larger than its log may be, kept aside until the script has ended.

    log.tail.<first byte>.<time>    a part of the output; the oldest is removed when there are too many

All that is to be known of the parts stands in their names, so that they can be appended to the log also after the
runner was killed. `first byte` counts from the end of the log's head, `time` is in milliseconds since the epoch.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

from kumo.runner.contract import LOG
from kumo.runner.limits import human_size

_PREFIX = f"{LOG}.tail."
_MOST_PARTS = 8
_SMALL_PART_BYTES = 1 << 20
_COPY_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 1 << 16
_RESERVE_BYTES = 512  # for what Kumo itself writes between head and tail
_SMALLEST_LIMIT_BYTES = 4096

_FALLOC_KEEP_SIZE, _FALLOC_PUNCH_HOLE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)

# What a full or failing disk answers: no reason to end a script.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@dataclass(frozen=True, slots=True)
class Budget:
    """How a log's limit is divided."""

    head_bytes: int
    tail_bytes: int

    @classmethod
    def of(cls, limit_bytes: int) -> Budget:
        """Half each."""
        free = max(limit_bytes, _SMALLEST_LIMIT_BYTES) - _RESERVE_BYTES
        return cls(head_bytes=free - free // 2, tail_bytes=free // 2)

    @property
    def part_bytes(self) -> int:
        """The size of one part: an eighth of the tail is forgotten at a time, but files of a few bytes are a waste."""
        return max(self.tail_bytes // _MOST_PARTS, min(self.tail_bytes // 2, _SMALL_PART_BYTES))


class Tail:
    """Takes what comes after the head, and keeps the newest of it."""

    def __init__(self, directory: str, budget: Budget) -> None:
        self._directory = directory
        self._budget = budget
        self._parts: list[_Part] = []
        self._kept_bytes = 0  # in files
        self._taken_bytes = 0  # kept or forgotten
        self._part_size = 0
        self._descriptor = -1

    def write(self, chunk: bytes, now: float) -> int:
        """Take a chunk, and say how much of it: all, unless the disk is full."""
        before = self._taken_bytes
        rest = memoryview(chunk)
        try:
            if len(rest) >= self._budget.tail_bytes:
                self._forget_all()
                self._taken_bytes += len(rest) - self._budget.tail_bytes
                rest = rest[-self._budget.tail_bytes :]
            while rest:
                rest = rest[self._write_some(rest, now) :]
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
        return self._taken_bytes - before

    def close(self) -> None:
        """Let go of the files; they stay."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write_some(self, rest: memoryview, now: float) -> int:
        if self._descriptor < 0 or self._part_size == self._budget.part_bytes:
            self.close()
            part = _Part(self._taken_bytes, int(now * 1000))
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            self._descriptor = os.open(part.path(self._directory), flags, 0o600)
            self._parts.append(part)
            self._part_size = 0
        some = rest[: self._budget.part_bytes - self._part_size]
        while self._kept_bytes + len(some) > self._budget.tail_bytes:
            oldest = self._parts.pop(0)
            self._kept_bytes -= self._parts[0].first_byte - oldest.first_byte
            os.unlink(oldest.path(self._directory))  # noqa: PTH108 - pathlib is slow to load
        count = os.write(self._descriptor, some)
        self._kept_bytes += count
        self._taken_bytes += count
        self._part_size += count
        return count

    def _forget_all(self) -> None:
        self.close()
        self._kept_bytes = 0
        while self._parts:
            os.unlink(self._parts.pop().path(self._directory))  # noqa: PTH108


@dataclass(frozen=True, slots=True)
class Piece:
    """What comes next in the log."""

    data: bytes
    milliseconds: int | None  # when it was printed, at the beginning of a part
    left_out_bytes: int = 0  # before it


def pieces_of_tail(directory: str, limit_bytes: int | None) -> Iterator[Piece]:
    """What completes a log whose head is full: a line on what was left out, and the tail.

    Each part is removed as it is read: a crash in the middle loses what was just being moved, and nothing twice.
    """
    parts = sorted(
        (_Part.from_name(name) for name in os.listdir(directory) if name.startswith(_PREFIX)),  # noqa: PTH208
        key=lambda part: part.first_byte,
    )
    for number, part in enumerate(parts):
        path = part.path(directory)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            position = _first_data(descriptor)
            if number == 0 and part.first_byte:
                # From the beginning of a line, where there is one not too far off.
                start = os.pread(descriptor, _LONGEST_LINE_BYTES, position)
                skipped = start.find(b"\n") + 1
                position += skipped if skipped < len(start) else 0
                left_out = part.first_byte + position
                yield Piece(left_out_line(left_out, limit_bytes), part.milliseconds, left_out)
            milliseconds: int | None = part.milliseconds
            while data := os.pread(descriptor, _COPY_BYTES, position):
                # Given back before it is written elsewhere: on a full disk there is no other room for it.
                _punch_hole(descriptor, position, len(data))
                position += len(data)
                yield Piece(data, milliseconds)
                milliseconds = None
        finally:
            os.close(descriptor)
        os.unlink(path)  # noqa: PTH108


def _punch_hole(descriptor: int, position: int, length: int) -> None:
    """Give the room of these bytes back, where the file system can do that."""
    _libc.fallocate(
        descriptor, _FALLOC_KEEP_SIZE | _FALLOC_PUNCH_HOLE, ctypes.c_int64(position), ctypes.c_int64(length)
    )


def _first_data(descriptor: int) -> int:
    """Where a part begins of which the first bytes were given back by a runner that was then killed."""
    try:
        return os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError:  # empty, or given back entirely
        return os.fstat(descriptor).st_size


def head_is_full_line(budget: Budget) -> bytes:
    """Tells who follows the log why nothing more comes for now."""
    newest = human_size(budget.tail_bytes)
    return f"[kumo] Half of this log is full. The newest {newest} of what comes now follow at the end.\n".encode()


def left_out_line(left_out_bytes: int, limit_bytes: int | None) -> bytes:
    """Stands in the log where something is missing."""
    limit = "" if limit_bytes is None else f"; the limit of this task's log is {human_size(limit_bytes)}"
    return f"[kumo] {human_size(left_out_bytes)} of output were left out here{limit}.\n".encode()


@dataclass(frozen=True, slots=True)
class _Part:
    first_byte: int
    milliseconds: int

    def path(self, directory: str) -> str:
        return os.path.join(directory, f"{_PREFIX}{self.first_byte}.{self.milliseconds}")  # noqa: PTH118

    @classmethod
    def from_name(cls, name: str) -> _Part:
        first_byte, milliseconds = name.removeprefix(_PREFIX).split(".")
        return cls(int(first_byte), int(milliseconds))
