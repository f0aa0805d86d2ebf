"""Names and values that hold in an environment, and those that do not."""

from __future__ import annotations

import os
import string
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.errors import InvalidInput
from kumo.variables.rules import (
    LARGEST_STRING_BYTES,
    LARGEST_VALUE_BYTES,
    LONGEST_NAME,
    check_name,
    check_value,
    goes_as_file,
    size_of,
    warnings,
    weigh,
)

LETTERS = string.ascii_letters + "_"
names = st.builds(
    lambda first, rest: first + rest, st.sampled_from(LETTERS), st.text(LETTERS + string.digits, max_size=20)
)


@given(name=names, size=st.integers(0, LARGEST_VALUE_BYTES), as_file=st.booleans())
def test_what_a_variable_weighs_is_what_a_process_is_given(name: str, size: int, *, as_file: bool) -> None:
    weight = weigh(name, size, as_file=as_file)
    if goes_as_file(name, size, as_file=as_file):
        assert weight.files == size
        assert weight.environment >= len(f"{name}_FILE=/a/path\0")
    else:
        assert weight.files == 0
        assert weight.environment == len(name) + size + 2 <= LARGEST_STRING_BYTES


@pytest.mark.parametrize("value", ["", "=", "a=b", "line\nline", "  ", "$(reboot)", "'\"\\", "数据 🔑", "\x7f\x1b[31m"])
def test_a_script_is_given_a_value_as_it_is(value: str) -> None:
    check_value(value)
    shown = subprocess.run(
        ["/usr/bin/env", "-0"], env={"NAME": value}, stdout=subprocess.PIPE, check=True
    ).stdout.split(b"\0")
    assert f"NAME={value}".encode() in shown


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            " ",
            "1A",
            "A-B",
            "A B",
            "A=B",
            "A\0",
            "A\n",
            "\nA",
            "É",
            "变量",
            "A.B",
            "$A",
            "a;b",
            "A\u200b",
            "ＡＢ",
            "٣",
        ),
        *("A" * (LONGEST_NAME + 1), "()", "BASH_FUNC_ls%%"),
    ],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"name") as refused:
        check_name(name)
    assert [detail.field for detail in refused.value.details] == ["name"]


@pytest.mark.parametrize(
    "name", ["KUMO_RUN_ID", "KUMO_", "kumo_secret_key", "PATH", "HOME", "OUTPUT_DIR", "DATA_DIR", "PYTHONUNBUFFERED"]
)
def test_what_kumo_sets_itself_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="Kumo"):
        check_name(name)


@pytest.mark.parametrize("name", ["A", "_", "a1", "PYTHONPATH", "HTTP_PROXY", "TZ", "KUMO", "path", "A" * LONGEST_NAME])
def test_what_a_script_may_want_is_accepted(name: str) -> None:
    check_name(name)


def test_values_that_no_variable_can_hold_are_refused_without_being_repeated() -> None:
    for value in ("precious\0", "precious\ud800", "precious" * (LARGEST_VALUE_BYTES // 8) + "!", "é" * 600_000):
        with pytest.raises(InvalidInput) as refused:
            check_value(value)
        assert [detail.field for detail in refused.value.details] == ["value"]
        assert "precious" not in refused.value.message
    check_value("é" * (LARGEST_VALUE_BYTES // 2))


def test_the_longest_string_that_is_given_is_the_longest_that_linux_takes() -> None:
    name = "LONG"
    longest = "x" * (LARGEST_STRING_BYTES - len(name) - 2)
    assert not goes_as_file(name, size_of(longest), as_file=False)
    subprocess.run(["/bin/true"], env={name: longest}, check=True)
    assert goes_as_file(name, size_of(longest) + 1, as_file=False)
    with pytest.raises(OSError, match="Argument list too long"):
        subprocess.run(["/bin/true"], env={name: longest + "x"}, check=True)


def test_an_environment_at_its_limit_starts() -> None:
    values = {f"V{number}": "x" * 100_000 for number in range(10)}
    assert sum(weigh(name, len(value), as_file=False).environment for name, value in values.items()) < 1 << 20
    subprocess.run(["/bin/true"], env=dict(os.environ) | values, check=True)


def test_what_should_be_known_is_said() -> None:
    assert warnings("LD_PRELOAD", "x", is_secret=False)
    assert warnings("TOKEN", "short", is_secret=True)
    assert not warnings("TOKEN", "long enough", is_secret=True)
    assert not warnings("TOKEN", None, is_secret=True)
    assert not warnings("COLOUR", "red", is_secret=False)
