from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import pytest
from sqlalchemy import Table, bindparam, func, insert, select, update

from kumo.db.prepared import Prepared, reserve_ids
from kumo.db.session import Database
from kumo.projects.models import Project

_projects = cast(Table, Project.__table__)
_ADD = Prepared(insert(_projects))
_RENAME = Prepared(
    update(_projects)
    .where(_projects.c.id == bindparam("b_id"), _projects.c.task_count == 0)
    .values(name=func.upper(bindparam("b_name")), version=_projects.c.version + 1, deleted_at=bindparam("b_deleted_at"))
)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def row(project_id: int, name: str) -> dict[str, object]:
    return dict.fromkeys(_projects.c.keys()) | {
        "id": project_id,
        "version": 1,
        "name": name,
        "description": "",
        "task_count": 0,
        "created_at": NOON,
        "updated_at": NOON,
        "something else": "that rows may bring",
    }


@pytest.mark.parametrize("count", [1, 3])
async def test_rows_are_stored_and_changed_as_by_the_statement_itself(database: Database, count: int) -> None:
    async with database.write() as session:
        ids = await reserve_ids(session, _projects, count)
        await _ADD.execute(session, [row(id_, f"project {id_}") for id_ in ids])
        await _RENAME.execute(session, [{"b_id": id_, "b_name": f"n{id_}", "b_deleted_at": NOON} for id_ in ids[:1]])
    async with database.read() as session:
        found = (await session.scalars(select(Project).order_by(Project.id))).all()
    assert [project.id for project in found] == ids
    assert [(project.name, project.version, project.deleted_at) for project in found] == [
        (f"N{ids[0]}", 2, NOON),
        *[(f"project {id_}", 1, None) for id_ in ids[1:]],
    ]
    assert all(project.created_at == NOON for project in found)


async def test_ids_are_given_out_once(database: Database) -> None:
    async with database.write() as session:
        first = await reserve_ids(session, _projects, 2)
        await _ADD.execute(session, [row(id_, f"project {id_}") for id_ in first])
        (second,) = await reserve_ids(session, _projects, 1)
        await _ADD.execute(session, [row(second, "third")])
        project = Project(name="by itself", created_at=NOON, updated_at=NOON)
        session.add(project)
        await session.flush()
        assert len({*first, second, project.id}) == 4
        assert first[0] < first[1] < second < project.id


async def test_without_rows_nothing_is_executed(database: Database) -> None:
    async with database.write() as session:
        await _ADD.execute(session, [])
        assert await session.scalar(select(func.count()).select_from(Project)) == 0
