"""What runs are given, from the first time on, and what is remembered of it."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import event, func, select, text

from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.errors import Conflict, TooLarge
from kumo.projects.models import Project
from kumo.secrets import Undecryptable, Vault, fingerprint
from kumo.tasks import service as tasks
from kumo.tasks.service import TaskDefinition
from kumo.variables import service
from kumo.variables.models import Variable, VariableVersion
from kumo.variables.orphans import remove_orphans
from kumo.variables.resolution import NOTHING, Resolved, Resolver, resolve, resolve_exact
from kumo.variables.rules import VariableScope
from kumo.variables.service import By, Definition, Owner

ALL = Owner(scope=VariableScope.GLOBAL)


class House:
    """Two projects, a task in each, and their variables."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.vault = Vault([os.urandom(32)])
        self.tasks: list[tuple[int, int]] = []  # project, task
        self.resolver = Resolver(database, self.vault)

    async def build(self) -> None:
        for name in ("first", "second"):
            now = utc_now()
            async with self.database.write() as session:
                project = Project(name=name, created_at=now, updated_at=now)
                session.add(project)
                await session.flush()
                task = await tasks.create(
                    session, TaskDefinition(name=name, project_id=project.id, command="true"), [], now
                )
                self.tasks.append((project.id, task.id))

    async def set(self, name: str, value: str, owner: Owner = ALL, **fields: Any) -> int:
        async with self.database.write() as session:
            wanted = Definition(owner=owner, name=name, **fields)
            return (await service.create(session, self.vault, wanted, value, self.by())).id

    async def change(self, variable_id: int, value: str | None = None, **fields: Any) -> None:
        async with self.database.write() as session:
            await service.change(session, self.vault, variable_id, fields, value, seen_version=None, by=self.by())

    async def remove(self, variable_id: int) -> None:
        async with self.database.write() as session:
            await service.remove(session, variable_id)

    async def given(self, number: int = 0) -> Resolved:
        """What the resolver gives a run of the first or the second task, which must be what the database says."""
        project_id, task_id = self.tasks[number]
        async with self.database.read() as session:
            fresh = await resolve(session, self.vault, project_id=project_id, task_id=task_id)
            assert await self.resolver.resolve(session, project_id=project_id, task_id=task_id) == fresh
        return fresh

    async def exact(self, versions: dict[str, int]) -> Resolved:
        async with self.database.read() as session:
            found = await resolve_exact(session, self.vault, versions)
            assert await self.resolver.resolve_exact(session, versions) == found
        return found

    def owners(self) -> list[Owner]:
        return [
            ALL,
            *(Owner(scope=VariableScope.PROJECT, id=project_id) for project_id, _task_id in self.tasks),
            *(Owner(scope=VariableScope.TASK, id=task_id) for _project_id, task_id in self.tasks),
        ]

    @staticmethod
    def by() -> By:
        return By(actor="ada", now=utc_now())


@pytest.fixture
async def house(database: Database) -> House:
    made = House(database)
    await made.build()
    return made


@contextmanager
def counted_statements(database: Database) -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    seen: list[str] = []
    engine = database._reader.sync_engine

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement != "BEGIN":
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_the_task_s_value_wins_over_the_project_s_over_that_for_all(house: House) -> None:
    project_id, task_id = house.tasks[0]
    in_project, in_task = Owner(scope=VariableScope.PROJECT, id=project_id), Owner(scope=VariableScope.TASK, id=task_id)
    await house.set("A", "all")
    await house.set("A", "project", in_project, is_secret=True)
    await house.set("A", "task", in_task)
    await house.set("B", "all", as_file=True, is_secret=True)
    await house.set("B", "project", in_project)
    await house.set("C", "all", is_secret=True, as_file=True)
    await house.set("D", "", is_secret=True)
    mine = await house.given(0)
    assert mine.environment == {"A": "task", "B": "project", "D": ""}
    assert mine.files == {"C": "all"}
    assert mine.secrets == ["all"]  # an empty one hides nothing
    assert mine.versions.keys() == {"A", "B", "C", "D"}
    other = await house.given(1)
    assert (other.environment, other.files) == ({"A": "all", "D": ""}, {"B": "all", "C": "all"})
    assert await house.exact(mine.versions) == mine
    assert await house.exact(other.versions) == other


