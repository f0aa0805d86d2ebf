"""Stored files as a search reads them: as UTF-8, whatever they are stored in, and empty where they are no text."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from kumo.logs.store import LogFile
from kumo.projects.text import UTF8, read_text


class TextFile(LogFile):
    """The text of one stored file. All methods block."""

    @property
    def size(self) -> int:
        """Bytes of its text in UTF-8."""
        return len(_content(self.path))

    def read(self, offset: int, limit: int) -> bytes:
        """At most `limit` bytes from `offset`; empty past the end."""
        return _content(self.path)[offset : offset + limit]


# A search reads a file block by block, and then the lines around what it found; two threads search at once.
@lru_cache(maxsize=4)
def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b""  # whoever opens the file is told; a search goes on with the others
    text = read_text(content)
    if text is None:
        return b""
    return content if text.encoding == UTF8 else text.content.encode(UTF8)
