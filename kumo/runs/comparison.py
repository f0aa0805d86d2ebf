"""What differs between two runs, to find out why one went well and the other did not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# In the order in which a person would ask.
COMPARED = (
    "task_id",
    "command",
    "shell",
    "snapshot_id",
    "build_id",
    "environment_id",
    "interpreter",
    "parameters",
    "variable_versions",
    "own_variables",
    "timeout_seconds",
    "limits",
    "rate_limit",
    "proxy",
    "retry",
    "state",
    "exit_code",
    "reason",
    "attempt",
)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not the same; of objects, one entry, as `limits.memory_bytes`."""

    field: str
    this: Any
    other: Any


def differences(this: Mapping[str, Any], other: Mapping[str, Any]) -> list[Difference]:
    """Every field of `COMPARED` in which the two are not alike."""
    found: list[Difference] = []
    for name in COMPARED:
        mine, theirs = this.get(name), other.get(name)
        if isinstance(mine, dict) or isinstance(theirs, dict):
            mine, theirs = mine or {}, theirs or {}
            found += [
                Difference(field=f"{name}.{key}", this=mine.get(key), other=theirs.get(key))
                for key in sorted(mine.keys() | theirs.keys())
                if mine.get(key) != theirs.get(key)
            ]
        elif mine != theirs:
            found.append(Difference(field=name, this=mine, other=theirs))
    return found
