"""Following a log that is still being written: what is there first, then what comes, until it has ended."""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

from kumo.logs.store import LogFile

# A viewer sees a line within this time and one reading. Asking the file for its size costs microseconds, so that is
# cheaper, and surer across restarts of the server, than having runners tell.
_POLL_SECONDS = 0.03
_ENDED_POLL_SECONDS = 0.2
_CHUNK_BYTES = 1 << 17
_KEEP_ALIVE_SECONDS = 15.0

Ended = Callable[[], Awaitable[str | None]]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of text and where it lies; `next_offset` is where a reader who has it goes on."""

    offset: int
    next_offset: int
    text: str


async def follow(log: LogFile, offset: int, ended: Ended) -> AsyncIterator[Piece | str | None]:
    """Yield pieces of the log, None now and then while nothing comes, and at last the final state.

    `ended` answers the final state once nothing more will be written. Bytes that are not UTF-8 become U+FFFD; a
    character is never split between two pieces, so resuming at a `next_offset` loses and doubles nothing.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    final: str | None = None
    asked_at, quiet_since = float("-inf"), monotonic()
    position = offset  # what has been read; `offset` is what has been given out
    while True:
        data = await _read(log, position)
        if data:
            text = decoder.decode(data)
            position += len(data)
            next_offset = position - len(decoder.getstate()[0])
            if text:
                yield Piece(offset=offset, next_offset=next_offset, text=text)
                offset, quiet_since = next_offset, monotonic()
            continue
        if final is not None:
            if rest := decoder.decode(b"", final=True):
                yield Piece(offset=offset, next_offset=position, text=rest)
            yield final
            return
        if monotonic() - asked_at >= _ENDED_POLL_SECONDS:
            # Asked before the last reading: what was written before the end is read after the answer.
            final, asked_at = await ended(), monotonic()
            continue
        if monotonic() - quiet_since >= _KEEP_ALIVE_SECONDS:
            quiet_since = monotonic()
            yield None
        await asyncio.sleep(_POLL_SECONDS)


async def sse_of(log: LogFile, offset: int, ended: Ended) -> AsyncIterator[bytes]:
    """The same as server-sent events: `log` with {offset, text} and its next offset as the id, then `end`."""
    yield b"retry: 1000\n\n"
    async for item in follow(log, offset, ended):
        if item is None:
            yield b": still here\n\n"
        elif isinstance(item, str):
            yield b"event: end\ndata: " + json.dumps({"state": item}).encode() + b"\n\n"
        else:
            data = json.dumps({"offset": item.offset, "text": item.text}, ensure_ascii=False)
            yield f"id: {item.next_offset}\nevent: log\ndata: {data}\n\n".encode()


async def _read(log: LogFile, position: int) -> bytes:
    # Reading from the page cache is quicker than a hop to a thread, except for a viewer who has much to catch up.
    if log.size - position > _CHUNK_BYTES:
        return await asyncio.to_thread(log.read, position, _CHUNK_BYTES)
    return log.read(position, _CHUNK_BYTES)
