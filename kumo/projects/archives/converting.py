"""Archives that other programs read: a process turns them into a tar stream, which is then read as any tar file."""

from __future__ import annotations

import io
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from kumo.errors import InvalidInput

_MEMORY_BYTES = 1 << 30
_CPU_SECONDS = 900
_SENTENCE_BYTES = 500
NO_RAR = (
    "RAR archives are read where the program bsdtar is installed, and here it is not. Install it (on Debian: "
    "apt-get install libarchive-tools), or pack the project as .zip or .tar.gz and upload that."
)


class Unconvertible(InvalidInput):
    """The archive could not be turned into a tar stream; the message says why."""


def seven_zip(path: Path) -> IO[bytes]:
    """The tar stream of a 7z archive."""
    return _stream([sys.executable, "-I", "-m", "kumo.projects.archives.seven_zip", str(path)])


def rar(path: Path) -> IO[bytes]:
    """The tar stream of a RAR archive; `Unconvertible` where no program is there that reads it."""
    program = shutil.which("bsdtar")
    if program is None:
        raise Unconvertible(NO_RAR)
    return _stream([program, "--format=pax", "-cf", "-", f"@{path.absolute()}"])


def _stream(command: Sequence[str]) -> IO[bytes]:
    return io.BufferedReader(_Converted(command), 1024 * 1024)


class _Converted(io.RawIOBase):
    """What a process writes; when it has failed, the end of it is an error with its last words."""

    def __init__(self, command: Sequence[str]) -> None:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
        with suppress(ProcessLookupError):
            resource.prlimit(self._process.pid, resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
            resource.prlimit(self._process.pid, resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        assert self._process.stdout is not None
        view = memoryview(buffer).cast("B")
        data = os.read(self._process.stdout.fileno(), len(view))
        view[: len(data)] = data
        if not data:
            self._check()
        return len(data)

    def _check(self) -> None:
        assert self._process.stderr is not None
        words = self._process.stderr.read(_SENTENCE_BYTES).decode("utf-8", "replace").strip()
        if code := self._process.wait():
            told = words if "\n" not in words and words.endswith(".") else ""
            if -code in (signal.SIGXCPU, signal.SIGKILL):
                told = "The archive takes too long to unpack. Pack it again as .zip or .tar.gz and upload that."
            raise Unconvertible(
                told or "The archive is damaged, encrypted or cut off. Pack it again, as .zip or .tar.gz if need be."
            )

    def close(self) -> None:
        if not self.closed:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdout, self._process.stderr):
                assert pipe is not None
                pipe.close()
        super().close()
