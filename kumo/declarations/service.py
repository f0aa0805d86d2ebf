"""Doing what a plan says, in one transaction: all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.db.session import Database
from kumo.declarations.file import FILE_NAME
from kumo.declarations.models import ProjectDeclaration
from kumo.declarations.planning import Plan, TaskStep, file_path, plan, to_trigger
from kumo.declarations.positions import key_text
from kumo.declarations.present import made_environment, present_of
from kumo.declarations.problems import InvalidDeclaration
from kumo.declarations.reading import Reading
from kumo.declarations.sources import Source
from kumo.environments import service as environments
from kumo.environments.models import Environment
from kumo.errors import Conflict, InvalidInput, NotFound
from kumo.projects import service as projects
from kumo.runs import service as runs
from kumo.runs.tally import forget_failures
from kumo.tasks import service as tasks
from kumo.tasks.declared import trigger_as_json
from kumo.tasks.models import Task, TriggerRow
from kumo.tasks.policies import Blackout, Limits, RateLimit, Retry
from kumo.tasks.service import TaskDefinition, TriggerWish
from kumo.tasks.trigger_rows import trigger_of, url_path_of

_POLICIES = {"retry": Retry, "limits": Limits, "rate_limit": RateLimit}


class PlanChanged(Conflict):
    """What would be done is not what was shown."""

    def __init__(self) -> None:
        super().__init__("The file or the tasks were changed meanwhile, and so was the plan. Look at it again.")


class NoFile(NotFound):
    """There is nothing to apply."""

    def __init__(self) -> None:
        super().__init__(f"The project has no {FILE_NAME}. Add one, or send its text as `content`.")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Who wants the file applied, and how."""

    user_id: int | None  # None: Kumo itself, because the project applies its file
    now: datetime
    expected_plan: str | None = None  # the hash of the plan that was shown
    dry_run: bool = False
    task_id: int | None = None  # this task alone


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a new webhook is called; told once."""

    task_id: int
    task_name: str
    url_path: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was done, or would be."""

    plan: Plan
    addresses: tuple[Address, ...] = ()


class _NotMeant(Exception):
    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


async def apply(database: Database, project_id: int, source: Source, wish: Wish) -> Outcome:
    """Make the project's tasks as the file says, all at once.

    A dry run does the same and takes it back, so that it is refused by whatever would refuse it in earnest.
    """
    if source.reading is None:
        raise NoFile
    try:
        async with database.write() as session:
            outcome = await _apply(session, project_id, source, source.reading, wish)
            if wish.dry_run:
                raise _NotMeant(outcome)  # noqa: TRY301 - leaving so is what takes everything back
            return outcome
    except _NotMeant as taken_back:
        return Outcome(plan=taken_back.outcome.plan)


async def set_applies_itself(session: AsyncSession, project_id: int, *, on: bool) -> None:
    """Whether each new state of the project is applied; turned on, the present one is as well."""
    await projects.find_project(session, project_id)
    row = await _declaration(session, project_id)
    if row.applies_itself != on:
        row.applies_itself = on
        row.seen_snapshot_id = row.failure = row.failed_at = None
        announce(session, "project", project_id)


async def _apply(session: AsyncSession, project_id: int, source: Source, reading: Reading, wish: Wish) -> Outcome:
    """Do it, in this order, so that no step meets what a later one mends.

    1. The environment, which tasks may name.
    2. Tasks that are there change, all but their triggers; then new ones are made, so that a name that becomes free
       may be used.
    3. Triggers that go: a task may follow another one that followed it before.
    4. Triggers that are new or change, now that all tasks are there.
    5. Tasks that are not declared any more.
    """
    await projects.find_project(session, project_id)
    row = await _declaration(session, project_id)
    present = await present_of(session, project_id, reading, source.requirements, for_update=True)
    made = plan(reading, present, wish.now, only=wish.task_id)
    if wish.expected_plan is not None and wish.expected_plan != made.hash:
        raise PlanChanged
    if wish.user_id is None:
        _refuse_adoption(made, reading)
    work = _Work(session=session, project_id=project_id, reading=reading, now=wish.now)
    await _make_environment(work, row, made, source)
    work.environments = dict((await session.execute(_ENVIRONMENTS)).all())
    for action in ("change", "adopt", "unchanged", "create"):
        for step in made.tasks:
            if step.action == action:
                await _make_task(work, step)
    await _set_all_triggers(work, made)
    for step in made.tasks:
        if step.action != "remove":
            work.rows[step.name].declared = await _with_ids(work, step.said)
    await _remove_all(work, made)
    _note(row, source, wish)
    announce(session, "project", project_id)
    return Outcome(plan=made, addresses=tuple(await _new_addresses(work)))


