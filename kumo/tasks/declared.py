"""What a file says of a task beside what the task is: the fields that differ. Pure.

What is said is a part of what there is: a field that is not said may have any value. Triggers have no names, so each
that is said is looked for among those there are; their order means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kumo.tasks.triggers import Trigger, Webhook, to_settings


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field that is not as it is said; None for a trigger that is not there, or not said."""

    field: str  # "retry.max_attempts", "triggers[0].expression": where it is said, or else where it is
    present: Any
    said: Any


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Where a trigger is said, and where it is; None where it is new, or to be removed."""

    said: int | None
    present: int | None


def differences(said: Mapping[str, Any], present: Mapping[str, Any]) -> list[Difference]:
    """Every field that is said and is not so."""
    return list(_differences(said, present, ""))


def _differences(said: Mapping[str, Any], present: Mapping[str, Any], prefix: str) -> Iterator[Difference]:
    for name, value in said.items():
        there = present.get(name)
        if name == "triggers":
            yield from _differences_of_triggers(value, there or [])
        elif isinstance(value, dict) and isinstance(there, dict):
            yield from _differences(value, there, f"{prefix}{name}.")
        elif value != there:
            yield Difference(field=f"{prefix}{name}", present=there, said=value)


def _differences_of_triggers(
    said: Sequence[Mapping[str, Any]], present: Sequence[Mapping[str, Any]]
) -> Iterator[Difference]:
    for pair in paired(said, present):
        if pair.said is None:
            assert pair.present is not None, "a pair has a side"
            yield Difference(field=f"triggers[{pair.present}]", present=present[pair.present], said=None)
        elif pair.present is None:
            yield Difference(field=f"triggers[{pair.said}]", present=None, said=said[pair.said])
        else:
            yield from _differences(said[pair.said], present[pair.present], f"triggers[{pair.said}].")


def paired(said: Sequence[Mapping[str, Any]], present: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Which trigger that is said is which that is there: an equal one first, or else one of its type.

    A trigger that is found keeps its place in time, its delays and its address. What is said stands first, in its
    order; then what is to be removed.
    """
    free = list(range(len(present)))
    found: dict[int, int] = {}
    for is_the_same in (_agrees, _is_of_the_type):
        for at, trigger in enumerate(said):
            if (
                at not in found
                and (twin := next((i for i in free if is_the_same(trigger, present[i])), None)) is not None
            ):
                found[at] = twin
                free.remove(twin)
    pairs = [Pair(said=at, present=found.get(at)) for at in range(len(said))]
    return pairs + [Pair(said=None, present=at) for at in free]


def _agrees(said: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    return all(present.get(name) == value for name, value in said.items())


def _is_of_the_type(said: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    return bool(said["type"] == present["type"])


def trigger_as_json(trigger: Trigger) -> dict[str, Any]:
    """A trigger as it is compared: all that it says but the secret of a webhook, which no file may hold."""
    kind, settings = to_settings(trigger)
    if isinstance(trigger, Webhook):
        settings = {}
    moments = {
        name: moment_as_json(getattr(trigger, name)) for name in ("start_at", "end_at", "at") if name in settings
    }
    return {"type": kind} | settings | moments


def moment_as_json(moment: datetime | None) -> str | None:
    """A moment in UTC as answers have it, as exact as it is."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
