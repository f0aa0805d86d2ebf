"""The command that starts one script of a project. Pure."""

from __future__ import annotations

import re
import shlex

from kumo.errors import InvalidInput
from kumo.projects.paths import shown

_BASH = re.compile(rb"#!.*\bbash\b")


def python_command(path: str) -> str:
    """How Python is started with a script."""
    return f"python {_as_argument(path)}"


def command_of(path: str, first_line: bytes) -> str:
    """How a script is started that its name tells to be one; `InvalidInput` for any other file."""
    if path.endswith((".py", ".pyw")):
        return python_command(path)
    if path.endswith((".sh", ".bash")):
        is_bash = path.endswith(".bash") or _BASH.match(first_line)
        return f"{'bash' if is_bash else 'sh'} {_as_argument(path)}"
    raise InvalidInput.at("path", f"{shown(path)} is neither Python nor a shell script. Say how to run it: `command`.")


def _as_argument(path: str) -> str:
    # A file named “-c.py” would be taken for an option.
    return shlex.quote(f"./{path}" if path.startswith("-") else path)
