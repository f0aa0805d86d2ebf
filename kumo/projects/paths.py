"""The one place where a path that somebody sent becomes a path inside a project. Pure.

A path of a project is relative and POSIX, in Unicode's composed form (NFC), and means the same file on every system
that the project may be unpacked on. Nothing is repaired but the composed form: what is refused is named.
"""

from __future__ import annotations

import re
import unicodedata

from kumo.errors import InvalidInput

LONGEST_PART_BYTES = 255
LONGEST_PATH_BYTES = 1024
DEEPEST = 64

_DRIVE = re.compile(r"[A-Za-z]:")
# Windows takes them for devices, with any extension: such a project could not be unpacked there.
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\s*\..*)?")
# They turn the reading order round: “exe.py” can be made to look like something else.
_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, half characters, separators of lines
_RESERVED = frozenset({".git"})  # a snapshot is no repository; hooks and configuration in it would be a trap


def project_path(raw: str, *, field: str = "path") -> str:
    """The path of a file in a project, in its one form; `InvalidInput` for anything that could mean another place."""
    path = unicodedata.normalize("NFC", raw)
    if problem := _problem(path):
        raise InvalidInput.at(field, f"The path {shown(raw)} cannot be used: {problem}.")
    return path


def existing_path(raw: str, *, field: str = "path") -> str:
    """The path of a file that a script has written, below a directory; "" is that directory itself.

    A script names its files as it likes, so that less is refused here. Whoever opens the path must go down part by
    part without following links: the parts are safe one by one, what lies there is not.
    """
    if raw == "":
        return raw
    parts = raw.split("/")
    if "\0" in raw or _has_half_characters(raw) or any(part in {"", ".", ".."} for part in parts):
        raise InvalidInput.at(
            field, f"The path {shown(raw)} cannot be used: it must lead down from the output directory, as “a/b.csv”."
        )
    if problem := _length_problem(raw, parts):
        raise InvalidInput.at(field, f"The path {shown(raw)} cannot be used: {problem}.")
    return raw


def collision_key(path: str) -> str:
    """Equal for paths that some file system cannot tell apart: by case, or by how accents are stored."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def shown(raw: str, *, most: int = 120) -> str:
    """A path as it may stand in a sentence: short, and with nothing in it that a terminal would obey."""
    text = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in raw[: most + 1])
    return f"“{text[:most]}…”" if len(text) > most else f"“{text}”"


def _problem(path: str) -> str | None:
    parts = path.split("/")
    return (
        _whole_problem(path)
        or _length_problem(path, parts)
        or next((problem for part in parts if (problem := _part_problem(part))), None)
    )


def _whole_problem(path: str) -> str | None:
    return _unseen_problem(path) or _place_problem(path)


def _unseen_problem(path: str) -> str | None:
    if path.isprintable():
        return None
    if any(unicodedata.category(char) in _UNSEEN_CATEGORIES for char in path):
        return "it has a control character in it"
    if not _DIRECTION_MARKS.isdisjoint(path):
        return "it has a mark in it that turns the reading direction"
    return None


def _place_problem(path: str) -> str | None:
    if not path:
        return "it is empty"
    if "\\" in path:
        return "it has a backslash in it; separate folders with “/”"
    if path.startswith("/"):
        return "it is absolute; paths start in the project's folder"
    if _DRIVE.match(path):
        return "it names a drive; paths start in the project's folder"
    return None


def _length_problem(path: str, parts: list[str]) -> str | None:
    if len(path.encode()) > LONGEST_PATH_BYTES:
        return f"it is longer than {LONGEST_PATH_BYTES:,} bytes"
    if len(parts) > DEEPEST:
        return f"it is more than {DEEPEST} folders deep"
    if any(len(part.encode()) > LONGEST_PART_BYTES for part in parts):
        return f"a name in it is longer than {LONGEST_PART_BYTES} bytes"
    return None


def _part_problem(part: str) -> str | None:
    if part in {".", ".."}:
        return f"“{part}” is not a name"
    if not part:
        return "a name in it is empty"
    if part != part.rstrip() or part.endswith("."):
        return "a name in it ends with a space or a dot"
    if _DEVICES.fullmatch(part):
        return f"“{part}” is a device's name on Windows; rename it"
    if part.casefold() in _RESERVED:
        return f"“{part}” is kept out of projects"
    return None


def _has_half_characters(raw: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in raw)
