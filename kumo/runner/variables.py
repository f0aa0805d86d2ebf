"""Values that reach a script as files: for what is too long for an environment, or must not stand in one."""

from __future__ import annotations

import os
import shutil

from kumo.runner.contract import VARIABLES


def write_variables(directory: str, values: dict[str, str]) -> None:
    """Write one file for each value, readable by the account alone; OSError when one cannot be written.

    Nothing is made durable: after a crash of the machine nobody reads them any more.
    """
    folder = os.path.join(directory, VARIABLES)  # noqa: PTH118 - pathlib is slow to load
    os.mkdir(folder, 0o700)  # noqa: PTH102
    for name, value in values.items():
        if "/" in name:
            raise IsADirectoryError(None, "it would lie outside of their directory", name)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        descriptor = os.open(os.path.join(folder, name), flags, 0o600)  # noqa: PTH118
        try:
            rest = memoryview(value.encode("utf-8", "surrogateescape"))
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)


def remove_variables(directory: str) -> None:
    """Remove the files, and what the script may have put beside them; harmless when there are none."""
    shutil.rmtree(os.path.join(directory, VARIABLES), ignore_errors=True)  # noqa: PTH118
