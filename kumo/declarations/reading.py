"""Reading `kumo.toml`: its text becomes what it says, and everything that is wrong with its form, at once."""

from __future__ import annotations

import copy
import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from kumo.declarations.document import (
    AfterTable,
    CronTable,
    DateTable,
    EnvironmentTable,
    FileTable,
    IntervalTable,
    LimitTable,
    RateLimitTable,
    RetryTable,
    TaskTable,
    WebhookTable,
)
from kumo.declarations.positions import Part, line_of, lines_of, path_text
from kumo.declarations.problems import Problem
from kumo.declarations.quantities import NONE
from kumo.tasks.declared import moment_as_json
from kumo.tasks.schemas import BlackoutFields
from kumo.tasks.service import TaskDefinition

_AT_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")
# What a task is that says nothing but its command.
NOTHING_SAID: Final[dict[str, Any]] = {
    name: list(value) if isinstance(value, tuple) else value
    for name, value in asdict(TaskDefinition(name="", project_id=0, command="")).items()
    if name not in ("name", "project_id", "environment_id", "active")
}
_MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "environment": EnvironmentTable,
    "retry": RetryTable,
    "limits": LimitTable,
    "rate_limit": RateLimitTable,
    "blackouts": BlackoutFields,
    "cron": CronTable,
    "interval": IntervalTable,
    "date": DateTable,
    "after": AfterTable,
    "webhook": WebhookTable,
}
_KINDS: Final = ("cron", "interval", "date", "after", "webhook")
_KIND_AT: Final = 4  # tasks, its name, triggers, a number, and there the kind
_WITHOUT_TYPE: Final = ("union_tag_not_found", "union_tag_invalid")


@dataclass(frozen=True, kw_only=True)
class DeclaredEnvironment:
    """What the file says of an environment; only a name means one that is there."""

    name: str | None = None
    python: str | None = None
    packages: tuple[str, ...] | None = None
    requirements: str | None = None  # the path of a file

    @property
    def is_described(self) -> bool:
        """Whether the file says what is in it."""
        return (self.python, self.packages, self.requirements) != (None, None, None)


