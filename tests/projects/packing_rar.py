"""RAR archives made for a test: version 5, stored, as no free program makes them."""

from __future__ import annotations

import zlib

_SIGNATURE = b"Rar!\x1a\x07\x01\x00"
_MAIN, _FILE, _END = 1, 2, 5
_HAS_EXTRA = 0x01
_HAS_DATA = 0x02
_HAS_CRC = 0x04
_IS_FOLDER = 0x01
_UNIX = 1
_REDIRECTION, _UNIX_LINK = 5, 1


def rar_of(*members: tuple[str, bytes | None], links: tuple[tuple[str, str], ...] = ()) -> bytes:
    """An archive of files, of folders where there is no content, and of links with the places that they lead to."""
    blocks = [_block(_MAIN, _number(0))]
    blocks += [_member(name, content) for name, content in members]
    blocks += [_link(name, target) for name, target in links]
    return b"".join([_SIGNATURE, *blocks, _block(_END, _number(0))])


def _member(name: str, content: bytes | None) -> bytes:
    data = content or b""
    kind = _IS_FOLDER if content is None else _HAS_CRC
    mode = 0o40755 if content is None else 0o100644
    crc = b"" if content is None else zlib.crc32(data).to_bytes(4, "little")
    fields = [_number(kind), _number(len(data)), _number(mode), crc, _number(0), _number(_UNIX), _name(name)]
    return _block(_FILE, b"".join(fields), data=data)


def _link(name: str, target: str) -> bytes:
    redirection = _number(_REDIRECTION) + _number(_UNIX_LINK) + _number(0) + _name(target)
    fields = [_number(0), _number(0), _number(0o120777), _number(0), _number(_UNIX), _name(name)]
    return _block(_FILE, b"".join(fields), extra=_number(len(redirection)) + redirection)


def _block(kind: int, fields: bytes, *, data: bytes = b"", extra: bytes = b"") -> bytes:
    has_data = kind == _FILE  # be it nothing
    flags = (_HAS_DATA if has_data else 0) | (_HAS_EXTRA if extra else 0)
    sizes = (_number(len(extra)) if extra else b"") + (_number(len(data)) if has_data else b"")
    header = _number(kind) + _number(flags) + sizes + fields + extra
    sized = _number(len(header)) + header
    return zlib.crc32(sized).to_bytes(4, "little") + sized + data


def _name(name: str) -> bytes:
    return _number(len(name.encode())) + name.encode()


def _number(value: int) -> bytes:
    """Seven bits in each byte, the lowest first."""
    found = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        found.append(low | (0x80 if value else 0))
        if not value:
            return bytes(found)
