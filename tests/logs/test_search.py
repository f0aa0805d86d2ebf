from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kumo.logs import finders, store
from kumo.logs import search as module
from kumo.logs.finders import Query, finder_of
from kumo.logs.search import Match, Place, Step, search
from kumo.logs.store import LogFile
from kumo.runner.contract import INDEX_ENTRY

# Lines as scripts print them, with what is hard: other alphabets, letters that change length with their case, no UTF-8.
pieces = st.sampled_from(
    ["a", "B", "ab", "\n", "\n", "ß", "ẞ", "İ", "K", "é", "É", "Я", "я", "п", "日", "本", "\r", " "]
).map(str.encode)
logs = st.lists(pieces | st.binary(max_size=3), max_size=60).map(b"".join)
words = st.text(st.sampled_from("abABßéÉяЯП日本kKi "), min_size=1, max_size=4)
expressions = st.sampled_from(["a.*b", "^[ab]", "[éя]+", "(日|本)$", "^$", r"\w\s\w", "A|B", "x*", "."])
queries = st.builds(Query, words=words, minds_case=st.booleans()) | st.builds(
    Query, words=expressions, is_pattern=st.just(value=True), minds_case=st.booleans()
)

quickly = examples(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=[16, 64, 1 << 16], ids="blocks of {}".format)
def log(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LogFile:
    """A log that is searched in blocks so small that everything crosses their borders."""
    for finder in (finders.WordsFinder, finders.PatternFinder):
        monkeypatch.setattr(finder, "block_bytes", request.param)
    monkeypatch.setattr(store, "_BLOCK_BYTES", request.param)
    return LogFile(tmp_path / "log")


def folded(text: str) -> str:
    """Letter case aside, where both cases are equally long in UTF-8."""

    def bytes_of(character: str) -> int:
        return len(character.encode("utf-8", "surrogateescape"))

    return "".join(
        lower if len(lower := character.lower()) == 1 and bytes_of(lower) == bytes_of(character) else character
        for character in text
    )


def naive(data: bytes, query: Query, offset: int = 0) -> Iterator[tuple[int, int, int]]:
    """Of each line with a match: its offset, its number, the match's offset."""
    start, number = offset, data[:offset].count(b"\n") + 1
    lines = data[offset:].split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    for line in lines:
        text, wanted = line.decode("utf-8", "surrogateescape"), query.words
        if query.is_pattern:
            found = re.search(wanted, text, 0 if query.minds_case else re.IGNORECASE)
            at = -1 if found is None else found.start()
        elif query.minds_case:
            at = text.find(wanted)
        else:
            at = folded(text).find(folded(wanted))
        if at >= 0:
            yield start, number, start + len(text[:at].encode("utf-8", "surrogateescape"))
        start += len(line) + 1
        number += 1


def found_by(log: LogFile, query: Query, *, offset: int = 0, most: int = 1000) -> list[Match]:
    """What a search finds that is begun anew after so many matches, or after each block."""
    found: list[Match] = []
    while True:
        for step in search(finder_of(query), [Place(log=log, offset=offset)], most_per_log=most):
            assert step.offset >= offset
            offset = step.offset
            if step.match is not None:
                found.append(step.match)
            if step.is_at_end:
                return found


@quickly
@given(data=logs, query=queries, most=st.integers(1, 5))
def test_a_search_finds_what_reading_each_line_finds(log: LogFile, data: bytes, query: Query, most: int) -> None:
    log.path.write_bytes(data)
    assume(max(map(len, data.split(b"\n"))) < finder_of(query).block_bytes)  # longer lines: see below
    found = found_by(log, query, most=most)
    assert [(match.offset, match.line, match.match_offset) for match in found] == list(naive(data, query))


@quickly
@given(data=logs, query=queries, offset=st.integers(0, 80))
def test_a_search_that_begins_within_the_log_tells_the_same_of_what_comes_after(
    log: LogFile, data: bytes, query: Query, offset: int
) -> None:
    assume(max(map(len, data.split(b"\n"))) < finder_of(query).block_bytes)
    log.path.write_bytes(data)
    offset = data[:offset].rfind(b"\n") + 1
    found = found_by(log, query, offset=offset)
    assert [(match.offset, match.line, match.match_offset) for match in found] == list(naive(data, query, offset))


@quickly
@given(data=logs, query=queries, patience=st.integers(1, 4))
def test_a_search_goes_on_after_every_step(log: LogFile, data: bytes, query: Query, patience: int) -> None:
    """A request may end after any step; the next one begins at the offset that it left."""
    log.path.write_bytes(data)
    in_one_go = found_by(log, query)
    found: list[Match] = []
    offset, is_at_end = 0, False
    while not is_at_end:
        steps: Iterator[Step] = search(finder_of(query), [Place(log=log, offset=offset)], most_per_log=1000)
        for _, step in zip(range(patience), steps, strict=False):
            offset, is_at_end = step.offset, step.is_at_end
            if step.match is not None:
                found.append(step.match)
    assert found == in_one_go


@quickly
@given(data=logs, query=queries)
def test_the_text_of_a_match_is_its_line_and_says_where_it_matches(log: LogFile, data: bytes, query: Query) -> None:
    log.path.write_bytes(data)
    for match in found_by(log, query):
        line = data[match.offset :].split(b"\n")[0]
        assert match.text == line.decode("utf-8", "replace")
        if not query.is_pattern:
            assert folded(match.text[match.match_start : match.match_end]) == folded(query.words)


def test_of_a_long_line_the_part_round_the_match_is_told(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    log.path.write_bytes(b"first\n" + b"\xe6\x97\xa5" * 200_000 + b"Needle" + b"y" * 700_000 + b"needle\nlast needle")
    first, again, last = found_by(log, Query(words="needle"))
    assert (first.line, first.offset, first.match_offset) == (2, 6, 600_006)
    assert first.text[first.match_start : first.match_end] == "Needle"
    assert len(first.text.encode()) <= 4096
    assert first.text.startswith("日")
    assert (again.line, again.offset, again.match_offset) == (2, 6, 1_300_012)
    assert (last.line, last.text) == (3, "last needle")


def test_a_line_that_is_longer_than_a_block_is_told_of_again_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finders.WordsFinder, "block_bytes", 10)
    log = LogFile(tmp_path / "log")
    log.path.write_bytes(b"." * 95 + b"word" + b"." * 50 + b"word\nword")
    found = found_by(log, Query(words="word"), most=1)
    assert [(match.offset, match.match_offset, match.line) for match in found] == [
        (0, 95, 1),
        (0, 149, 1),
        (154, 154, 2),
    ]


@quickly
@given(data=st.text("abé", max_size=80), query=st.builds(Query, words=st.text("abé", min_size=1, max_size=6)))
def test_no_part_of_a_long_line_is_left_out(log: LogFile, data: str, query: Query) -> None:
    log.path.write_text(data)
    assert bool(found_by(log, query)) == (query.words in data)
    for match in found_by(log, query):
        assert data.encode()[match.match_offset :].startswith(query.words.encode())


def test_an_expression_is_looked_for_in_the_first_ten_thousand_characters_of_a_line(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    log.path.write_bytes(b"x" * 9_998 + b"ab\n" + b"x" * 9_999 + b"ab\n" + b"x" * 500_000 + b"ab\nab")
    assert [match.line for match in found_by(log, Query(words="ab", is_pattern=True))] == [1, 4]


def test_lines_know_when_they_were_written(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    log.path.write_bytes(b"word 1\nword 2\nword 3\n")
    log.index.path.write_bytes(INDEX_ENTRY.pack(0, 1_000, 0) + INDEX_ENTRY.pack(14, 5_000, 2))
    found = found_by(log, Query(words="word"))
    assert [(match.line, match.written_at_ms) for match in found] == [(1, 1_000), (2, 1_000), (3, 5_000)]


def test_a_log_is_left_after_its_share_of_matches_and_the_search_after_so_many_logs(tmp_path: Path) -> None:
    places = []
    for number, text in enumerate(("word\nword\nword\n", "", "word\n", "word\nword\n")):
        log = LogFile(tmp_path / str(number))
        log.path.write_text(text)
        places.append(Place(log=log))
    steps = search(finder_of(Query(words="word")), places, most_per_log=2, most_logs=2)
    assert [step.place for step in steps if step.match] == [0, 0, 2]


def test_a_log_that_does_not_exist_is_searched_at_once(tmp_path: Path) -> None:
    places = [Place(log=LogFile(tmp_path / "none"), offset=7)]
    assert list(search(finder_of(Query(words="a")), places, most_per_log=1)) == [
        module.Step(place=0, offset=7, is_at_end=True)
    ]
