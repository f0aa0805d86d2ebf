"""Writing tasks as `kumo.toml`: text that, applied, changes nothing. Pure.

Only what is not the default is written. TOML's reader is in the standard library and a writer is not: the few kinds of
values that a task has are written here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kumo.declarations.document import DURATIONS, SIZES
from kumo.declarations.positions import key_text
from kumo.declarations.quantities import NONE, duration_text, size_text
from kumo.declarations.reading import NOTHING_SAID, DeclaredEnvironment

_TRIGGER_DEFAULTS = {"timezone": "UTC", "jitter_seconds": 0, "on": "success"}
_MOMENTS = ("start_at", "end_at", "at")
_POLICIES = ("retry", "limits", "rate_limit")
_WIDEST = 100


def write(tasks: Iterable[Mapping[str, Any]], environment: DeclaredEnvironment | None = None) -> str:
    """The file that says what some tasks are, as `kumo.tasks.declared` compares them with names in the place of ids.

    Those that have the environment of the file do not name it.
    """
    blocks = [] if environment is None else ["\n".join(_environment(environment))]
    default = None if environment is None else environment.name
    blocks += ["\n".join(_task(task, default)) for task in tasks]
    return "\n\n".join(blocks) + "\n"


def _environment(environment: DeclaredEnvironment) -> Iterator[str]:
    yield "[environment]"
    for name, value in vars(environment).items():
        if value is not None:
            yield f"{name} = {_value(value)}"


def _task(task: Mapping[str, Any], default_environment: str | None) -> Iterator[str]:
    header = f"tasks.{key_text(task['name'])}"
    yield f"[{header}]"
    yield f"command = {_value(task['command'])}"
    if task["environment"] != default_environment:
        yield f"environment = {_value(task['environment'] or NONE)}"
    if not task["active"]:
        yield "active = false"
    for name, default in NOTHING_SAID.items():
        if name not in (*_POLICIES, "blackouts", "command") and task[name] != default:
            yield f"{name} = {_quantity(name, task[name])}"
    if task["blackouts"]:
        yield "blackouts = ["
        for blackout in task["blackouts"]:
            said = {name: value for name, value in blackout.items() if value is not None}
            yield f"  {_inline(said)},"
        yield "]"
    for name in _POLICIES:
        said = {key: value for key, value in task[name].items() if value != NOTHING_SAID[name][key]}
        if said:
            yield f"\n[{header}.{name}]"
            yield from (f"{key} = {_quantity(key, value)}" for key, value in said.items())
    for trigger in task["triggers"]:
        yield f"\n[[{header}.triggers]]"
        yield from _trigger(trigger)


def _trigger(trigger: Mapping[str, Any]) -> Iterator[str]:
    for name, value in trigger.items():
        if value is None or _TRIGGER_DEFAULTS.get(name) == value:
            continue
        yield f"{name} = {value if name in _MOMENTS else _quantity(name, value)}"


def _quantity(name: str, value: Any) -> str:
    if value is None:
        return _value(NONE)
    if name in SIZES:
        return _value(size_text(value))
    if name not in DURATIONS:
        return _value(value)
    text = duration_text(value / 1000 if name.endswith("_ms") else value)
    return _value(text if isinstance(text, str) else value)  # a bare number counts what the name says


def _value(value: Any) -> str:
    if isinstance(value, str):
        # JSON's texts are TOML's, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return _list([_value(each) for each in value])
    return repr(value)


def _list(items: list[str]) -> str:
    line = f"[{', '.join(items)}]"
    if len(line) <= _WIDEST:
        return line
    return "[\n" + "".join(f"  {item},\n" for item in items) + "]"


def _inline(table: Mapping[str, Any]) -> str:
    return "{ " + ", ".join(f"{name} = {_value(value)}" for name, value in table.items()) + " }"
