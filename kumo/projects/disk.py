"""Writing so that a crash or a full disk leaves the old state or the new one, never half of either."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kumo.errors import Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def full_disk_is_unavailable() -> Iterator[None]:
    """Turn “no space left” into the sentence that a person can act on; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise Unavailable("The disk of the data directory is full. Free some space and try again.") from error


def sync_filesystem(directory: Path) -> None:
    """Return once everything written to the directory's file system is on the disk.

    One call for a whole tree of files: fsync on each costs half a millisecond, ten thousand of them five seconds.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc.syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(directory))
    finally:
        os.close(descriptor)


def sync_directory(directory: Path) -> None:
    """Make the names in one directory durable, after a rename into it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
