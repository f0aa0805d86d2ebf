"""Reading archives member by member, in bounded memory; what to make of the members is decided elsewhere.

The standard library reads zip and tar, but trusts what they say of themselves: a header may claim to be gigabytes
long, a list of files may have millions of lines. Hence each is read through a file object that gives only so much.
What other programs unpack comes as a tar stream, so that it goes through the same hands.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Literal, cast

from kumo.errors import InvalidInput, TooLarge
from kumo.projects.archives import converting
from kumo.projects.paths import shown

CHUNK_BYTES = 1024 * 1024
# One member's own headers, with extended names and attributes; the library also recurses once for each.
_HEADER_BYTES = 64 * 1024
_XZ_MEMORY_BYTES = 128 * 1024 * 1024  # `xz -9` needs 65 MiB to unpack
_ZIP_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}
_ZIP_ENCRYPTED = 0x1
_ZIP_UTF8 = 0x800

Kind = Literal["file", "directory", "link", "special"]


class BadArchive(InvalidInput):
    """The archive cannot be used as it is."""

    @classmethod
    def because(cls, message: str) -> BadArchive:
        """The sentence for the person, blamed on the file that was sent."""
        error = cls.at("file", message)
        assert isinstance(error, BadArchive)
        return error


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One entry of an archive, as the archive describes it: nothing of it is true yet."""

    name: str
    kind: Kind
    executable: bool
    size_bytes: int
    open: Callable[[], IO[bytes]]  # its content; only until the next member is asked for


@contextmanager
def damage_is_bad_archive(what: str) -> Iterator[None]:
    """Turn whatever the libraries raise on damaged data into one sentence; failures of the disk pass."""
    try:
        yield
    except converting.Unconvertible as error:
        raise BadArchive.because(error.message) from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error) as error:
        raise _damaged(what) from error
    except (EOFError, ValueError, LookupError, NotImplementedError, OverflowError) as error:
        raise _damaged(what) from error
    except OSError as error:
        # gzip and bz2 say so of bad data, without a number; an impossible place to read from is EINVAL.
        if error.errno not in {None, errno.EINVAL}:
            raise
        raise _damaged(what) from error


def _damaged(what: str) -> BadArchive:
    return BadArchive.because(f"{what} is damaged or cut off. Pack it and upload it again.")


@contextmanager
def open_archive(path: Path, *, most_names_bytes: int, on_read: Callable[[int], None]) -> Iterator[Iterator[Member]]:
    """The members of an archive, one after the other; its first bytes say which kind it is.

    `on_read` is told how many bytes of a compressed stream have been unpacked so far, also of what nobody wants.
    """
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06")):
        with _BoundedFile(path, most_names_bytes) as bounded, zipfile.ZipFile(bounded) as archive:
            yield _zip_members(archive)
        return
    with closing(_unpacked_stream(path, start)) as stream:
        reader = _ForwardReader(stream, on_read)
        with tarfile.open(fileobj=cast("Any", reader), mode="r:", errorlevel=2) as tar:
            yield _tar_members(tar, reader)


def decode_name(raw: bytes) -> str:
    """A name whose encoding the archive does not tell: UTF-8, or else what Chinese Windows writes, or else IBM's."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("cp437")


# --- zip -------------------------------------------------------------------------------------------------------------


class _BoundedFile(io.FileIO):
    """A file that refuses to be read in one piece when the piece is large: the library reads the list of names so."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        super().__init__(path)
        self._most_bytes = most_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = -1 if size is None else size
        if wanted > self._most_bytes:
            raise TooLarge(
                "The archive lists too many files. Leave out what can be made again, such as environments and caches."
            )
        return super().read(self._most_bytes if wanted < 0 else wanted) or b""


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        name = _zip_name(info)
        kind = _zip_kind(info, name)
        if info.flag_bits & _ZIP_ENCRYPTED:
            raise BadArchive.because(f"{shown(name)} is encrypted. Pack the archive again without a password.")
        if kind == "file" and info.compress_type not in _ZIP_METHODS:
            raise BadArchive.because(
                f"{shown(name)} is compressed in a way that Kumo does not read. Pack an ordinary zip or tar.gz archive."
            )
        yield Member(
            name=name,
            kind=kind,
            executable=bool((info.external_attr >> 16) & 0o100),
            size_bytes=info.file_size,
            open=lambda info=info: archive.open(info),  # type: ignore[misc]
        )


