"""What a file that a script has left looks like: the first or the last part of it, as text or as a table.

Of the name no more is believed than which way to look at it is tried first; what is no text is said to be binary.
"""

from __future__ import annotations

import codecs
import csv
import json
from dataclasses import dataclass
from typing import Literal

from kumo.projects.text import read_text

Kind = Literal["text", "table", "json", "jsonl", "image", "binary"]

MOST_BYTES = 256 * 1024
MOST_ROWS = 200
MOST_COLUMNS = 50
MOST_CELL = 300

_DELIMITERS = (",", "\t", ";", "|")
_SNIFFED_LINES = 20
_LONGEST_CHARACTER = 4  # bytes, in UTF-8 and in GB 18030
_WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", b"", "image/png"),
    (b"\xff\xd8\xff", b"", "image/jpeg"),
    (b"GIF87a", b"", "image/gif"),
    (b"GIF89a", b"", "image/gif"),
    (b"RIFF", b"WEBP", "image/webp"),
)
_FORM_AT = 8  # where RIFF says what is in it


@dataclass(frozen=True, kw_only=True)
class Table:
    """The first rows of a file with delimited columns."""

    delimiter: str
    rows: list[list[str]]
    cut: bool  # there are more columns than are shown, or longer cells


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A part of a file; `text` is None for images and binary files."""

    kind: Kind
    encoding: str | None = None
    text: str | None = None
    table: Table | None = None
    truncated: bool  # there is more of the file than this part


def image_type(head: bytes) -> str | None:
    """The type of an image that browsers show and that holds no program; None for everything else, such as SVG."""
    for start, form, media_type in _IMAGES:
        if head.startswith(start) and head[_FORM_AT:].startswith(form):
            return media_type
    return None


def preview(part: bytes, name: str, *, at_start: bool, at_end: bool) -> Preview:
    """What to show of a part of a file; the flags say whether it is the file's first and its last part."""
    truncated = not (at_start and at_end)
    if at_start and image_type(part) is not None:
        return Preview(kind="image", truncated=truncated)
    found = _decode(part, at_start=at_start, at_end=at_end)
    if found is None:
        return Preview(kind="binary", truncated=truncated)
    encoding, text = found
    suffix = name.lower().rpartition(".")[2]
    table = _table(text, suffix) if at_start and suffix in {"csv", "tsv"} else None
    kind: Kind = "text"
    if table is not None:
        kind = "table"
        truncated = truncated or len(table.rows) == MOST_ROWS
    elif suffix in {"jsonl", "ndjson"}:
        kind = "jsonl"
    elif suffix == "json" and not truncated and _is_json(text):
        kind = "json"
    return Preview(kind=kind, encoding=encoding, text=text, table=table, truncated=truncated)


def _decode(part: bytes, *, at_start: bool, at_end: bool) -> tuple[str, str] | None:
    """The part as text, without what of a character or of a line is left at an end that was cut."""
    wide = _WIDE.get(part[:2]) if at_start else None
    if wide is not None:
        return wide, part[2 : 2 + (len(part) - 2) // 2 * 2].decode(wide, "replace")
    if not at_start:
        part = part[part.find(b"\n") + 1 :]
    if not at_end:
        part = _without_half_character(part)
    for cut in range(1 if at_end else _LONGEST_CHARACTER):
        found = read_text(part[: len(part) - cut])
        if found is not None:
            return found.encoding, found.content
    return None


def _without_half_character(part: bytes) -> bytes:
    """UTF-8 without what is left of its last character, which with that would be GB 18030; all else as it is."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(part)
    except UnicodeDecodeError:
        return part
    rest, _flag = decoder.getstate()
    return part[: len(part) - len(rest)]


def _table(text: str, suffix: str) -> Table | None:
    lines = text.splitlines()
    delimiter = "\t" if suffix == "tsv" else _delimiter(lines[:_SNIFFED_LINES])
    rows: list[list[str]] = []
    cut = False
    try:
        for row in csv.reader(iter(text.splitlines(keepends=True)), delimiter=delimiter):
            if len(rows) == MOST_ROWS:
                break
            cut = cut or len(row) > MOST_COLUMNS or any(len(cell) > MOST_CELL for cell in row)
            rows.append([cell[:MOST_CELL] for cell in row[:MOST_COLUMNS]])
    except csv.Error:  # a cell longer than any cell is, so none after all
        return None
    return Table(delimiter=delimiter, rows=rows, cut=cut) if rows else None


def _delimiter(lines: list[str]) -> str:
    """The one that makes the most columns of all lines alike; a comma where none does."""
    best, most = ",", 1
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            continue
        # The last one may have been cut in the middle.
        steady = min(widths[:-1] or widths, default=1)
        if steady > most:
            best, most = delimiter, steady
    return best


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
