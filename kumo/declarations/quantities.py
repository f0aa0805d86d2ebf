"""Durations and sizes as people write them: "90s", "1h30m", "512MB". Pure."""

from __future__ import annotations

import re
from typing import Any, Final

DURATION_PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w))+$"
SIZE_PATTERN: Final = r"^[0-9]+(\.[0-9]+)? ?(B|[KMGT]i?B)$"
# What a field is set to that has a default other than "no limit"; TOML has no null.
NONE: Final = "none"

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT]?)(i?)B")
_MINUTE_SECONDS = 60
_LONGEST = 40


def to_seconds(value: Any) -> Any:
    """A duration in seconds; what is no text stays as it is. `ValueError` says how to write one."""
    milliseconds = to_milliseconds(value)
    return milliseconds if milliseconds is value else _whole(milliseconds / 1000)


def to_milliseconds(value: Any) -> Any:
    """A duration in milliseconds; what is no text stays as it is. `ValueError` says how to write one."""
    if not isinstance(value, str):
        return value
    if len(value) > _LONGEST or not re.fullmatch(DURATION_PATTERN, value):
        raise ValueError(
            f"{value[:_LONGEST]!r} is no duration. Write a number, or a text such as “90s”, “10m”, “1h30m”."
        )
    return _whole(sum(float(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(value)))


def to_bytes(value: Any) -> Any:
    """A size in bytes: MB are 1,000,000 and MiB 1,048,576; what is no text stays as it is."""
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value) if len(value) <= _LONGEST else None
    if found is None:
        raise ValueError(f"{value[:_LONGEST]!r} is no size. Write bytes, or a text such as “512MB”, “1GiB”.")
    return round(float(found[1]) * (1024 if found[3] else 1000) ** _POWERS[found[2]])


def duration_text(seconds: float) -> float | str:
    """How seconds are written: from a minute on as a text, if it is a short one."""
    for unit in ("w", "d", "h", "m"):
        if seconds >= _MINUTE_SECONDS and seconds * 1000 % _MILLISECONDS[unit] == 0:
            return f"{round(seconds * 1000 / _MILLISECONDS[unit])}{unit}"
    return seconds


def size_text(size_bytes: int) -> int | str:
    """How bytes are written: as a text where they are whole KiB, MiB or more."""
    for unit in ("T", "G", "M", "K"):
        whole = 1024 ** _POWERS[unit]
        if size_bytes >= whole and size_bytes % whole == 0:
            return f"{size_bytes // whole}{unit}iB"
    return size_bytes


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number
