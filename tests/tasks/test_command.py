from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.errors import InvalidInput
from kumo.tasks.command import split_command


def test_a_command_is_split_as_a_shell_would() -> None:
    assert split_command("""python main.py --name "a b" 'c $HOME' d\\ e""", shell=False) == (
        "python",
        "main.py",
        "--name",
        "a b",
        "c $HOME",
        "d e",
    )


def test_a_shell_gets_the_command_as_it_stands() -> None:
    assert split_command("a | b > c && d", shell=True) == (  # noqa: S604 - nothing is started
        "/bin/sh",
        "-c",
        "a | b > c && d",
    )


@given(arguments=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
def test_quoted_arguments_come_back_as_they_were(arguments: list[str]) -> None:
    arguments = ["program", *arguments]
    assert split_command(shlex.join(arguments), shell=False) == tuple(arguments)


@pytest.mark.parametrize("command", ["", "  ", "\n\t", "''", '"" main.py'])
def test_an_empty_command_is_refused(command: str) -> None:
    with pytest.raises(InvalidInput, match="is empty") as caught:
        split_command(command, shell=False)
    assert caught.value.details[0].field == "command"


@pytest.mark.parametrize("shell", [False, True])
def test_a_nul_character_is_refused(*, shell: bool) -> None:
    with pytest.raises(InvalidInput, match="NUL"):
        split_command("python\0main.py", shell=shell)


@pytest.mark.parametrize("command", ["echo 'a", 'python "main.py', "python main.py \\"])
def test_an_unclosed_quote_is_refused(command: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be split"):
        split_command(command, shell=False)


@pytest.mark.parametrize(
    "command", ["a | b", "a|b", "a && b", "a; b", "a > out", "a >> out", "a 2>&1", "a < in", "a &", "a &> out"]
)
def test_what_needs_a_shell_is_refused_without_one(command: str) -> None:
    with pytest.raises(InvalidInput, match="needs a shell"):
        split_command(command, shell=False)


@pytest.mark.parametrize(
    "command", ["echo 'a | b'", 'echo "a > b; c"', r"find . -exec rm {} \;", "curl 'http://x/?a=1&b=2'", "echo '&&'"]
)
def test_a_quoted_operator_is_an_argument_like_others(command: str) -> None:
    assert split_command(command, shell=False) == tuple(shlex.split(command))