_ENVIRONMENTS = select(Environment.name, Environment.id).where(Environment.deleted_at.is_(None))


@dataclass(kw_only=True)
class _Work:
    """What the steps share."""

    session: AsyncSession
    project_id: int
    reading: Reading
    now: datetime
    environments: dict[str, int] = field(default_factory=dict)  # ids by name
    rows: dict[str, Task] = field(default_factory=dict)  # by the name in the file

    async def task_id(self, name: str) -> int:
        """The id of a task that another one follows, in the file or elsewhere."""
        if name in self.rows:
            return self.rows[name].id
        found = await self.session.scalar(select(Task.id).where(Task.name == name, Task.deleted_at.is_(None)))
        if found is None:
            raise Conflict(f"There is no task named {name!r} any more. Look at the plan again.")
        return found


async def _declaration(session: AsyncSession, project_id: int) -> ProjectDeclaration:
    """The row of a project, made where it is not there, and held: of two that apply a file the second one waits here.

    Not the project's own row: whoever changes a task holds that one after the task.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    new = insert(ProjectDeclaration).values(project_id=project_id, applies_itself=False)
    await session.execute(new.on_conflict_do_nothing())
    row = await session.get(ProjectDeclaration, project_id, with_for_update=True)
    assert row is not None, "it was made just now"
    return row


def _note(row: ProjectDeclaration, source: Source, wish: Wish) -> None:
    if wish.task_id is not None:
        return  # one task is as the file says; of the others that was not asked
    row.applied_at, row.applied_by = wish.now, wish.user_id
    row.applied_snapshot_id = None if source.is_given else source.snapshot_id
    row.failure = row.failed_at = None
    if not source.is_given:
        row.seen_snapshot_id = source.snapshot_id


def _refuse_adoption(made: Plan, reading: Reading) -> None:
    """Nobody looks at the plan of what is applied by itself: then what people have made is theirs."""
    message = "A task of this name was made by hand. Apply the file once yourself, which adopts it, or rename one."
    adopted = [step.name for step in made.tasks if step.action == "adopt"]
    if adopted:
        raise InvalidDeclaration([reading.problem(f"tasks.{key_text(name)}", message) for name in adopted])


async def _make_environment(work: _Work, row: ProjectDeclaration, made: Plan, source: Source) -> None:
    step = made.environment
    if step is None:
        return
    session = work.session
    said = work.reading.environment
    row.requirements = None if said is None else said.requirements
    environment = await made_environment(session, row)
    try:
        if environment is None:
            created = await environments.create(session, step.definition, source.declared, work.now)
            row.environment_id = created.id
        elif step.action == "change":
            await environments.change(
                session, environment.id, step.definition, source.declared, seen_version=None, now=work.now
            )
    except InvalidInput as error:
        problems = [work.reading.problem(f"environment.{file_path(e.field)}", e.message) for e in error.details]
        raise InvalidDeclaration(problems) from None


async def _make_task(work: _Work, step: TaskStep) -> None:
    """Make or change a task, all but its triggers."""
    values = _columns(work, step.said)
    with _blamed(work, step):
        if step.task_id is None:
            work.rows[step.name] = await tasks.create(work.session, TaskDefinition(**values), [], work.now)
        elif any(not each.field.startswith("triggers[") for each in step.fields):
            work.rows[step.name] = await tasks.change(
                work.session, step.task_id, values, None, seen_version=None, now=work.now
            )
        else:
            work.rows[step.name] = await tasks.get(work.session, step.task_id)


async def _set_all_triggers(work: _Work, made: Plan) -> None:
    changed = [step for step in made.tasks if any(each.field.startswith("triggers[") for each in step.fields)]
    rows = await tasks.triggers_of(work.session, [work.rows[step.name].id for step in changed])
    kept = {step.name: _kept(step, rows[work.rows[step.name].id]) for step in changed}
    for step in changed:
        present, staying = rows[work.rows[step.name].id], list(kept[step.name].values())
        if any(row.type == "after" and row not in staying for row in present):
            wishes = [TriggerWish(id=row.id, trigger=trigger_of(row)) for row in staying]
            await _set_triggers(work, step, wishes)
    for step in changed:
        wishes = [await _wish(work, said, kept[step.name].get(at)) for at, said in enumerate(step.said["triggers"])]
        await _set_triggers(work, step, wishes)


def _kept(step: TaskStep, present: Sequence[TriggerRow]) -> dict[int, TriggerRow]:
    """The rows that stay or change, by the place of what is said; one that follows another task is made anew."""
    kept = {}
    for pair in step.pairs:
        if pair.said is None or pair.present is None:
            continue
        prefix = f"triggers[{pair.said}]."
        if present[pair.present].type == "after" and any(each.field.startswith(prefix) for each in step.fields):
            continue
        kept[pair.said] = present[pair.present]
    return kept


async def _wish(work: _Work, said: Mapping[str, Any], row: TriggerRow | None) -> TriggerWish:
    followed = await work.task_id(said["task"]) if said["type"] == "after" else 0
    there = None if row is None else trigger_as_json(trigger_of(row))
    trigger = to_trigger(said, there, now=work.now, followed=followed)
    return TriggerWish(id=None if row is None else row.id, trigger=trigger)


async def _set_triggers(work: _Work, step: TaskStep, wishes: Sequence[TriggerWish]) -> None:
    with _blamed(work, step):
        await tasks.change(work.session, work.rows[step.name].id, {}, wishes, seen_version=None, now=work.now)


async def _remove_all(work: _Work, made: Plan) -> None:
    """Remove what is not declared any more; one that has open runs, or is followed by one that stays, refuses all."""
    gone = [step.task_id for step in made.tasks if step.action == "remove" and step.task_id is not None]
    for task_id in gone:  # so that it does not matter which of them follows which
        await tasks.change(work.session, task_id, {}, [], seen_version=None, now=work.now)
    for task_id in gone:
        open_runs = await runs.count_open(work.session, task_id)
        await tasks.remove(work.session, task_id, open_runs=open_runs, now=work.now)
        await forget_failures(work.session, task_id)


def _columns(work: _Work, said: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a task as its domain has them, all but the triggers; what is not said is not there."""
    values = {name: value for name, value in said.items() if name not in ("environment", "triggers")}
    values |= {name: policy(**said[name]) for name, policy in _POLICIES.items()}
    return values | {
        "project_id": work.project_id,
        "environment_id": _environment_id(work, said),
        "tags": tuple(said["tags"]),
        "blackouts": tuple(Blackout(**each) for each in said["blackouts"]),
    }


