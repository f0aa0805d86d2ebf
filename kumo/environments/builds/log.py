"""What a build prints, as a file: appended line by line, followed while it grows.

Its first line says how the build stands, and at the end how it went. That line has a fixed length and is written over
in place, so that no other byte of the log ever moves: a reader who resumes at an offset loses and doubles nothing.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType
from typing import Self

_HEADLINE_BYTES = 480
# Addresses of package indexes may carry a password.
_USER_IN_ADDRESS = re.compile(rb"(?<=://)[^/@\s]+@")


def build_log_path(home: Path, build_id: int) -> Path:
    """Where the log of one build lies."""
    return home / "build-logs" / f"{build_id}.log"


class BuildLog:
    """The log of the build that is being carried out; a build that is carried out again starts it anew."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._end = 0
        self._end = self._write_at(_headline("Building."), 0)

    def __enter__(self) -> Self:
        """The log, open for writing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; it stays."""
        os.close(self._descriptor)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._end

    def line(self, text: str) -> None:
        """Append one line of Kumo's own."""
        self.raw(text.encode() + b"\n")

    def raw(self, data: bytes) -> None:
        """Append whole lines as a tool printed them, passwords in addresses blotted out."""
        self._end += self._write_at(_USER_IN_ADDRESS.sub(b"***@", data), self._end)

    def conclude(self, sentence: str) -> None:
        """Say how the build went: on the first line, which a full disk has room for, then for those who follow."""
        self._write_at(_headline(sentence), 0)
        self.line(sentence)

    def _write_at(self, data: bytes, offset: int) -> int:
        written = 0
        while written < len(data):
            written += os.pwrite(self._descriptor, data[written:], offset + written)
        return written


def _headline(sentence: str) -> bytes:
    room = _HEADLINE_BYTES - 1
    text = sentence.encode()[:room].decode("utf-8", "ignore").encode()
    return text.ljust(room) + b"\n"
