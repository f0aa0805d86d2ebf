"""Which files are images that a browser can show; told by their content, whatever they are called. Pure."""

from __future__ import annotations

import re

HEAD_BYTES = 4096  # as much of a file is looked at

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_WEBP = re.compile(rb"RIFF.{4}WEBP", re.DOTALL)
_SVG = re.compile(rb"<svg[\s>]")
# What may stand before it. A page that merely has a drawing in it is no drawing.
_BEFORE_SVG = ((b"\xef\xbb\xbf", b""), (b"<?xml", b"?>"), (b"<!--", b"-->"), (b"<!DOCTYPE svg", b">"))


def image_type(head: bytes) -> str | None:
    """The media type of an image that begins like this; None for everything else."""
    for beginning, media_type in _BEGINNINGS:
        if head.startswith(beginning):
            return media_type
    if _WEBP.match(head):
        return "image/webp"
    return "image/svg+xml" if _SVG.match(_without_prologue(head)) else None


def _without_prologue(head: bytes) -> bytes:
    head = head.lstrip()
    while found := next(((start, end) for start, end in _BEFORE_SVG if head.startswith(start)), None):
        start, end = found
        _, _, rest = head[len(start) :].partition(end) if end else (b"", b"", head[len(start) :])
        head = rest.lstrip()
    return head
