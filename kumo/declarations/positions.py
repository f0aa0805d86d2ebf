"""Where things stand in a TOML file, which the standard library's reader does not tell. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Part = str | int

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)+")
_BLANKS = re.compile(r"[ \t]*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' + r"'''.*?'{3,5}" + r'|"(?:\\.|[^"\\\n])*"|' + r"'[^'\n]*'", re.DOTALL
)


def path_text(parts: Iterable[Part]) -> str:
    """A place as people read it: `tasks.nightly.triggers[0].expression`."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + key_text(part)
    return text


def key_text(key: str) -> str:
    """A key as TOML writes it: bare where it can be."""
    if _BARE.fullmatch(key):
        return key
    return json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")


def line_of(lines: Mapping[str, int], path: str) -> int | None:
    """The line where something stands, or else the table or list that it is in; None for the file as a whole."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path)


def lines_of(text: str) -> dict[str, int]:
    """The line of every table and key of a valid file, counted from 1; not of what stands within a value."""
    return _Scanner(text).scan()


@dataclass
class _Scanner:
    text: str
    at: int = 0
    table: tuple[Part, ...] = ()
    line: int = 1  # of `counted`
    counted: int = 0
    lines: dict[str, int] = field(default_factory=dict)
    lengths: dict[tuple[Part, ...], int] = field(default_factory=dict)  # of the lists of tables so far

    def scan(self) -> dict[str, int]:
        while True:
            self._skip(_SPACE)
            if self.at >= len(self.text):
                return self.lines
            start = self.at
            if self.text[self.at] == "[":
                self._take_header()
            else:
                self._note(self.table + tuple(self._take_keys()), start)
                self._skip(_BLANKS)
                self.at += 1  # the equals sign
                self._skip_value()

    def _take_header(self) -> None:
        start = self.at
        is_list = self.text.startswith("[[", self.at)
        self.at += 2 if is_list else 1
        keys = self._take_keys()
        self.at = self._end_of_line()
        path: tuple[Part, ...] = ()
        for position, key in enumerate(keys):
            path = (*path, key)
            if is_list and position == len(keys) - 1:
                self._note(path, start)
                self.lengths[path] = self.lengths.get(path, 0) + 1
            if path in self.lengths:
                path = (*path, self.lengths[path] - 1)
        self.table = path
        self._note(path, start)

    def _take_keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_BLANKS)
            if (bare := _BARE.match(self.text, self.at)) is not None:
                keys.append(bare[0])
                self.at = bare.end()
            elif (quoted := _STRING.match(self.text, self.at)) is not None:
                keys.append(_unquoted(quoted[0]))
                self.at = quoted.end()
            self._skip(_BLANKS)
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1

    def _skip_value(self) -> None:
        """Go on behind a value: strings as a whole, lists and inline tables up to their last bracket."""
        depth = 0
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in "\"'":
                found = _STRING.match(self.text, self.at)
                assert found is not None, "the file was read before"
                self.at = found.end()
                continue
            if char == "#":
                self.at = self._end_of_line()
                continue
            if char == "\n" and depth == 0:
                return
            depth += (char in "[{") - (char in "]}")
            self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        if (found := pattern.match(self.text, self.at)) is not None:
            self.at = found.end()

    def _end_of_line(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    def _note(self, path: tuple[Part, ...], start: int) -> None:
        self.line += self.text.count("\n", self.counted, start)
        self.counted = start
        self.lines.setdefault(path_text(path), self.line)


def _unquoted(key: str) -> str:
    if key.startswith("'"):
        return key[1:-1]
    try:
        # TOML's escapes are those of JSON, but for \U and eight digits.
        return str(json.loads(re.sub(r"\\U(........)", lambda m: chr(int(m[1], 16)), key), strict=False))
    except ValueError:
        return key[1:-1]
