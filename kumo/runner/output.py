"""The pump: from the script's pipe into the log, with the sparse index beside it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time

from kumo.runner.contract import INDEX, INDEX_ENTRY, LOG

_READ_BYTES = 1 << 20
_PIPE_BYTES = 1 << 20
_INDEX_EVERY_BYTES = 256 << 10
_INDEX_EVERY_SECONDS = 1.0


class Output:
    """Where everything that the script prints goes. It never makes the script wait for more than the disk."""

    def __init__(self, directory: str) -> None:
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
        self.written_bytes = 0
        self.dropped_bytes = 0

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
        before = -1
        while self.written_bytes + self.dropped_bytes != before:
            before = self.written_bytes + self.dropped_bytes
            self.pump()

    def write(self, chunk: bytes) -> None:
        """Append to the log. On a full disk the chunk is dropped and counted: the script must go on."""
        now = time.time()
        if self._index_is_due(now):
            self._write_index(now)
        try:
            self._write_all(chunk)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                raise

    def close(self) -> None:
        """Make the log durable and let go of it."""
        if self.written_bytes:
            os.fsync(self._log)
        for descriptor in (self.reader, self.writer, self._log, self._index):
            if descriptor >= 0:
                os.close(descriptor)

    def _write_all(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        try:
            while view:
                count = os.write(self._log, view)
                self.written_bytes += count
                view = view[count:]
        finally:
            self.dropped_bytes += len(view)
            self._lines += chunk.count(b"\n", 0, len(chunk) - len(view))

    def _index_is_due(self, now: float) -> bool:
        return (
            self.written_bytes - self._indexed_bytes >= _INDEX_EVERY_BYTES
            or now - self._indexed_at >= _INDEX_EVERY_SECONDS
        )

    def _write_index(self, now: float) -> None:
        """Note where and when the next byte is written. An entry that the full disk swallowed is only a longer gap."""
        self._indexed_at, self._indexed_bytes = now, self.written_bytes
        try:
            if self._index < 0:
                flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
                self._index = os.open(os.path.join(self._directory, INDEX), flags, 0o600)  # noqa: PTH118
            os.write(self._index, INDEX_ENTRY.pack(self.written_bytes, int(now * 1000), self._lines))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
