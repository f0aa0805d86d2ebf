from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kumo.logs import store
from kumo.logs.store import LogFile
from kumo.runner.contract import INDEX_ENTRY

_EVERYTHING = 1 << 30

# Lines as scripts print them, with what is hard: other alphabets, and bytes that are no UTF-8.
pieces = st.sampled_from(["a", "B", "ab", "\n", "\n", "ß", "ẞ", "İ", "K", "é", "É", "日", "本", "\r", " "]).map(
    str.encode
)
logs = st.lists(pieces | st.binary(max_size=3), max_size=60).map(b"".join)

quickly = examples(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=[7, 16, 1 << 18], ids="blocks of {}".format)
def log(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LogFile:
    """A log that is read in blocks so small that everything crosses their borders."""
    monkeypatch.setattr(store, "_BLOCK_BYTES", request.param)
    return LogFile(tmp_path / "log")


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_log_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "none")
    assert log.size == 0
    assert log.read(0, 10) == b""
    assert log.tail_offset(10, 100) == 0
    assert log.lines_before(5) == 0


def test_a_log_that_is_empty_is_empty(log: LogFile) -> None:
    log.path.write_bytes(b"")
    assert log.read(0, 10) == b""
    assert log.tail_offset(10, 100) == 0


@quickly
@given(data=logs, offset=st.integers(0, 200) | st.just(2**63 - 1), limit=st.integers(1, 200))
def test_a_part_is_the_files_bytes(log: LogFile, data: bytes, offset: int, limit: int) -> None:
    log.path.write_bytes(data)
    assert log.read(offset, limit) == data[offset : offset + limit]


# --- the end ---------------------------------------------------------------------------------------------------------


@quickly
@given(data=logs, lines=st.integers(1, 30))
def test_the_tail_is_the_last_lines(log: LogFile, data: bytes, lines: int) -> None:
    log.path.write_bytes(data)
    assert data[log.tail_offset(lines, _EVERYTHING) :] == b"".join(re.findall(rb"[^\n]*\n|[^\n]+", data)[-lines:])


@quickly
@given(data=logs, lines=st.integers(1, 30), most=st.integers(1, 60))
def test_the_tail_is_no_longer_than_asked(log: LogFile, data: bytes, lines: int, most: int) -> None:
    log.path.write_bytes(data)
    assert log.tail_offset(lines, most) == max(log.tail_offset(lines, _EVERYTHING), len(data) - most)


# --- lines -----------------------------------------------------------------------------------------------------------


@quickly
@given(data=logs, offset=st.integers(0, 200))
def test_lines_are_found_and_counted_from_any_byte(log: LogFile, data: bytes, offset: int) -> None:
    log.path.write_bytes(data)
    before = data[:offset]
    assert log.line_start(offset) == before.rfind(b"\n") + 1
    assert log.lines_before(offset) == before.count(b"\n")
    assert log.count_lines(3, offset) == data[3:offset].count(b"\n")


def test_lines_are_counted_from_the_index_on(log: LogFile) -> None:
    log.path.write_bytes(b"a\nb\nc\nd\n")
    log.index.path.write_bytes(INDEX_ENTRY.pack(0, 0, 0) + INDEX_ENTRY.pack(4, 0, 1002))
    assert [log.lines_before(offset) for offset in (0, 3, 4, 8)] == [0, 1, 1002, 1004]
