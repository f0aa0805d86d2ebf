from __future__ import annotations

import pytest

from kumo.errors import InvalidInput
from kumo.projects.text import Text, encode_like, read_text


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", Text(encoding="utf-8", content="")),
        ("print('数据')\r\n".encode(), Text(encoding="utf-8", content="print('数据')\r\n")),
        (b"\xef\xbb\xbfa", Text(encoding="utf-8-sig", content="a")),
        ("# 采集数据".encode("gbk"), Text(encoding="gb18030", content="# 采集数据")),
        (b"\x89PNG\r\n\x1a\n\0\0", None),
        (b"a\0b", None),
        (b"\xff\xfea\x01", None),
    ],
)
def test_text_is_told_from_other_bytes(content: bytes, found: Text | None) -> None:
    assert read_text(content) == found


def test_saving_keeps_the_encoding_of_the_file() -> None:
    assert encode_like("改", "数据".encode("gbk"), None) == "改".encode("gbk")
    assert encode_like("x", b"\xef\xbb\xbfa", None) == b"\xef\xbb\xbfx"
    assert encode_like("改", None, None) == "改".encode()
    assert encode_like("改", "数据".encode("gbk"), "utf-8") == "改".encode()


def test_half_a_character_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        encode_like("a\ud800", None, None)
    assert caught.value.details[0].field == "content"
