"""The command of a task: split as a shell would, run without one. Pure."""

from __future__ import annotations

import re
import shlex
from functools import lru_cache

from kumo.errors import InvalidInput

_EMPTY = "The command is empty. Write what is to be run, as python main.py."
_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.""", re.DOTALL)
_OPERATOR = re.compile(r"[0-9]*[|&;<>]+[0-9]*")


@lru_cache(maxsize=1000)  # the commands of tasks are split at each run
def split_command(command: str, *, shell: bool) -> tuple[str, ...]:
    """The arguments to execute.

    Raises `InvalidInput` on the field `command` for an empty command, an unclosed quote, or shell operators without
    a shell: those would reach the program as arguments and look like a success.
    """
    if "\0" in command:
        raise InvalidInput.at("command", "The command holds a NUL character.")
    if not command.strip():
        raise InvalidInput.at("command", _EMPTY)
    if shell:
        return ("/bin/sh", "-c", command)
    try:
        arguments = tuple(shlex.split(command))
    except ValueError as error:
        raise InvalidInput.at("command", f"The command cannot be split into words: {error}.") from None
    if operator := _OPERATOR.search(_QUOTED.sub("_", command)):
        raise InvalidInput.at(
            "command", f"The command uses {operator[0]!r}, which needs a shell. Turn on `shell`, or quote it."
        )
    if not arguments or not arguments[0]:
        raise InvalidInput.at("command", _EMPTY)
    return arguments
