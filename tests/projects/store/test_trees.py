from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kumo.projects.store.trees import EMPTY, EXECUTABLE, FILE, Entry, decode, encode, find, replaced, totals

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8) | st.sampled_from(
    ["0", "1", "0 0", "main.py", "my main.py", "f", "x 1 1 a", " a", "  ", "a\u2028b", "a 1 1 b"]
)
entries = st.builds(
    Entry,
    st.sampled_from([FILE, EXECUTABLE]),
    st.sampled_from(["0" * 64, "ab" * 32]),
    st.integers(0, 10**12),
    st.just(1),
    names,
)
directories = st.lists(entries, max_size=12, unique_by=lambda entry: entry.name)


@given(directories)
def test_a_directory_is_read_as_it_was_written(entries: list[Entry]) -> None:
    text = encode(entries)
    assert decode(text) == {entry.name: entry for entry in entries}
    assert encode(reversed(entries)) == text
    assert totals(text) == (sum(entry.size_bytes for entry in entries), len(entries))
    assert (text == EMPTY) == (not entries)


@given(directories, names)
def test_one_entry_is_found_as_if_all_were_read(entries: list[Entry], name: str) -> None:
    text = encode(entries)
    for wanted in [name, *decode(text)]:
        assert find(text, wanted) == decode(text).get(wanted)


@given(directories.filter(bool), entries)
def test_replacing_one_entry_is_the_same_as_writing_all_anew(entries: list[Entry], other: Entry) -> None:
    text, old = encode(entries), entries[0]
    new = other._replace(name=old.name)
    assert replaced(text, old, new) == encode([new, *entries[1:]])
    assert replaced(text, old, None) == encode(entries[1:])