@dataclass(frozen=True, kw_only=True)
class DeclaredTask:
    """What the file says of a task, as `kumo.tasks.declared` compares it, but with names in the place of ids."""

    name: str
    said: Mapping[str, Any]
    previously: str | None = None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a file says; where it has problems, the tasks that have none."""

    environment: DeclaredEnvironment | None = None
    tasks: tuple[DeclaredTask, ...] = ()
    names: frozenset[str] = frozenset()  # of all tasks in the file, also of those with problems
    problems: tuple[Problem, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)

    def problem(self, path: str, message: str) -> Problem:
        """A problem with its line."""
        return Problem(path=path, message=message, line=line_of(self.lines, path))


def read(text: str) -> Reading:
    """What the text says."""
    try:
        return _read(tomllib.loads(text), text)
    except RecursionError:
        return Reading(problems=(Problem(path="", message="This is nested too deeply to be read."),))
    except ValueError as error:  # what is no TOML, and numbers of thousands of digits
        return Reading(problems=(_broken(str(error), text),))


def _read(data: dict[str, Any], text: str) -> Reading:
    lines = lines_of(text)
    problems: tuple[Problem, ...] = ()
    try:
        FileTable.model_validate(data, strict=True)
    except ValidationError as error:
        problems = tuple(_problem(each, lines) for each in error.errors())
    if _holds_nul(data):
        problems = (*problems, Problem(path="", message="A text in the file holds a NUL character. Take it out."))
    found = data.get("tasks")
    tables: dict[str, Any] = found if isinstance(found, dict) else {}
    return Reading(
        environment=_environment(data.get("environment")),
        tasks=tuple(task for name, table in tables.items() if (task := _task(name, table)) is not None),
        names=frozenset(tables),
        problems=problems,
        lines=lines,
    )


def _holds_nul(value: Any) -> bool:
    """Whether there is a text that no database stores."""
    if isinstance(value, dict):
        return any(_holds_nul(each) for each in (*value, *value.values()))
    if isinstance(value, list):
        return any(_holds_nul(each) for each in value)
    return isinstance(value, str) and "\0" in value


def _broken(message: str, text: str) -> Problem:
    found = _AT_LINE.search(message)
    line = int(found[1]) if found else text.count("\n") + 1
    return Problem(path="", message=f"This is no TOML: {message.split(' (at ', maxsplit=1)[0]}.", line=line)


def _environment(table: Any) -> DeclaredEnvironment | None:
    try:
        given = EnvironmentTable.model_validate(table, strict=True)
    except ValidationError:
        return None
    packages = None if given.packages is None else tuple(given.packages)
    return DeclaredEnvironment(name=given.name, python=given.python, packages=packages, requirements=given.requirements)


def _task(name: str, table: Any) -> DeclaredTask | None:
    """What is said of a task; of one with problems what is left without them, so that the rest is checked as well."""
    try:
        given = TaskTable.model_validate(table, strict=True)
    except ValidationError as error:
        try:
            given = TaskTable.model_validate(_mended(table, error), strict=True)
        except ValidationError:
            return None
    said = {"name": name} | copy.deepcopy(NOTHING_SAID)
    for each in given.model_fields_set - {"previously", "triggers", "environment"}:
        value = getattr(given, each)
        if isinstance(value, BaseModel):
            said[each] |= value.model_dump(exclude_unset=True)
        else:
            said[each] = value
    said["tags"] = list(dict.fromkeys(said["tags"]))
    said["blackouts"] = [each.model_dump() for each in given.blackouts or ()]
    said["triggers"] = [_trigger(each) for each in given.triggers]
    if given.environment is not None:
        said["environment"] = None if given.environment == NONE else given.environment
    return DeclaredTask(name=name, said=said, previously=given.previously)


def _mended(table: Any, error: ValidationError) -> Any:
    """The table without what is wrong in it, and with something else where it must have something."""
    if not isinstance(table, dict):
        return table
    mended = copy.deepcopy(table)
    for each in error.errors():
        match each["loc"]:
            case ("command", *_):
                mended["command"] = "true"
            case ("triggers", int(at), *_):
                mended["triggers"][at] = {"type": "webhook"}  # the others keep their numbers
            case ("retry" | "limits" | "rate_limit" as policy, str(key), *_) if isinstance(mended.get(policy), dict):
                mended[policy].pop(key, None)
            case (str(key), *_):
                mended.pop(key, None)
    return mended


def _trigger(table: BaseModel) -> dict[str, Any]:
    """A trigger as it is compared; an interval without a start keeps the one that it has."""
    said = table.model_dump()
    if said["type"] == "interval" and said["start_at"] is None:
        del said["start_at"]
    return {name: _moment(value) if isinstance(value, datetime) else value for name, value in said.items()}


def _moment(given: datetime) -> str | None:
    """As exact as the answers of the API are, and so what is written of them."""
    return moment_as_json(given.replace(microsecond=given.microsecond // 1000 * 1000))


# --- what is wrong, in words -----------------------------------------------------------------------------------------


def _problem(error: Any, lines: Mapping[str, int]) -> Problem:
    parts = _place(error["loc"])
    if error["type"] in _WITHOUT_TYPE:
        parts = (*parts, "type")
    path = path_text(parts)
    return Problem(path=path, message=_message(error, parts), line=line_of(lines, path))


def _place(location: tuple[Part, ...]) -> tuple[Part, ...]:
    """The place in the file: without what pydantic says of the kind of a trigger, or of a key."""
    parts: list[Part] = []
    for part in location:
        is_kind = len(parts) == _KIND_AT and parts[2] == "triggers" and part in _KINDS
        if part != "[key]" and not is_kind:
            parts.append(part)
    return tuple(parts)


def _message(error: Any, parts: tuple[Part, ...]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return _unknown(error["loc"])
    if error["type"] == "missing":
        return f"{parts[-1]} is missing, and must be given."
    if error["type"] in _WITHOUT_TYPE:
        return f"A trigger says its type: {', '.join(_KINDS)}."
    if message.startswith("Input should be "):
        message = f"This must be {message.removeprefix('Input should be ')}"
    return message if message.endswith((".", "?")) else f"{message}."


def _unknown(location: tuple[Part, ...]) -> str:
    """That a key is not known, and which one may be meant."""
    fields = list(_model_at(location[:-1]).model_fields)
    found = difflib.get_close_matches(str(location[-1]), fields, n=1, cutoff=0.5)
    meant = f" Do you mean {found[0]}?" if found else f" Known here: {', '.join(fields)}."
    return f"The key {str(location[-1])!r} is not known.{meant}"


def _model_at(location: tuple[Part, ...]) -> type[BaseModel]:
    match location:
        case ():
            return FileTable
        case ("tasks", _):
            return TaskTable
        case (*_, str(name), int()):
            return _MODELS[name]
    return _MODELS[str(location[-1])]
