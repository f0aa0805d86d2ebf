from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kumo.logs import store
from kumo.logs.store import LogFile, Match

_EVERYTHING = 1 << 30

# Lines as scripts print them, with what is hard: other alphabets, letters that change length when folded, no UTF-8.
pieces = st.sampled_from(["a", "B", "ab", "\n", "\n", "ß", "ẞ", "İ", "K", "é", "É", "日", "本", "\r", " "]).map(
    str.encode
)
logs = st.lists(pieces | st.binary(max_size=3), max_size=60).map(b"".join)
queries = st.text(st.sampled_from("abABßéÉ日本kKi� "), min_size=1, max_size=4)

quickly = examples(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=[7, 16, 1 << 18], ids="blocks of {}".format)
def log(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LogFile:
    """A log that is read in blocks so small that everything crosses their borders."""
    monkeypatch.setattr(store, "_BLOCK_BYTES", request.param)
    return LogFile(tmp_path / "log")


def naive_search(data: bytes, query: str, offset: int) -> Iterator[Match]:
    start = offset
    number = data[:offset].count(b"\n") + 1
    for line in data[offset:].split(b"\n"):
        if query.casefold() in line.decode("utf-8", "replace").casefold():
            yield Match(offset=start, line=number, text=line[:2000].decode("utf-8", "replace"))
        start += len(line) + 1
        number += 1


def search_all(log: LogFile, query: str, *, offset: int, limit: int, most_bytes: int) -> list[Match]:
    """All pages of a search."""
    found: list[Match] = []
    following: int | None = offset
    while following is not None:
        page = log.search(query, offset=following, limit=limit, most_bytes=most_bytes)
        assert len(page.matches) <= limit
        assert page.next_offset is None or page.next_offset > following
        found += page.matches
        following = page.next_offset
    return found


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_log_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "none")
    assert log.size == 0
    assert log.read(0, 10) == b""
    assert log.tail_offset(10, 100) == 0
    assert log.search("a", offset=0, limit=10, most_bytes=100).matches == []


def test_a_log_that_is_empty_is_empty(log: LogFile) -> None:
    log.path.write_bytes(b"")
    assert log.read(0, 10) == b""
    assert log.tail_offset(10, 100) == 0
    assert log.search("a", offset=0, limit=10, most_bytes=100).next_offset is None


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


# --- searching -------------------------------------------------------------------------------------------------------


@quickly
@given(data=logs, query=queries, limit=st.integers(1, 5), most_bytes=st.integers(1, 100))
def test_a_search_finds_what_reading_each_line_finds(
    log: LogFile, data: bytes, query: str, limit: int, most_bytes: int
) -> None:
    log.path.write_bytes(data)
    expected = list(naive_search(data, query, 0))
    assert search_all(log, query, offset=0, limit=limit, most_bytes=most_bytes) == expected


@quickly
@given(data=logs, query=queries, offset=st.integers(0, 80))
def test_a_search_may_begin_anywhere(log: LogFile, data: bytes, query: str, offset: int) -> None:
    log.path.write_bytes(data)
    offset = min(offset, len(data))
    expected = list(naive_search(data, query, offset))
    assert search_all(log, query, offset=offset, limit=100, most_bytes=_EVERYTHING) == expected


def test_a_word_across_lines_is_not_found(log: LogFile) -> None:
    log.path.write_bytes(b"one\ntwo\n")
    assert search_all(log, "one\ntwo", offset=0, limit=10, most_bytes=_EVERYTHING) == []


def test_a_line_that_is_longer_than_a_block_is_one_line(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    log.path.write_bytes(
        b"first\n" + b"x" * 700_000 + "日本語".encode() + b"y" * 700_000 + "日本語\nlast 日本語".encode()
    )
    found = search_all(log, "日本語", offset=0, limit=10, most_bytes=_EVERYTHING)
    assert [(match.line, match.offset) for match in found] == [(2, 6), (3, 1_400_025)]
    assert found[0].text == "x" * 2000


def test_lines_beyond_all_measure_are_searched_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_BLOCK_BYTES", 10)
    monkeypatch.setattr(store, "_LONGEST_LINE_BYTES", 30)
    log = LogFile(tmp_path / "log")
    log.path.write_bytes(b"." * 95 + b"word" + b"." * 50 + b"\nword\n")
    assert [match.line for match in search_all(log, "word", offset=0, limit=10, most_bytes=_EVERYTHING)] == [1, 2]
