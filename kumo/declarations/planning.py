"""What has to be done so that a project's tasks are as its file says. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from kumo.declarations.positions import key_text
from kumo.declarations.problems import InvalidDeclaration, Problem
from kumo.declarations.reading import NOTHING_SAID, DeclaredEnvironment, DeclaredTask, Reading
from kumo.environments.needs.definition import EnvironmentDefinition, checked
from kumo.errors import InvalidInput
from kumo.tasks.command import split_command
from kumo.tasks.declared import Difference, Pair, differences, moment_as_json, paired
from kumo.tasks.policies import Blackout, check_blackouts, check_proxy
from kumo.tasks.triggers import After, Trigger, Webhook, from_settings, validate

Action = Literal["create", "change", "adopt", "remove", "unchanged"]

_NUMBER = re.compile(r"\.(\d+)(?=\.|$)")


@dataclass(frozen=True, kw_only=True)
class PresentTask:
    """A task of the project as it is, with names in the place of ids."""

    id: int
    fields: Mapping[str, Any]  # as `kumo.tasks.declared` compares them
    declared_as: str | None = None  # the name that the file had for it; None where a person has made it

    @property
    def name(self) -> str:
        """Its name now."""
        return str(self.fields["name"])


@dataclass(frozen=True, kw_only=True)
class Present:
    """Everything that a plan depends on beside the file."""

    project_id: int
    project_name: str
    tasks: tuple[PresentTask, ...] = ()
    tasks_elsewhere: Mapping[str, str] = field(default_factory=dict)  # those that the file names, and their projects
    pools: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()
    environment: EnvironmentDefinition | None = None  # the one that this file has made
    requirements: str | None = None  # what stands in the file that [environment] names; None where it is not there


@dataclass(frozen=True, kw_only=True)
class TaskStep:
    """What is to be done with one task."""

    action: Action
    name: str
    task_id: int | None
    fields: tuple[Difference, ...] = ()
    said: Mapping[str, Any] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()  # its triggers, as they are said and as they are


@dataclass(frozen=True, kw_only=True)
class EnvironmentStep:
    """What is to be done with the environment that the file describes."""

    action: Action
    definition: EnvironmentDefinition
    fields: tuple[Difference, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is to be done, and what stays as it is."""

    environment: EnvironmentStep | None
    tasks: tuple[TaskStep, ...]

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        made = self.environment is None or self.environment.action == "unchanged"
        return made and all(step.action == "unchanged" for step in self.tasks)

    @property
    def hash(self) -> str:
        """Equal for plans that do the same, so that what was shown is what is done."""
        steps: list[Any] = [[step.action, step.name, step.task_id, _plain(step.fields)] for step in self.tasks]
        if self.environment is not None:
            steps.append([self.environment.action, self.environment.definition.name, _plain(self.environment.fields)])
        return hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()


def plan(reading: Reading, present: Present, now: datetime, *, only: int | None = None) -> Plan:
    """What is to be done, for all tasks or the one with the id `only`; `InvalidDeclaration` with all that is wrong.

    A task is found by the name that the file had for it, or else by the one that it has. What was declared once and is
    not any more is removed; what a person has made is left alone, or adopted where the file names it.
    """
    problems = list(reading.problems)
    environment = _environment_step(reading, present, problems)
    if environment is not None:
        default: str | None = environment.definition.name
    else:
        default = reading.environment.name if reading.environment else None
    if environment is not None:
        present = replace(present, environments=present.environments | {environment.definition.name})
    found = _found(reading, present)
    steps = []
    for task in reading.tasks:
        twin = found.get(task.name)
        step = _step(task, {"environment": default} | dict(task.said), twin)
        steps.append(step)
        for at, message in (*_wrong_name(task, twin, present), *_wrong(step, twin, reading, present, now)):
            problems.append(reading.problem(f"tasks.{key_text(task.name)}{at}", message))
    if problems:
        raise InvalidDeclaration(problems)
    kept = {twin.id for twin in found.values()}
    steps += [
        TaskStep(action="remove", name=task.name, task_id=task.id)
        for task in present.tasks
        if task.declared_as is not None and task.id not in kept
    ]
    if only is not None:
        steps = [step for step in steps if step.task_id == only]
        if not steps:
            raise InvalidInput.at("task_id", f"kumo.toml says nothing of task {only}.")
        if environment is not None and steps[0].said.get("environment") != environment.definition.name:
            environment = None
    return Plan(environment=environment, tasks=tuple(steps))


