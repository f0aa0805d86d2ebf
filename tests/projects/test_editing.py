from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from kumo.clock import utc_now
from kumo.db.changes import Change
from kumo.db.session import Database
from kumo.errors import Conflict, NotFound, TooLarge
from kumo.projects import editing, service
from kumo.projects.editing import Edit, Workshop
from kumo.projects.models import Snapshot
from kumo.settings import MIB, Settings
from tests.projects.packing import zip_of


async def make_project(shop: Workshop, name: str = "quotes") -> int:
    return (await editing.create_empty(shop, name=name))[0].id


async def current(shop: Workshop, project_id: int) -> Snapshot:
    async with shop.database.read() as session:
        return await service.current_snapshot(session, project_id)


async def read(shop: Workshop, project_id: int, path: str) -> bytes | None:
    return shop.store.read_file((await current(shop, project_id)).tree_hash, path)


async def test_each_edit_makes_a_state_that_knows_its_parent_and_its_author(shop: Workshop) -> None:
    project_id = await make_project(shop)
    first = await current(shop, project_id)
    second, entry = await editing.save_file(shop, project_id, Edit(path="main.py", content="print(1)\n"))
    third = await editing.delete_file(shop, project_id, "main.py")
    assert entry.size_bytes == 9
    assert (first.parent_id, second.parent_id, third.parent_id) == (None, first.id, second.id)
    assert [s.message for s in (first, second, third)] == ["Created empty", "Changed main.py", "Deleted main.py"]
    assert {s.created_by for s in (first, second, third)} == {shop.user_id}
    assert (second.file_count, third.file_count, third.tree_hash) == (1, 0, first.tree_hash)
    async with shop.database.read() as session:
        project = await service.find_project(session, project_id)
        history = await service.list_snapshots(session, project_id, before=None, limit=2)
    assert (project.version, project.snapshot_id) == (3, third.id)
    assert [snapshot.id for snapshot, _actor in history] == [third.id, second.id, first.id]


async def test_saving_what_is_there_makes_no_state(shop: Workshop) -> None:
    project_id = await make_project(shop)
    one, _ = await editing.save_file(shop, project_id, Edit(path="a.py", content="1"))
    two, _ = await editing.save_file(shop, project_id, Edit(path="a.py", content="1", base_snapshot_id=one.id))
    assert one.id == two.id


async def test_the_second_editor_of_a_file_is_told_and_of_another_file_is_not(shop: Workshop) -> None:
    project_id = await make_project(shop)
    base, _ = await editing.save_file(shop, project_id, Edit(path="a.py", content="1"))
    await editing.save_file(shop, project_id, Edit(path="a.py", content="2", base_snapshot_id=base.id))
    with pytest.raises(Conflict, match=r"a\.py"):
        await editing.save_file(shop, project_id, Edit(path="a.py", content="3", base_snapshot_id=base.id))
    await editing.save_file(shop, project_id, Edit(path="b.py", content="4", base_snapshot_id=base.id))
    await editing.delete_file(shop, project_id, "a.py")
    with pytest.raises(Conflict):
        await editing.save_file(shop, project_id, Edit(path="a.py", content="5", base_snapshot_id=base.id))
    assert await read(shop, project_id, "b.py") == b"4"


async def test_a_base_of_another_project_is_not_found(shop: Workshop) -> None:
    mine, other = await make_project(shop, "mine"), await make_project(shop, "other")
    base = await current(shop, other)
    with pytest.raises(NotFound):
        await editing.save_file(shop, mine, Edit(path="a.py", content="", base_snapshot_id=base.id))


async def test_many_who_save_different_files_at_once_all_succeed(shop: Workshop) -> None:
    project_id = await make_project(shop)
    base = (await current(shop, project_id)).id
    edits = [Edit(path=f"f{n}.py", content=str(n), base_snapshot_id=base) for n in range(12)]
    await asyncio.gather(*(editing.save_file(shop, project_id, edit) for edit in edits))
    for number in range(12):
        assert await read(shop, project_id, f"f{number}.py") == str(number).encode()
    async with shop.database.read() as session:
        states = (await session.scalars(select(Snapshot).where(Snapshot.project_id == project_id))).all()
    # One line of states: nobody has built upon a state that somebody else had already left.
    assert len(states) == 13
    assert len({state.parent_id for state in states}) == 13


async def test_of_many_who_save_one_file_at_once_one_succeeds(shop: Workshop) -> None:
    project_id = await make_project(shop)
    base = (await current(shop, project_id)).id
    edits = [Edit(path="a.py", content=str(n), base_snapshot_id=base) for n in range(8)]
    results = await asyncio.gather(
        *(editing.save_file(shop, project_id, edit) for edit in edits), return_exceptions=True
    )
    won = [number for number, result in enumerate(results) if isinstance(result, tuple)]
    assert len(won) == 1
    assert all(isinstance(result, Conflict) for number, result in enumerate(results) if number not in won)
    assert await read(shop, project_id, "a.py") == str(won[0]).encode()


