"""Reading what somebody else wrote: whatever is wrong with it is nothing found, never a failure. Pure."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable
from typing import Any

ReadFile = Callable[[str], bytes | None]  # the content of one of the project's files

MOST_SCRIPTS = 300  # read at most
_LARGEST_SCRIPT_BYTES = 512 * 1024


def text_of(read: ReadFile, path: str) -> str | None:
    """A file as text; None when it is not there, or too long to be a script."""
    content = read(path)
    if content is None or len(content) > _LARGEST_SCRIPT_BYTES:
        return None
    return content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")


def toml_of(text: str | None) -> dict[str, Any] | None:
    """A TOML file's content; None when it is none."""
    try:
        return None if text is None else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None  # the build says where the mistake is; here it is only no suggestion


def module_of(text: str | None) -> ast.Module | None:
    """A Python file, parsed; None when it cannot be."""
    try:
        return None if text is None else ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def plain_string(value: object) -> str | None:
    """A string that may be shown."""
    return value if isinstance(value, str) and value.isprintable() and 0 < len(value) <= 200 else None  # noqa: PLR2004
