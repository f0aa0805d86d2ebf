"""What is shown of a file, and how much."""

from __future__ import annotations

import codecs

import pytest

from kumo.projects.outputs.preview import MOST_CELL, MOST_COLUMNS, MOST_ROWS, Preview, image_type, preview


def whole(content: bytes, name: str) -> Preview:
    return preview(content, name, at_start=True, at_end=True)


@pytest.mark.parametrize(
    ("content", "name", "delimiter", "rows"),
    [
        ('作者,名言\n苏格拉底,"知, 己"\n'.encode(), "a.csv", ",", [["作者", "名言"], ["苏格拉底", "知, 己"]]),
        ("作者;名言\n苏格拉底;知,己\n".encode("gb18030"), "a.CSV", ";", [["作者", "名言"], ["苏格拉底", "知,己"]]),
        (b"\xef\xbb\xbfa\tb\n1\t2\n", "a.tsv", "\t", [["a", "b"], ["1", "2"]]),
        (codecs.BOM_UTF16_LE + "a\tb\n1\t2\n".encode("utf-16-le"), "a.csv", "\t", [["a", "b"], ["1", "2"]]),
        (b"one\ntwo\n", "a.csv", ",", [["one"], ["two"]]),
        (b'a,b\n"cut in the mid', "a.csv", ",", [["a", "b"], ["cut in the mid"]]),
    ],
)  # fmt: skip
def test_delimited_columns_are_a_table(content: bytes, name: str, delimiter: str, rows: list[list[str]]) -> None:
    found = whole(content, name)
    assert found.kind == "table"
    assert found.table is not None
    assert (found.table.delimiter, found.table.rows, found.table.cut) == (delimiter, rows, False)


def test_a_wide_and_long_table_is_cut_and_says_so() -> None:
    row = ",".join(["x" * (MOST_CELL + 1)] * (MOST_COLUMNS + 1))
    found = whole("\n".join([row] * (MOST_ROWS + 1)).encode(), "a.csv")
    assert found.table is not None
    assert found.table.cut
    assert found.truncated
    assert len(found.table.rows) == MOST_ROWS
    assert {(len(row), len(row[0])) for row in found.table.rows} == {(MOST_COLUMNS, MOST_CELL)}
    assert whole(b'"' + b"x" * 200_000, "a.csv").kind == "text"


def test_what_text_is_called_and_what_it_is() -> None:
    assert whole(b'{"a": [1]}', "a.json").kind == "json"
    assert whole(b"{'a': 1}", "a.json").kind == "text"
    assert whole(b"[" * 100_000, "a.json").kind == "text"
    assert whole(b'{"a": 1}\n{"a": 2}\n', "a.jsonl").kind == "jsonl"
    assert whole(b"", "a.csv").kind == "text"
    assert whole(b"<svg onload='alert(1)'/>", "a.svg").kind == "text"
    assert whole(b"\x00\x01", "a.csv").kind == "binary"
    assert whole(b"\x89PNG\r\n\x1a\n\x00", "a.txt").kind == "image"


def test_a_part_ends_with_whole_characters_and_begins_with_a_whole_line() -> None:
    text = "价格：五十元，东京。"
    for encoding in ("utf-8", "gb18030"):
        encoded = text.encode(encoding)
        for end in range(len(encoded) - 5, len(encoded)):
            found = preview(encoded[:end], "a.txt", at_start=True, at_end=False)
            assert (found.encoding, found.truncated) == (encoding, True)
            assert text.startswith(found.text or "?")
    found = preview("元\nlast line\n".encode()[1:], "a.log", at_start=False, at_end=True)
    assert (found.text, found.truncated) == ("last line\n", True)


def test_only_images_without_programs_in_them_are_images() -> None:
    assert image_type(b"\x89PNG\r\n\x1a\n....") == "image/png"
    assert image_type(b"\xff\xd8\xff\xe0") == "image/jpeg"
    assert image_type(b"RIFF\x00\x00\x00\x00WEBPVP8 ") == "image/webp"
    for other in (b"RIFF\x00\x00\x00\x00WAVE", b"<svg xmlns=", b"<?xml", b"GIF", b"", b"%PDF-1.7", b"<html>"):
        assert image_type(other) is None