async def test_an_edit_beyond_the_limits_is_refused(shop: Workshop) -> None:
    project_id = await make_project(shop)
    with pytest.raises(TooLarge, match="KUMO_FILE_MAX_BYTES"):
        await editing.save_file(shop, project_id, Edit(path="a.py", content="x" * (MIB + 1)))
    tight = Workshop(
        database=shop.database,
        store=shop.store,
        settings=shop.settings.model_copy(update={"project_max_files": 1}),
        clock=shop.clock,
        user_id=None,
    )
    await editing.save_file(tight, project_id, Edit(path="a.py", content=""))
    with pytest.raises(TooLarge, match="1 file"):
        await editing.save_file(tight, project_id, Edit(path="b.py", content=""))


async def test_an_archive_replaces_all_files_and_leaves_no_upload(shop: Workshop, tmp_path: Path) -> None:
    project_id = await make_project(shop)
    await editing.save_file(shop, project_id, Edit(path="old.py", content="1"))
    async with editing.upload_directory(shop.settings) as directory:
        (directory / "archive").write_bytes(zip_of(("top/new.py", b"2")))
        project, snapshot = await editing.upload(shop, project_id, archive=directory / "archive", filename="x.zip")
    assert (snapshot.message, snapshot.file_count, project.snapshot_id) == ("Uploaded x.zip", 1, snapshot.id)
    assert await read(shop, project_id, "old.py") is None
    assert await read(shop, project_id, "new.py") == b"2"
    assert not list((shop.settings.home / "uploads").iterdir())


async def test_what_a_crash_has_left_of_an_upload_is_removed_at_start(shop: Workshop) -> None:
    left = shop.settings.home / "uploads" / "abc" / "files"
    left.mkdir(parents=True)
    editing.remove_leftovers(shop.settings, shop.store)
    assert not (shop.settings.home / "uploads").exists()


async def test_a_directory_becomes_a_project(shop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "example").mkdir()
    (tmp_path / "example" / "main.py").write_text("print(1)\n")
    project, snapshot = await editing.create_from_directory(shop, name="example", directory=tmp_path / "example")
    assert snapshot.file_count == 1
    assert (tmp_path / "example" / "main.py").exists()
    assert service.output_directory(shop.settings, project.id, None).is_dir()


# --- projects --------------------------------------------------------------------------------------------------------


async def test_a_name_is_free_again_once_its_project_is_deleted(shop: Workshop, database: Database) -> None:
    project_id = await make_project(shop)
    with pytest.raises(Conflict, match="quotes"):
        await make_project(shop)
    async with database.write() as session:
        project = await service.find_project(session, project_id, for_update=True)
        await service.delete_project(session, project, now=utc_now())
    assert await make_project(shop) != project_id
    for question in (service.find_project, service.current_snapshot):
        with pytest.raises(NotFound):
            async with database.read() as session:
                await question(session, project_id)
    with pytest.raises(NotFound):
        await editing.save_file(shop, project_id, Edit(path="a.py", content=""))


async def test_a_change_meant_for_an_older_version_is_refused(shop: Workshop, database: Database) -> None:
    project_id = await make_project(shop)
    now = datetime(2026, 1, 6, tzinfo=UTC)
    async with database.write() as session:
        wanted = service.Description(name="renamed")
        project = await service.change_project(session, project_id, wanted, expected_version=1, now=now)
    assert (project.name, project.description, project.version, project.updated_at) == ("renamed", "", 2, now)
    with pytest.raises(Conflict, match="meanwhile"):
        async with database.write() as session:
            await service.change_project(
                session, project_id, service.Description(description="x"), expected_version=1, now=now
            )


async def test_a_name_that_is_taken_is_refused_in_renaming_too(shop: Workshop, database: Database) -> None:
    await make_project(shop, "one")
    two = await make_project(shop, "two")
    with pytest.raises(Conflict, match="one"):
        async with database.write() as session:
            await service.change_project(
                session, two, service.Description(name="one"), expected_version=None, now=utc_now()
            )


async def test_projects_are_listed_by_name_page_by_page(shop: Workshop, database: Database) -> None:
    names = [f"p{number:02}" for number in range(7)]
    for name in reversed(names):
        await make_project(shop, name)
    async with database.read() as session:
        found, after = [], None
        for _ in range(4):
            rows = await service.list_projects(session, query=None, after=after, limit=2)
            found += [project.name for project, _ in rows[:2]]
            after = (rows[1][0].name, rows[1][0].id) if len(rows) > 1 else None
        assert found == names
        matches = await service.list_projects(session, query="P03", after=None, limit=9)
        assert [project.name for project, _ in matches] == ["p03"]
        assert not await service.list_projects(session, query="%", after=None, limit=9)


async def test_a_change_is_announced_once_it_is_stored(shop: Workshop, database: Database) -> None:
    with database.changes.subscribe("project") as listener:
        project_id = await make_project(shop)
        assert await listener.wait(1) == [Change("project", project_id)]


async def test_a_lost_race_leaves_no_state_behind(shop: Workshop, database: Database) -> None:
    project_id = await make_project(shop)
    state = await current(shop, project_id)
    await editing.save_file(shop, project_id, Edit(path="faster.py", content=""))
    tree = shop.store.with_file(state.tree_hash, "a.py", b"")
    async with database.write() as session:
        change = shop.change("too late")
        assert await service.advance(session, project_id, base_id=state.id, tree=tree, change=change) is None
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Snapshot)) == 2


def test_outputs_lie_in_the_data_directory(settings: Settings) -> None:
    assert service.output_directory(settings, 7, None) == settings.home / "outputs" / "7"
