"""The process that reads a 7z archive: `python -I -m kumo.projects.archives.seven_zip ARCHIVE`.

It writes the archive's members to its standard output as a tar stream, and what is wrong with it, as a sentence, to its
standard error. A process of its own, since an archive says how much memory it takes to read it, and its library, once
begun, cannot be stopped. Nothing is judged here but what a tar stream cannot say; that is done by whoever reads it.
"""

from __future__ import annotations

import os
import resource
import stat
import sys
import tarfile
from collections.abc import Mapping
from typing import IO, Any

import py7zr
from py7zr.exceptions import ArchiveError
from py7zr.io import Py7zIO, WriterFactory

_MEMORY_BYTES = 1 << 30
_CPU_SECONDS = 900
_LONGEST_HEADER_BYTES = 64 * 1024 * 1024  # of the archive, which is read as a whole
_FAILED = 3
_Header = tarfile.TarInfo


def main(path: str) -> int:
    """Write the tar stream of one archive."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    try:
        _convert(path, sys.stdout.buffer)
    except _Unreadable as error:
        return _fail(str(error))
    except MemoryError:
        return _fail("The archive takes more than 1 GiB of memory to unpack. Pack it with a smaller dictionary.")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads any more; nothing is left to be flushed
        return _FAILED
    except Exception as error:  # noqa: BLE001 - the library raises whatever damaged data make it stumble over
        what = "is compressed in a way that Kumo does not read" if isinstance(error, ArchiveError) else "is damaged"
        return _fail(
            f"The archive {what}, or is cut off. Pack it again, as .zip or .tar.gz if need be, and upload that."
        )
    return 0


class _Unreadable(Exception):
    """The sentence that says why."""


def _fail(sentence: str) -> int:
    sys.stderr.write(sentence)
    return _FAILED


def _convert(path: str, target: IO[bytes]) -> None:
    # As a file, not by its name: the library would read several parts of a named one at the same time.
    with open(path, "rb") as file:  # noqa: PTH123
        try:
            archive = py7zr.SevenZipFile(file)
        except py7zr.PasswordRequired:
            raise _Unreadable(_ENCRYPTED) from None
        with archive:
            if archive.needs_password():
                raise _Unreadable(_ENCRYPTED)
            headers = _headers(archive)
            for header in headers.values():
                if header.isdir():
                    target.write(_to_bytes(header))
            archive.extract(factory=_Stream(target, {name: h for name, h in headers.items() if not h.isdir()}))
    target.write(bytes(2 * tarfile.BLOCKSIZE))
    target.flush()


_ENCRYPTED = "The archive is encrypted. Pack it again without a password."


def _headers(archive: py7zr.SevenZipFile) -> dict[str, _Header]:
    """A tar header for each member, by name."""
    headers: dict[str, _Header] = {}
    for member in archive.files:
        header = tarfile.TarInfo(member.filename)
        header.size = member.uncompressed or 0
        header.mode = (member.posix_mode or 0o644) & 0o777
        header.type = _type(member)
        if header.isdir() or header.issym():
            header.size = 0
        if headers.setdefault(header.name, header) is not header:
            raise _Unreadable(f"“{header.name[:120]}” is in the archive twice. Pack it again with one of them.")
    return headers


def _type(member: Any) -> bytes:
    if member.is_directory:
        return tarfile.DIRTYPE
    if member.is_symlink or member.is_junction:
        return tarfile.SYMTYPE
    mode = stat.S_IFMT(member.st_fmt or 0)
    return tarfile.REGTYPE if mode in {0, stat.S_IFREG} else tarfile.FIFOTYPE


def _to_bytes(header: _Header) -> bytes:
    return header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


class _Stream(WriterFactory):
    """Takes the members as the library unpacks them, in the archive's order."""

    def __init__(self, target: IO[bytes], headers: Mapping[str, _Header]) -> None:
        self._target = target
        self._headers = headers

    def create(self, filename: str) -> Py7zIO:
        header = self._headers.get(filename)
        if header is None:
            raise _Unreadable(f"The name “{filename[:120]}” in the archive cannot be used. Pack it again without it.")
        self._target.write(_to_bytes(header))
        return _Content(self._target, header)


class _Content(Py7zIO):
    """The content of one member, passed on as it comes."""

    def __init__(self, target: IO[bytes], header: _Header) -> None:
        self._target = target
        self._is_kept = header.isreg()  # a link's content is the place that it leads to
        self._left = header.size
        self._written = 0

    def write(self, s: bytes | bytearray) -> int:
        self._written += len(s)
        if self._is_kept:
            if self._written > self._left:
                raise _Unreadable("The archive is damaged: a file in it is larger than it says. Pack it again.")
            self._target.write(s)
        return len(s)

    def close(self) -> None:
        if self._is_kept and self._written == self._left:
            self._target.write(bytes(-self._written % tarfile.BLOCKSIZE))

    def seekable(self) -> bool:
        return False

    def read(self, size: int | None = None) -> bytes:
        raise NotImplementedError

    def seek(self, offset: int, whence: int = 0) -> int:
        raise NotImplementedError

    def flush(self) -> None:
        pass

    def size(self) -> int:
        return self._written


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
