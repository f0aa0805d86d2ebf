"""The pump: from the script's pipe into the log, with the sparse index beside it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from kumo.runner.contract import INDEX, INDEX_ENTRY, LOG
from kumo.runner.tail import DISK_ERRORS, Budget, Tail, head_is_full_line, pieces_of_tail

_READ_BYTES = 1 << 20
_PIPE_BYTES = 1 << 20
_INDEX_EVERY_BYTES = 256 << 10
_INDEX_EVERY_SECONDS = 1.0
_NO_LIMIT = 1 << 62


class Output:
    """Where everything that the script prints goes. It never makes the script wait for more than the disk."""

    def __init__(self, directory: str, limit_bytes: int | None = None) -> None:
        self.reader, self.writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.reader, False)
        # Past the user's share of pipe memory it is refused; the usual 64 KiB do as well, only slower.
        with contextlib.suppress(PermissionError):
            fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        self._directory = directory
        self._log = os.open(os.path.join(directory, LOG), flags, 0o600)  # noqa: PTH118
        self._index = -1
        self._indexed_at = 0.0
        self._indexed_bytes = 0
        self._lines = 0
        self._limit_bytes = limit_bytes
        self._budget = Budget.of(_NO_LIMIT if limit_bytes is None else limit_bytes)
        self._head_bytes = self._budget.head_bytes
        self._tail: Tail | None = None  # once the head is full
        self.written_bytes = 0
        self.lost_bytes = 0  # by a full disk
        self.capped_bytes = 0  # left out between head and tail

    def hand_over(self) -> None:
        """Let go of the writing side once the script has it: the pipe ends with the last process of its tree."""
        os.close(self.writer)
        self.writer = -1

    def pump(self) -> bool:
        """Move what is in the pipe now; False at its end, when no process holds the other side any more."""
        try:
            chunk = os.read(self.reader, _READ_BYTES)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        self.write(chunk)
        return True

    def drain(self) -> None:
        """Move what is still in the pipe once nobody writes any more."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.reader, _READ_BYTES):
                self.write(chunk)

    def write(self, chunk: bytes) -> None:
        """Append to the log, or to its tail. On a full disk the chunk is dropped and counted: the script must go on."""
        now = time.time()
        if self._tail is None and self.written_bytes + len(chunk) <= self._head_bytes:
            self._append(chunk, now)
            return
        if self._tail is None:
            chunk = self._fill_head(chunk, now)
            self._tail = Tail(self._directory, self._budget)
        self.lost_bytes += len(chunk) - self._tail.write(chunk, now)

    @property
    def dropped_bytes(self) -> int:
        """Printed, but not in the log."""
        return self.lost_bytes + self.capped_bytes

    def close(self) -> None:
        """Complete the log, make it durable and let go of it."""
        if self._tail is not None:
            self._tail.close()
            for piece in pieces_of_tail(self._directory, self._limit_bytes):
                self.capped_bytes += piece.left_out_bytes
                if piece.milliseconds is not None:
                    self._write_index(piece.milliseconds)
                self._write_all(piece.data)
        if self.written_bytes:
            os.fsync(self._log)
        for descriptor in (self.reader, self.writer, self._log, self._index):
            if descriptor >= 0:
                os.close(descriptor)

    def _fill_head(self, chunk: bytes, now: float) -> bytes:
        """Put what fits into the head, whole lines if possible; answers the rest, which belongs to the tail."""
        room = max(0, self._head_bytes - self.written_bytes)
        cut = chunk.rfind(b"\n", 0, room) + 1 or room
        self._append(chunk[:cut], now)
        line = head_is_full_line(self._budget)
        self._append(line if cut and chunk[cut - 1 : cut] == b"\n" else b"\n" + line, now)
        return chunk[cut:]

    def _append(self, chunk: bytes, now: float) -> None:
        if self._index_is_due(now):
            self._write_index(int(now * 1000))
        self._write_all(chunk)

    def _write_all(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        try:
            while view:
                count = os.write(self._log, view)
                self.written_bytes += count
                view = view[count:]
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
        finally:
            self.lost_bytes += len(view)
            self._lines += chunk.count(b"\n", 0, len(chunk) - len(view))

    def _index_is_due(self, now: float) -> bool:
        return (
            self.written_bytes - self._indexed_bytes >= _INDEX_EVERY_BYTES
            or now - self._indexed_at >= _INDEX_EVERY_SECONDS
        )

    def _write_index(self, milliseconds: int) -> None:
        """Note where and when the next byte is written. An entry that the full disk swallowed is only a longer gap."""
        self._indexed_at, self._indexed_bytes = milliseconds / 1000, self.written_bytes
        try:
            if self._index < 0:
                flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
                self._index = os.open(os.path.join(self._directory, INDEX), flags, 0o600)  # noqa: PTH118
            os.write(self._index, INDEX_ENTRY.pack(self.written_bytes, milliseconds, self._lines))
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