def to_trigger(
    said: Mapping[str, Any], present: Mapping[str, Any] | None, *, now: datetime, followed: int = 0
) -> Trigger:
    """The trigger that is said; what is not said stays as it is present, or begins now.

    `followed` is the id of the task that it comes after. A webhook keeps its secret.
    """
    if said["type"] == "webhook":
        return Webhook(keeps_secret=True)
    if said["type"] == "after":
        return After(task_id=followed, on=said["on"])
    start = (present or {}).get("start_at") or moment_as_json(now.replace(microsecond=now.microsecond // 1000 * 1000))
    settings = ({"start_at": start} if said["type"] == "interval" else {}) | dict(said)
    return from_settings(said["type"], settings)


def _found(reading: Reading, present: Present) -> dict[str, PresentTask]:
    """The task that is there for each that the file names."""
    declared = {task.declared_as: task for task in present.tasks if task.declared_as is not None}
    # A task that the file knows by another name is that one, whatever a person calls it meanwhile.
    named = {task.name: task for task in present.tasks if task.declared_as not in reading.names}
    found = {task.name: twin for task in reading.tasks if (twin := declared.get(task.name) or named.get(task.name))}
    taken = {twin.id for twin in found.values()}
    for task in reading.tasks:
        before = task.previously
        if task.name in found or before is None or before in reading.names:
            continue
        twin = declared.get(before) or named.get(before)
        if twin is not None and twin.id not in taken:
            found[task.name] = twin
            taken.add(twin.id)
    return found


def _step(task: DeclaredTask, said: Mapping[str, Any], twin: PresentTask | None) -> TaskStep:
    if twin is None:
        new = [each for each in differences(said, NOTHING_SAID) if each.field != "name"]
        fields = tuple(replace(each, present=None) for each in new)
        pairs = tuple(paired(said["triggers"], ()))
        return TaskStep(action="create", name=task.name, task_id=None, fields=fields, said=said, pairs=pairs)
    fields = tuple(differences(said, twin.fields))
    action: Action = "adopt" if twin.declared_as is None else "change" if fields else "unchanged"
    pairs = tuple(paired(said["triggers"], twin.fields["triggers"]))
    return TaskStep(action=action, name=task.name, task_id=twin.id, fields=fields, said=said, pairs=pairs)


# --- what cannot be --------------------------------------------------------------------------------------------------

# A place below a task, as ".triggers[0].at", and what is wrong there.
_Wrong = Iterator[tuple[str, str]]


def _wrong_name(task: DeclaredTask, twin: PresentTask | None, present: Present) -> _Wrong:
    if twin is not None and twin.name == task.name:
        return
    owner = present.tasks_elsewhere.get(task.name)
    if owner is not None:
        yield "", f"The project {owner!r} has a task {task.name!r}. Choose another name."
    elif any(other.name == task.name for other in present.tasks):
        yield "", f"Another task of the project is called {task.name!r} just now. Rename one of them."


def _wrong(
    step: TaskStep,
    twin: PresentTask | None,
    reading: Reading,
    present: Present,
    now: datetime,
) -> _Wrong:
    said = step.said
    yield from _refused(lambda: split_command(said["command"], shell=said["shell"]))
    yield from _refused(lambda: check_proxy(said["proxy"]))
    yield from _refused(lambda: check_blackouts([Blackout(**each) for each in said["blackouts"]]))
    if said["environment"] is not None and said["environment"] not in present.environments:
        yield ".environment", f"There is no environment named {said['environment']!r}. Create it first."
    if said["pool"] is not None and said["pool"] not in present.pools:
        yield ".pool", f"There is no pool named {said['pool']!r}. Create it first."
    tasks = reading.names | present.tasks_elsewhere.keys() | {task.name for task in present.tasks}
    for pair in step.pairs:
        if pair.said is None:
            continue
        trigger = said["triggers"][pair.said]
        there = None if twin is None or pair.present is None else twin.fields["triggers"][pair.present]
        where = f".triggers[{pair.said}]"
        if trigger["type"] == "after" and trigger["task"] not in tasks:
            yield f"{where}.task", f"There is no task named {trigger['task']!r}. Create it first, or mend the name."
        if there is None or differences(trigger, there):
            yield from _refused(lambda: validate(to_trigger(trigger, there, now=now), field=where[1:], now=now))  # noqa: B023 - called at once


def _refused(check: Callable[[], object]) -> _Wrong:
    """What a check of the API says of the file, at the file's places."""
    try:
        check()
    except InvalidInput as error:
        for detail in error.details:
            yield f".{file_path(detail.field)}", detail.message


def file_path(field: str) -> str:
    """A field of a request as a place in a file: `triggers.0.at` is `triggers[0].at`."""
    return _NUMBER.sub(r"[\1]", field)


# --- the environment -------------------------------------------------------------------------------------------------


def _environment_step(reading: Reading, present: Present, problems: list[Problem]) -> EnvironmentStep | None:
    """What is to be done with the environment that the file describes; None where it describes none."""
    said = reading.environment
    if said is None:
        return None
    if not said.is_described:
        if said.name not in present.environments:
            message = f"There is no environment named {said.name!r}. Create it, or say here what it holds."
            problems.append(reading.problem("environment.name", message))
        return None
    name = said.name or present.project_name
    current = present.environment
    if name in present.environments and (current is None or current.name != name):
        message = (
            f"There is an environment {name!r}, which this file has not made. Give another name, or leave the rest of "
            "[environment] out to use that one as it is."
        )
        problems.append(reading.problem("environment.name", message))
    if said.requirements is not None and present.requirements is None:
        message = f"There is no text file {said.requirements!r} in the project. Mend the path."
        problems.append(reading.problem("environment.requirements", message))
    try:
        wanted = checked(_definition(said, name, present))
    except InvalidInput as error:
        problems += [reading.problem(f"environment.{file_path(e.field)}", e.message) for e in error.details]
        wanted = current or EnvironmentDefinition(name=name, packages=())
    fields = tuple(differences(_shown(wanted), {} if current is None else _shown(current)))
    if current is None:
        fields = tuple(each for each in fields if each.said is not None and each.field != "name")
        return EnvironmentStep(action="create", definition=wanted, fields=fields)
    return EnvironmentStep(action="change" if fields else "unchanged", definition=wanted, fields=fields)


def _definition(said: DeclaredEnvironment, name: str, present: Present) -> EnvironmentDefinition:
    """What is wanted; where packages come from stays as people have set it."""
    base = present.environment or EnvironmentDefinition(name=name)
    described = said.packages is not None or said.requirements is not None
    return replace(
        base,
        name=name,
        python=said.python,
        packages=said.packages,
        requirements=(present.requirements or "") if said.requirements is not None else None,
        environment_yml=None,
        project_id=None if described else present.project_id,
        interpreter_id=None,
        interpreter_path=None,
    )


def _shown(definition: EnvironmentDefinition) -> dict[str, Any]:
    requirements = None if definition.requirements is None else definition.requirements.splitlines()
    packages = None if definition.packages is None else list(definition.packages)
    return {
        "name": definition.name,
        "python": definition.python,
        "source": definition.source,
        "packages": packages,
        "requirements": requirements,
    }


def _plain(fields: tuple[Difference, ...]) -> list[list[Any]]:
    return [[each.field, whole_number(each.present), whole_number(each.said)] for each in fields]


def whole_number(value: Any) -> Any:
    """One spelling for 60 and 60.0, which are the same."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: whole_number(each) for key, each in value.items()}
    return [whole_number(each) for each in value] if isinstance(value, list) else value
