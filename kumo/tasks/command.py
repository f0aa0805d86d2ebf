"""The command of a task: split as a shell would, run without one. Pure."""

from __future__ import annotations

import re
import shlex

from kumo.errors import InvalidInput

_SHELL_WORDS = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<", "<<", "2>", "2>&1", "&>"})
_SCRIPT = re.compile(r".+\.pyw?$")
_PYTHON = re.compile(r"^python(\d+(\.\d+)*)?$")
_OPTIONS_WITH_VALUE = frozenset({"-X", "-W"})


def split_command(command: str, *, shell: bool) -> tuple[str, ...]:
    """The arguments to execute.

    Raises `InvalidInput` on the field `command` for an empty command, an unclosed quote, or shell operators without
    a shell: those would reach the program as arguments and look like a success.
    """
    if "\0" in command:
        raise InvalidInput.at("command", "The command holds a NUL character.")
    if not command.strip():
        raise InvalidInput.at("command", "The command is empty. Write what is to be run, as: python main.py")
    if shell:
        return ("/bin/sh", "-c", command)
    try:
        arguments = tuple(shlex.split(command))
        # The plain lexer keeps quotes, so a quoted "|" is not taken for an operator.
        words = shlex.shlex(command, posix=False, punctuation_chars=True)
        words.whitespace_split = True
        operator = next((word for word in words if word in _SHELL_WORDS), None)
    except ValueError as error:
        raise InvalidInput.at("command", f"The command cannot be split into words: {error}.") from None
    if operator is not None:
        raise InvalidInput.at(
            "command", f"The command uses {operator!r}, which needs a shell. Turn on `shell`, or quote it."
        )
    if not arguments or not arguments[0]:
        raise InvalidInput.at("command", "The command is empty. Write what is to be run, as: python main.py")
    return arguments


def script_of(command: str, *, shell: bool) -> str | None:
    """The project's script that a command like `python -u main.py --full` runs; None for any other command."""
    if shell:
        return None
    try:
        arguments = shlex.split(command)
    except ValueError:
        return None
    if not arguments:
        return None
    if _SCRIPT.match(arguments[0]):
        return arguments[0].removeprefix("./")
    if not _PYTHON.match(arguments[0]):
        return None
    rest = iter(arguments[1:])
    for argument in rest:
        if argument in _OPTIONS_WITH_VALUE:
            next(rest, None)
        elif not argument.startswith("-"):
            return argument.removeprefix("./") if _SCRIPT.match(argument) else None
        elif argument in {"-m", "-c"}:
            return None
    return None
