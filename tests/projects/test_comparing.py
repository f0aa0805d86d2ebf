"""Unified diffs: what they say leads from one text to the other, however long the texts are."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from kumo.projects.comparing import unified

texts = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\u2028\n", "\n", "a"]), max_size=30).map("".join)


def applied(before: str, diff: str) -> str:
    """The text that a diff makes of another one, as `patch` would."""
    lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", before)
    made, at = [], 0
    for line in re.split(r"(?<=\n)", diff)[:-1]:
        if header := re.match(r"@@ -(\d+)(?:,(\d+))?", line):
            start = int(header[1]) - (0 if header[2] == "0" else 1)
            made += lines[at:start]
            at = start
        elif line.startswith("\\"):
            made[-1] = made[-1].removesuffix("\n")
        elif line[0] in " +":
            made.append(line[1:])
        at += line[0] in " -"
    return "".join(made + lines[at:])


@given(before=texts, after=texts, start=texts, end=texts)
def test_a_diff_leads_from_one_text_to_the_other(before: str, after: str, start: str, end: str) -> None:
    old, new = start + before + end, start + after + end
    diff = unified(old, new, most_chars=10**6)
    assert not diff.truncated
    assert bool(diff.text) == (old != new)
    if "\\ No newline" not in diff.text:
        assert applied(old, diff.text) == new


def test_what_is_too_long_to_compare_is_replaced_as_a_whole() -> None:
    old = "".join(f"old {number}\n" for number in range(3000))
    new = "".join(f"new {number}\n" for number in range(3000))
    diff = unified(f"head\n{old}tail\n", f"head\n{new}tail\n", most_chars=10**6)
    assert diff.text.startswith("@@ -1,3002 +1,3002 @@\n head\n-old 0\n")
    assert applied(f"head\n{old}tail\n", diff.text) == f"head\n{new}tail\n"
