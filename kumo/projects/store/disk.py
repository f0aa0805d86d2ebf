"""Writing so that a crash or a full disk leaves the old state or the new one, never half of either."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from kumo.errors import Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FEW = 100
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


def sync_tree(directory: Path, paths: Collection[Path]) -> None:
    """Return once these files and folders, all on the directory's file system, are on the disk.

    A few are waited for one by one. For many, half a millisecond each, one call for the whole file system is faster;
    not always that call, because it also waits for what scripts are just writing.
    """
    if len(paths) > _FEW:
        _sync_filesystem(directory)
        return
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync_filesystem(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc.syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(directory))
    finally:
        os.close(descriptor)
