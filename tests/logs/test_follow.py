from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kumo.logs import follow as module
from kumo.logs.follow import Piece, follow, sse_of
from kumo.logs.store import LogFile

characters = st.sampled_from(["a", "\n", "\r\n", "é", "日", "🙂", "\u2028", "\x1b[31m"]).map(str.encode)
chunks = st.lists(st.lists(characters | st.binary(max_size=3), max_size=8).map(b"".join), max_size=8)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LogFile:
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(module, "_ENDED_POLL_SECONDS", 0.0)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 5)
    return LogFile(tmp_path / "log")


class Script:
    """Writes its chunks, some bytes at each question whether it has ended."""

    def __init__(self, log: LogFile, data: bytes, steps: list[int]) -> None:
        log.path.write_bytes(b"")
        self._log = log
        self._parts = [data[a:b] for a, b in zip([0, *steps], [*steps, len(data)], strict=True)]

    async def ended(self) -> str | None:
        if not self._parts:
            return "succeeded"
        with self._log.path.open("ab") as file:
            file.write(self._parts.pop(0))
        return None


async def read_all(log: LogFile, script: Script, offset: int = 0) -> tuple[list[Piece], str]:
    found: list[Piece] = []
    async for item in follow(log, offset, script.ended):
        if isinstance(item, str):
            return found, item
        if item is not None:
            found.append(item)
    raise AssertionError("the end was not told")


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=chunks.map(b"".join), cuts=st.lists(st.integers(0, 100), max_size=6))
def test_a_viewer_gets_every_byte_once_however_they_come(log: LogFile, data: bytes, cuts: list[int]) -> None:
    steps = sorted(min(cut, len(data)) for cut in cuts)
    pieces, final = asyncio.run(read_all(log, Script(log, data, steps)))
    assert final == "succeeded"
    assert "".join(piece.text for piece in pieces) == data.decode("utf-8", "replace")
    offsets = [0, *(piece.next_offset for piece in pieces)]
    assert [piece.offset for piece in pieces] == offsets[:-1]
    assert offsets[-1] == len(data)


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(characters, max_size=30).map(b"".join), number=st.integers(0, 30))
def test_whoever_resumes_after_a_piece_loses_and_doubles_nothing(log: LogFile, text: bytes, number: int) -> None:
    pieces, _ = asyncio.run(read_all(log, Script(log, text, [])))
    seen = pieces[:number]
    offset = seen[-1].next_offset if seen else 0
    rest, _ = asyncio.run(read_all(log, Script(log, text, []), offset))
    assert "".join(piece.text for piece in [*seen, *rest]) == text.decode()


async def test_what_is_written_just_before_the_end_is_told(log: LogFile) -> None:
    async def ended() -> str:
        log.path.write_bytes(b"the last words")
        return "failed"

    items = [item async for item in follow(log, 0, ended)]
    assert "".join(item.text for item in items if isinstance(item, Piece)) == "the last words"
    assert items[-1] == "failed"


async def test_a_quiet_log_is_kept_alive(log: LogFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEEP_ALIVE_SECONDS", 0.0)
    monkeypatch.setattr(module, "_ENDED_POLL_SECONDS", 0.02)
    stream = sse_of(log, 0, Script(log, b"", [0, 0, 0]).ended)
    assert b": still here\n\n" in [event async for event in stream]


async def test_events_carry_their_next_offset_as_id(log: LogFile) -> None:
    data = "é\nb\r\n".encode()
    events = [event.decode() async for event in sse_of(log, 0, Script(log, data, []).ended)]
    assert events[0] == "retry: 1000\n\n"
    assert events[-1] == 'event: end\ndata: {"state": "succeeded"}\n\n'
    texts = []
    for event in events[1:-1]:
        identity, kind, told, *rest = event.split("\n")
        assert (kind, rest) == ("event: log", ["", ""])
        piece = json.loads(told.removeprefix("data: "))
        texts.append(piece["text"])
        assert int(identity.removeprefix("id: ")) == piece["offset"] + len(piece["text"].encode())
    assert "".join(texts) == data.decode()