async def test_a_change_counts_from_the_next_run_on(house: House) -> None:
    """Whatever is changed, in whatever order: what is remembered is what the database says."""
    chance = random.Random(4)  # noqa: S311 - a mixture of changes
    existing: dict[int, tuple[str, Owner]] = {}
    for _step in range(60):
        assert (await house.given(chance.randrange(2))) is not None
        name, owner, flag = chance.choice("ABC"), chance.choice(house.owners()), chance.random() < 0.5
        chosen = chance.choice(list(existing)) if existing else None
        match chance.randrange(5):
            case 0 if chosen is not None:
                del existing[chosen]
                await house.remove(chosen)
            case 1 if chosen is not None:
                await house.change(chosen, str(chance.random()), is_secret=flag)
            case 2 if chosen is not None:
                await house.change(chosen, as_file=flag)
            case 3 if chosen is not None and (name, owner) not in existing.values():
                existing[chosen] = (name, owner)
                await house.change(chosen, name=name, owner=owner)
            case _ if (name, owner) not in existing.values():
                existing[await house.set(name, str(chance.random()), owner, is_secret=flag)] = (name, owner)
        await house.given(0)
        await house.given(1)


async def test_an_installation_without_variables_asks_once(house: House) -> None:
    async with house.database.read() as session:
        with counted_statements(house.database) as statements:
            began = monotonic()
            for number in range(1000):
                found = await house.resolver.resolve(session, project_id=number, task_id=number)
                assert found is NOTHING
            took = monotonic() - began
    # On PostgreSQL another process may have changed something: it is asked once a second.
    assert len(statements) <= (1 if house.database.is_sqlite else 2 + took)


async def test_what_is_known_is_not_asked_again(house: House) -> None:
    await house.set("A", "x")
    async with house.database.read() as session:
        with counted_statements(house.database) as statements:
            began = monotonic()
            for _ in range(200):
                for project_id, task_id in house.tasks:
                    await house.resolver.resolve(session, project_id=project_id, task_id=task_id)
            took = monotonic() - began
    assert len(statements) <= (2 if house.database.is_sqlite else 3 + took)


async def test_an_old_state_of_the_database_is_not_remembered(house: House) -> None:
    project_id, task_id = house.tasks[0]
    variable_id = await house.set("A", "old")
    async with house.database.read() as long_transaction:
        await long_transaction.execute(text("SELECT count(*) FROM variables"))
        await house.change(variable_id, "new")
        await house.resolver.resolve(long_transaction, project_id=project_id, task_id=task_id)
    assert (await house.given()).environment == {"A": "new"}


@pytest.mark.parametrize("stored_settings", ["postgresql"], indirect=True)
async def test_what_another_process_changes_is_seen_within_a_second_or_so(house: House) -> None:
    elsewhere = House(Database(house.database.url.render_as_string(hide_password=False)))
    elsewhere.vault = house.vault
    project_id, task_id = house.tasks[0]

    async def seen() -> dict[str, str]:
        async with house.database.read() as session:
            return (await house.resolver.resolve(session, project_id=project_id, task_id=task_id)).environment

    try:
        assert await seen() == {}
        variable_id = await elsewhere.set("A", "first")
        async with asyncio.timeout(5):
            while await seen() != {"A": "first"}:
                await asyncio.sleep(0.05)
        await elsewhere.remove(variable_id)
        async with asyncio.timeout(5):
            while await seen() != {}:
                await asyncio.sleep(0.05)
    finally:
        await elsewhere.database.close()


