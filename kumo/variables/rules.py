"""What a variable may be named and hold, and how it reaches a script. Pure.

A process gets its environment as strings `NAME=value`. Linux refuses one that is longer than 128 KiB, and all of them
together when they are longer than a quarter of the stack's limit (2 MiB as a rule, arguments included). So a long value
goes as a file: the script finds it in the directory `KUMO_VARIABLES_DIR` under the variable's name, and its path in
`NAME_FILE`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from kumo.errors import InvalidInput

KIB = 1024
MIB = 1024 * KIB

DIRECTORY_VARIABLE = "KUMO_VARIABLES_DIR"
FILE_SUFFIX = "_FILE"

LONGEST_NAME = 200
LARGEST_VALUE_BYTES = MIB
LARGEST_STRING_BYTES = 128 * KIB  # MAX_ARG_STRLEN with pages of 4 KiB; the NUL at the end counts
LARGEST_ENVIRONMENT_BYTES = MIB  # half of what Linux takes: the rest is for arguments and what every run is given
LARGEST_FILES_BYTES = 16 * MIB

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH_BYTES = 512  # what `NAME_FILE=` is counted for
_SHORTEST_SECRET = 8

# Set for every run by Kumo itself, in `kumo.runs.preparation`.
_OF_KUMO = frozenset(
    {"PATH", "HOME", "OUTPUT_DIR", "DATA_DIR", "BASE_DATA_DIR", "PYTHONUNBUFFERED", "PYTHONIOENCODING"}
)
_KUMO_PREFIX = "KUMO_"
# Followed by every program, Python itself included, before the script's first line.
_DANGEROUS = frozenset({"LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "PYTHONHOME", "BASH_ENV", "ENV"})


class VariableScope(StrEnum):
    """Whose runs a variable is for; the narrowest scope that has a name wins."""

    GLOBAL = "global"  # all runs
    PROJECT = "project"  # the runs of one project
    TASK = "task"  # the runs of one task


@dataclass(frozen=True, kw_only=True)
class Weight:
    """What a variable takes of the limits, in bytes."""

    environment: int
    files: int


def check_name(name: str) -> None:
    """`InvalidInput` for what no environment variable can be named, and for what Kumo sets itself."""
    if not _NAME.fullmatch(name):
        raise InvalidInput.at(
            "name", "The name of a variable has letters A to Z, digits and underscores only, and no digit in front."
        )
    if len(name) > LONGEST_NAME:
        raise InvalidInput.at("name", f"The name is longer than {LONGEST_NAME} characters.")
    if name.upper().startswith(_KUMO_PREFIX):
        raise InvalidInput.at("name", f"Names that begin with {_KUMO_PREFIX} are Kumo's own. Choose another name.")
    if name in _OF_KUMO:
        raise InvalidInput.at("name", f"{name} is set by Kumo itself for every run. Choose another name.")


def check_value(value: str) -> None:
    """`InvalidInput` for what fits neither an environment nor a file; the message does not repeat the value."""
    if "\0" in value:
        raise InvalidInput.at("value", "The value has a NUL character in it, which no environment variable can hold.")
    size = size_of(value)
    if size > LARGEST_VALUE_BYTES:
        raise InvalidInput.at(
            "value",
            f"The value has {size:,} bytes; the most is {LARGEST_VALUE_BYTES:,}. "
            "Keep it in a file of the project, or where the script can fetch it.",
        )


def size_of(value: str) -> int:
    """How many bytes a value has, as a process gets it."""
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise InvalidInput.at("value", "The value has half a character in it (a lone surrogate).") from None


def goes_as_file(name: str, size_bytes: int, *, as_file: bool) -> bool:
    """Whether a value reaches the script as a file: because it was asked for, or because it is too long otherwise."""
    return as_file or len(name) + size_bytes + len("=\0") > LARGEST_STRING_BYTES


def weigh(name: str, size_bytes: int, *, as_file: bool) -> Weight:
    """What the variable takes of a process's limits."""
    if goes_as_file(name, size_bytes, as_file=as_file):
        return Weight(environment=len(name) + len(FILE_SUFFIX) + _PATH_BYTES, files=size_bytes)
    return Weight(environment=len(name) + size_bytes + len("=\0"), files=0)


def warnings(name: str, value: str | None, *, is_secret: bool) -> list[str]:
    """What whoever sets the variable should know; `value` is None where it is not to be told anything about it."""
    found = []
    if name in _DANGEROUS:
        found.append(f"{name} changes how every program of a run starts; with a wrong value none of them does.")
    if is_secret and value is not None and len(value) < _SHORTEST_SECRET:
        found.append(
            f"The secret is shorter than {_SHORTEST_SECRET} characters: easily guessed, and hard to hide in logs."
        )
    return found


def kib(size_bytes: int) -> str:
    """A size in a sentence."""
    return f"{size_bytes / KIB:,.0f} KiB"