async def _with_ids(work: _Work, said: Mapping[str, Any]) -> dict[str, Any]:
    """What the file says, to be kept with the task: a name that changes elsewhere makes no difference to it."""
    kept = {name: value for name, value in said.items() if name != "environment"}
    triggers = []
    for each in said["triggers"]:
        named = {name: value for name, value in each.items() if name != "task"}
        triggers.append(named | ({"task_id": await work.task_id(each["task"])} if "task" in each else {}))
    return kept | {
        "project_id": work.project_id,
        "environment_id": _environment_id(work, said),
        "triggers": triggers,
    }


def _environment_id(work: _Work, said: Mapping[str, Any]) -> int | None:
    name = said["environment"]
    return None if name is None else work.environments[name]


@contextmanager
def _blamed(work: _Work, step: TaskStep) -> Iterator[None]:
    """Say of what the domain of tasks refuses where it stands in the file."""
    try:
        yield
    except InvalidInput as error:
        where = f"tasks.{key_text(step.name)}"
        problems = [work.reading.problem(f"{where}.{_in_file(each.field)}", each.message) for each in error.details]
        raise InvalidDeclaration(problems) from None


def _in_file(field: str) -> str:
    """What the API calls by an id, the file calls by a name."""
    return file_path(field).removesuffix("_id")


async def _new_addresses(work: _Work) -> list[Address]:
    rows = await tasks.triggers_of(work.session, [row.id for row in work.rows.values()])
    return [
        Address(task_id=task.id, task_name=task.name, url_path=path)
        for task in work.rows.values()
        for row in rows[task.id]
        if row.type == "webhook" and (path := url_path_of(row)) is not None
    ]