async def test_changes_at_once_keep_within_the_limits_together(house: House) -> None:
    """Each alone would be within; the sums are counted one after another."""
    answers = await asyncio.gather(
        *(house.set(f"V_{number}", "x" * 130_000) for number in range(12)), return_exceptions=True
    )
    assert sum(isinstance(answer, int) for answer in answers) == 8
    assert len((await house.given()).environment) == 8


async def test_a_run_is_repeated_with_the_values_of_then(house: House) -> None:
    variable_id = await house.set("A", "first-value")
    then = (await house.given()).versions
    await house.change(variable_id, "second-value", name="B", as_file=True)
    assert (await house.given()).files == {"B": "second-value"}
    again = await house.exact(then)
    assert (again.environment, again.files, again.secrets) == ({"A": "first-value"}, {}, [])
    # What became secret since must not show in the log of the repetition.
    await house.change(variable_id, is_secret=True)
    assert (await house.exact(then)).secrets == ["first-value"]
    await house.remove(variable_id)
    with pytest.raises(Conflict, match="the variable A had then is not kept any more"):
        await house.exact(then)
    assert await house.exact({}) is NOTHING


async def test_a_value_without_its_key_stops_only_those_who_need_it(house: House) -> None:
    project_id, task_id = house.tasks[0]
    await house.set("TOKEN", "precious", Owner(scope=VariableScope.PROJECT, id=project_id))
    other_key = Resolver(house.database, Vault([os.urandom(32)]))
    async with house.database.read() as session:
        with pytest.raises(Undecryptable, match="variable TOKEN cannot be read") as refused:
            await other_key.resolve(session, project_id=project_id, task_id=task_id)
        assert fingerprint(next(iter(house.vault._keys.values()))) in refused.value.message
        project_id, task_id = house.tasks[1]
        assert await other_key.resolve(session, project_id=project_id, task_id=task_id) == NOTHING


async def test_a_task_that_moved_to_a_project_with_much_is_told_so(house: House) -> None:
    (_, task_id), (second, _) = house.tasks
    for number in range(7):
        await house.set(f"T_{number}", "x" * 100_000, Owner(scope=VariableScope.TASK, id=task_id))
        await house.set(f"P_{number}", "x" * 100_000, Owner(scope=VariableScope.PROJECT, id=second))
    assert len((await house.given()).environment) == 7
    house.tasks[0] = (second, task_id)
    with pytest.raises(TooLarge, match=r"1,367 KiB of its environment; .* Give it fewer"):
        await house.given()


async def test_variables_of_what_was_deleted_go(house: House) -> None:
    (project_id, task_id), (_, other) = house.tasks
    await house.set("A", "x", Owner(scope=VariableScope.PROJECT, id=project_id))
    await house.set("A", "x", Owner(scope=VariableScope.TASK, id=task_id))
    await house.set("A", "x", Owner(scope=VariableScope.TASK, id=other))
    await house.set("A", "x")
    assert not await remove_orphans(house.database)
    async with house.database.write() as session:
        await tasks.remove(session, task_id, open_runs=0, now=utc_now())
        await session.execute(text("UPDATE projects SET deleted_at = created_at WHERE name = 'first'"))
    assert await remove_orphans(house.database)
    async with house.database.write() as session:
        # It lay in the trash, and could be restored with all that it has.
        assert await session.scalar(select(func.count()).select_from(Variable)) == 3
        await session.execute(text("UPDATE projects SET purged_at = created_at WHERE name = 'first'"))
    assert await remove_orphans(house.database)
    async with house.database.read() as session:
        left = (await session.execute(select(Variable.scope, Variable.task_id).order_by(Variable.id))).all()
        assert [tuple(row) for row in left] == [("task", other), ("global", None)]
        assert await session.scalar(select(func.count()).select_from(VariableVersion)) == 2


def test_what_a_run_is_given_does_not_show_in_a_log_line() -> None:
    given = Resolved(environment={"A": "precious"}, files={"B": "precious"}, versions={"A": 1}, secrets=["precious"])
    assert "precious" not in f"{given!r} {given}"
