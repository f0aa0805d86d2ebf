from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kumo.logs.index import IndexEntry, LogIndex
from kumo.runner.contract import INDEX_ENTRY

offsets = st.lists(st.integers(0, 100), max_size=40).map(sorted)
quickly = examples(suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(tmp_path: Path, offsets: list[int]) -> tuple[LogIndex, list[IndexEntry]]:
    entries = [IndexEntry(offset=offset, written_at_ms=number, lines=number) for number, offset in enumerate(offsets)]
    index = LogIndex(tmp_path / "log.index")
    index.path.write_bytes(b"".join(INDEX_ENTRY.pack(e.offset, e.written_at_ms, e.lines) for e in entries))
    return index, entries


def test_a_log_without_an_index_has_no_entries(tmp_path: Path) -> None:
    index = LogIndex(tmp_path / "none")
    assert index.before(10) is None
    assert index.between(0, 10, most=5) == []


@quickly
@given(offsets=offsets, offset=st.integers(0, 120))
def test_the_entry_of_a_byte_is_the_last_at_or_before_it(tmp_path: Path, offsets: list[int], offset: int) -> None:
    index, entries = written(tmp_path, offsets)
    assert index.before(offset) == next((entry for entry in reversed(entries) if entry.offset <= offset), None)


@quickly
@given(offsets=offsets, start=st.integers(0, 120), length=st.integers(0, 120), most=st.integers(1, 50))
def test_the_entries_of_a_range_cover_its_first_byte_and_are_thinned_evenly(
    tmp_path: Path, offsets: list[int], start: int, length: int, most: int
) -> None:
    index, entries = written(tmp_path, offsets)
    covering = [entry for entry in entries if entry.offset <= start][-1:]
    expected = covering + [entry for entry in entries if start < entry.offset <= start + length]
    found = index.between(start, start + length, most=most)
    if len(expected) <= most:
        assert found == expected
    else:
        assert len(found) == most
        assert found[0] == expected[0]
        places = [expected.index(entry) for entry in found]
        gaps = {after - before for before, after in pairwise(places)}
        assert not gaps or max(gaps) - min(gaps) <= 1


def test_an_entry_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    index, entries = written(tmp_path, [0, 50])
    with index.path.open("ab") as file:
        file.write(b"\x01\x02")
    assert index.before(99) == entries[1]
