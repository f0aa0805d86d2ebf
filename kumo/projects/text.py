"""Which bytes are text, and in which encoding. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kumo.errors import InvalidInput

_BOM = b"\xef\xbb\xbf"
UTF8 = "utf-8"
UTF8_WITH_MARK = "utf-8-sig"  # as Windows' editor writes it
CHINESE = "gb18030"  # also GBK and GB 2312, which it contains


@dataclass(frozen=True, kw_only=True)
class Text:
    """A content that an editor can show."""

    encoding: str
    content: str


def read_text(content: bytes) -> Text | None:
    """A file's content as text; None when it is none."""
    if b"\0" in content:
        return None
    for encoding in (UTF8_WITH_MARK if content.startswith(_BOM) else UTF8, CHINESE):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        # Much binary data happens to be valid GB 18030; control characters tell.
        if encoding == UTF8 or not any(char < " " and char not in "\t\n\r\f" for char in text):
            return Text(encoding=encoding, content=text)
    return None


def line_ending_of(text: str) -> Literal["lf", "crlf", "mixed"] | None:
    """How the lines of a text end; None where it has but one."""
    lines, windows_lines = text.count("\n"), text.count("\r\n")
    if not lines:
        return None
    if not windows_lines:
        return "lf"
    return "crlf" if lines == windows_lines else "mixed"


def encode_like(text: str, before: bytes | None, encoding: str | None) -> bytes:
    """The bytes of an edited text: in the encoding asked for, or in that of the file before, or in UTF-8.

    A script that says `# coding: gbk` of itself would break if saving it turned it into UTF-8.
    """
    known = encoding
    if known is None:
        found = None if before is None else read_text(before)
        known = UTF8 if found is None else found.encoding
    try:
        return text.encode(known)
    except UnicodeEncodeError as error:
        bad = text[error.start : error.start + 1]
        message = f"The character {bad!a} cannot be stored as {known}. Remove it, or save the file as utf-8."
        raise InvalidInput.at("content", message) from None