def _zip_name(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _ZIP_UTF8:
        return info.orig_filename
    # The library has read it as cp437, which knows every byte, so the bytes can be had back.
    return decode_name(info.orig_filename.encode("cp437"))


def _zip_kind(info: zipfile.ZipInfo, name: str) -> Kind:
    mode = stat.S_IFMT(info.external_attr >> 16)
    if mode == stat.S_IFLNK:
        return "link"
    if mode not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "special"
    return "directory" if name.endswith("/") or mode == stat.S_IFDIR else "file"


# --- tar -------------------------------------------------------------------------------------------------------------


def _unpacked_stream(path: Path, start: bytes) -> IO[bytes]:
    for magic, opened in _OPENED_BY.items():
        if start.startswith(magic):
            return opened(path)
    if start[257:262] == b"ustar" or _is_old_tar(start):
        return path.open("rb")
    raise BadArchive.because(f"{_what_it_is(start)} Pack the project as .zip or .tar.gz and upload that.")


def _is_old_tar(start: bytes) -> bool:
    """Whether it is a tar header from before “ustar”: only its check sum tells."""
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _what_it_is(start: bytes) -> str:
    if not start:
        return "The file is empty."
    return "The file is not an archive that Kumo reads."


class _ZstdReader(io.RawIOBase):
    """A .zst file; its library refuses by itself what would take more than 128 MiB of memory."""

    def __init__(self, path: Path) -> None:
        # Loaded with the first such file; from Python 3.14 on it is the standard library's.
        self._zstd = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
        self._file = self._zstd.open(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._file.read(len(view))
        except self._zstd.ZstdError as error:
            raise EOFError("the compressed data are damaged") from error
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class _XzReader(io.RawIOBase):
    """An .xz file unpacked with a limit on memory, which the library's own reader does not have."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._decoder = self._new_decoder()
        self._rest = b""

    @staticmethod
    def _new_decoder() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        data = b""
        while not data:
            if self._decoder.eof:
                self._rest = self._decoder.unused_data.lstrip(b"\0") or self._file.read(CHUNK_BYTES).lstrip(b"\0")
                if not self._rest:
                    return 0
                self._decoder = self._new_decoder()  # several streams after one another are one file
            if self._decoder.needs_input and not self._rest:
                self._rest = self._file.read(CHUNK_BYTES)
                if not self._rest:
                    raise EOFError("the file ends within its compressed data")
            data, self._rest = self._decoder.decompress(self._rest, len(view)), b""
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class _ForwardReader:
    """What tarfile reads from: forward only, counting, and stingy while headers are read."""

    def __init__(self, stream: IO[bytes], on_read: Callable[[int], None]) -> None:
        self._stream = stream
        self._on_read = on_read
        self._position = 0
        self.allowance = _HEADER_BYTES
        self.last = b""

    def read(self, size: int) -> bytes:
        if size > self.allowance:
            raise BadArchive.because(
                "The archive has headers that are too long. Pack it again with an ordinary program."
            )
        self.allowance -= size
        self.last = self._stream.read(size)
        self._advance(len(self.last))
        return self.last

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        while self._position < position:
            skipped = self._stream.read(min(CHUNK_BYTES, position - self._position))
            if not skipped:
                return  # tarfile notices that it cannot read there
            self._advance(len(skipped))

    def drain(self) -> None:
        """Read to the end, which is where a compressed stream has its check sum."""
        while data := self._stream.read(CHUNK_BYTES):
            self._advance(len(data))

    def _advance(self, count: int) -> None:
        self._position += count
        self._on_read(self._position)


def _tar_members(tar: tarfile.TarFile, reader: _ForwardReader) -> Iterator[Member]:
    kept: Any = tar
    while (info := tar.next()) is not None:
        reader.allowance = sys.maxsize
        yield Member(
            name=decode_name(info.name.encode("utf-8", "surrogateescape")),
            kind=_tar_kind(info),
            executable=bool(info.mode & 0o100),
            size_bytes=info.size,
            open=lambda info=info: _tar_content(tar, info),  # type: ignore[misc]
        )
        reader.allowance = _HEADER_BYTES
        # It would keep all of them, and copy what one header says of all following ones into each.
        kept.members.clear()
        kept.pax_headers.clear()
    # tarfile takes a broken header for the end; the end is a block of zeros.
    if not reader.last or reader.last.strip(b"\0"):
        raise tarfile.ReadError("no end of archive")
    reader.drain()


def _tar_kind(info: tarfile.TarInfo) -> Kind:
    if info.issym() or info.islnk():
        return "link"
    if info.isdir():
        return "directory"
    return "file" if info.isreg() and not info.issparse() else "special"


def _tar_content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    assert content is not None, "only files are opened"
    return content


def _buffered(raw: io.RawIOBase) -> IO[bytes]:
    return cast("IO[bytes]", io.BufferedReader(raw, CHUNK_BYTES))


# By the first bytes of the file: what unpacks it into a tar stream.
_OPENED_BY: dict[bytes, Callable[[Path], IO[bytes]]] = {
    b"\x1f\x8b": lambda path: cast("IO[bytes]", gzip.open(path, "rb")),  # noqa: SIM115 - closed by whoever reads
    b"BZh": lambda path: cast("IO[bytes]", bz2.open(path, "rb")),  # noqa: SIM115
    b"\xfd7zXZ\x00": lambda path: _buffered(_XzReader(path)),
    b"\x28\xb5\x2f\xfd": lambda path: _buffered(_ZstdReader(path)),
    b"7z\xbc\xaf\x27\x1c": converting.seven_zip,
    b"Rar!\x1a\x07": converting.rar,
}
