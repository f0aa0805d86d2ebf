"""Which versions suit what somebody asks for."""

from __future__ import annotations

import pytest

from kumo.environments.needs.python_request import parse_python_request
from kumo.errors import InvalidInput


@pytest.mark.parametrize(
    ("asked", "version", "suits"),
    [
        ("3.12", "3.12.1", True),
        ("3.12", "3.1.2", False),
        ("3.1", "3.12.1", False),
        ("3.12.1", "3.12.1", True),
        ("3.12.1", "3.12.10", False),
        ("3", "3.9.18", True),
        (">=3.11,<3.13", "3.12.1", True),
        (">=3.11,<3.13", "3.13.0", False),
        ("~=3.11", "3.13.0", True),
        ("==3.12.*", "3.12.1", True),
        (">=3.14", "3.14.0rc1", False),
        ("3.14", "3.14.0rc1", True),
    ],
)
def test_a_version_suits_what_was_asked_for(asked: str, version: str, *, suits: bool) -> None:
    assert parse_python_request(asked).matches(version) is suits


@pytest.mark.parametrize(
    "asked", ["", " ", "python3", "/usr/bin/python3", "3.x", "latest", "2.7", "4", "--help", "3" * 200]
)
def test_what_is_no_version_is_refused(asked: str) -> None:
    with pytest.raises(InvalidInput, match="is no Python version") as caught:
        parse_python_request(asked)
    assert caught.value.details[0].field == "python"
