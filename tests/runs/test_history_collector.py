"""Earlier states go when nothing needs them, and never what a run, an upload or an edit is about to use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.projects import editing, history, service, trash
from kumo.projects.editing import Edit, Workshop
from kumo.projects.models import Project, Snapshot
from kumo.projects.store import claims
from kumo.projects.store.snapshots import SnapshotStore
from kumo.runs import removal
from kumo.runs import service as runs
from kumo.runs.history import StillRunning
from kumo.runs.history_collector import HistoryCollector
from kumo.runs.states import RunState
from kumo.settings import Settings
from tests.fakes import ManualClock
from tests.runs.conftest import House

LONG = timedelta(days=1000)


class Shelf:
    """A project whose states are made, and a collector with narrow bounds, on a clock of the test."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings.model_copy(update={"snapshot_keep_count": 2, "snapshot_keep_days": 10})
        self.clock = ManualClock()
        self._open()

    def begin(self) -> None:
        """As after a restart: nothing is under way."""
        claims._claims_of.pop(self.settings.home, None)
        self._open()

    def _open(self) -> None:
        self.store = SnapshotStore(self.settings.home)
        self.shop = Workshop(
            database=self.database, store=self.store, settings=self.settings, clock=self.clock, user_id=None
        )
        self.collector = HistoryCollector(self.database, self.settings, self.clock)

    async def project(self, name: str = "etl") -> int:
        return (await editing.create_empty(self.shop, name=name))[0].id

    async def save(self, project_id: int, content: str, path: str = "main.py") -> int:
        return (await editing.save_file(self.shop, project_id, Edit(path=path, content=content)))[0].id

    async def states(self, project_id: int) -> list[int]:
        async with self.database.read() as session:
            query = select(Snapshot.id).where(Snapshot.project_id == project_id).order_by(Snapshot.id)
            return list(await session.scalars(query))

    async def delete(self, project_id: int) -> None:
        async with self.database.write() as session:
            project = await service.find_project(session, project_id, for_update=True)
            await service.delete_project(session, project, now=self.clock())

    async def collect(self) -> None:
        """Two rounds: what the first one has let go of, the second one sweeps."""
        for _ in range(2):
            self.begin()
            await self.collector.step(self.clock())

    def blobs(self) -> set[bytes]:
        root = self.settings.home / "store" / "objects"
        return {path.read_bytes() for path in root.rglob("*") if path.is_file()}

    async def missing(self) -> list[str]:
        """What the store lacks of any state that there is."""
        async with self.database.read() as session:
            hashes = (await session.scalars(select(Snapshot.tree_hash))).all()
        return [path for tree_hash in hashes for path in self.store.missing(tree_hash)]


@pytest.fixture
def shelf(database: Database, stored_settings: Settings) -> Shelf:
    return Shelf(database, stored_settings)


async def test_a_state_goes_when_it_is_beyond_both_bounds_and_its_files_with_it(shelf: Shelf) -> None:
    project_id = await shelf.project()
    old = [await shelf.save(project_id, f"old {number}") for number in range(3)]
    shelf.clock.advance(days=5)
    young = await shelf.save(project_id, "young")
    shelf.clock.advance(days=6)
    await shelf.collect()
    # The last of the old ones was replaced six days ago, and there is always one before the newest.
    assert await shelf.states(project_id) == [old[2], young]
    assert {b"old 2", b"young"} <= shelf.blobs()
    assert not {b"old 0", b"old 1"} & shelf.blobs()
    shelf.clock.advance(days=100)
    await shelf.collect()
    assert await shelf.states(project_id) == [old[2], young]
    assert await shelf.missing() == []


async def test_what_is_pinned_or_restored_stays(shelf: Shelf) -> None:
    project_id = await shelf.project()
    old = [await shelf.save(project_id, f"old {number}") for number in range(3)]
    async with shelf.database.write() as session:
        await history.note(session, project_id, old[0], pinned=True, message=None)
    back = await history.restore(shelf.shop, project_id, old[1], expected_version=None)
    newest = await shelf.save(project_id, "new", "other.py")
    shelf.clock.advance(days=100)
    await shelf.collect()
    assert await shelf.states(project_id) == [old[0], back.id, newest]
    assert {b"old 0", b"old 1", b"new"} <= shelf.blobs()
    assert b"old 2" not in shelf.blobs()
    assert await shelf.missing() == []


async def test_the_store_is_not_swept_while_nobody_knows_what_a_state_holds(shelf: Shelf) -> None:
    project_id = await shelf.project()
    await shelf.save(project_id, "1", "lib/one.py")
    for path in (shelf.settings.home / "store" / "objects").rglob("*"):
        if path.is_file() and b"one.py" in path.read_bytes():
            path.unlink()
    stray = shelf.store.put_directory(_folder(shelf.settings.home / "strays", {"stray": "stray"}))
    assert stray.file_count == 1
    await shelf.collect()
    assert b"stray" in shelf.blobs()


async def test_the_trash_is_emptied_in_time_and_variables_outputs_and_files_go(shelf: Shelf) -> None:
    project_id = await shelf.project()
    await shelf.save(project_id, "precious")
    output = shelf.settings.home / "outputs" / str(project_id) / "quotes.csv"
    output.write_text("a")
    await shelf.delete(project_id)
    shelf.clock.advance(days=29)
    await shelf.collect()
    assert output.exists()
    assert len(await shelf.states(project_id)) == 2
    shelf.clock.advance(days=2)
    await shelf.collect()
    assert not output.exists()
    assert (await shelf.states(project_id), shelf.blobs()) == ([], set())
    with pytest.raises(trash.NotInTrash):
        await shelf.collector.purge(project_id)


def _folder(path: Path, files: dict[str, str]) -> Path:
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / name).write_text(content)
    return path


# --- runs ------------------------------------------------------------------------------------------------------------


async def test_what_a_run_used_stays_as_long_as_the_run_also_of_a_purged_project(house: House) -> None:
    shelf = Shelf(house.database, house.settings)
    task = await house.add_task()
    run_id = await house.request(task)
    waiting = await house.request(await house.add_task("python waits.py"))
    await house.finish(run_id)
    used = (await house.run(run_id)).snapshot_id
    for number in range(3):
        await shelf.save(house.project_id, f"new {number}")
    shelf.clock.now = utc_now() + LONG
    await shelf.collect()
    assert (await shelf.states(house.project_id))[0] == used

    async with house.database.write() as session:  # as when its tasks were deleted
        project = await service.find_project(session, house.project_id)
        project.deleted_at = utc_now()
    await shelf.collector.step(utc_now() + LONG)
    with pytest.raises(StillRunning, match=f"Run {waiting} of project 'scripts' is not over"):
        await shelf.collector.purge(house.project_id)
    await house.stop(waiting)
    await house.finish(waiting)
    await shelf.collector.purge(house.project_id)
    await shelf.collect()
    assert await shelf.states(house.project_id) == [used]
    assert await shelf.missing() == []
    for each in (run_id, waiting):
        async with house.database.write() as session:
            await removal.remove_rows(session, each)
    await shelf.collect()
    assert (await shelf.states(house.project_id), shelf.blobs()) == ([], set())


async def test_a_directory_goes_when_no_run_works_in_it_and_is_laid_out_again(house: House) -> None:
    shelf = Shelf(house.database, house.settings)
    task = await house.add_task("python waits.py")
    waiting = await house.request(task)
    await house.reach(waiting, RunState.RUNNING)
    (tree,) = shelf.store.laid_out()
    await shelf.save(house.project_id, "another state")
    assert await shelf.collector.remove_directories(utc_now() + LONG) == 0
    assert not await shelf.collector.discard_directory(tree)
    await house.stop(waiting)
    await house.finish(waiting)
    assert await shelf.collector.remove_directories(utc_now() - LONG) == 0  # lately used
    assert await shelf.collector.remove_directories(utc_now() + LONG) == 1
    assert shelf.store.laid_out() == []
    async with house.database.write() as session:
        again = (await runs.rerun(session, waiting, exact=True, actor="ada", now=utc_now())).id
    await house.reach(again, RunState.RUNNING)
    assert shelf.store.laid_out() == [tree]


async def test_a_file_that_the_store_has_lost_fails_the_run_by_its_name_until_it_is_mended(house: House) -> None:
    root = house.settings.home / "store" / "objects"
    (blob,) = [path for path in root.rglob("*") if path.is_file() and path.read_bytes().startswith(b"raise SystemExit")]
    blob.unlink()
    task = await house.add_task("python works.py")
    (failed,) = await house.finish(await house.request(task))
    assert failed.state == "failed"
    assert failed.reason is not None
    assert "The stored copy of “fails.py” is damaged or missing" in failed.reason
    shop = Workshop(
        database=house.database,
        store=SnapshotStore(house.settings.home),
        settings=house.settings,
        clock=utc_now,
        user_id=None,
    )
    await editing.save_file(shop, house.project_id, Edit(path="fails.py", content="raise SystemExit(3)\n"))
    assert blob.exists()
    (run,) = await house.finish(await house.request(task))
    assert run.state == "succeeded"


# --- races -----------------------------------------------------------------------------------------------------------


async def test_nothing_is_swept_that_uploads_edits_and_restores_have_just_found(shelf: Shelf, tmp_path: Path) -> None:
    """Rounds in which all of the store is garbage, and is swept in threads while others find the same contents there.

    In each, what is found is claimed or seen to be missing: afterwards every state is whole.
    """
    shelf.settings = shelf.settings.model_copy(update={"snapshot_keep_count": 1, "snapshot_keep_days": 1})
    files = {f"{number}.txt": f"content {number}" for number in range(150)}
    folder = _folder(tmp_path / "folder", files)
    for number in range(3):
        shelf.begin()
        project_id = await shelf.project(f"edited {number}")
        # As old as it gets, and needed by nothing, but for what is under way below.
        garbage = [await asyncio.to_thread(shelf.store.put_directory, folder)]
        old = await shelf.save(project_id, "content 1", "1.txt")
        shelf.clock.advance(days=50)
        await shelf.save(project_id, f"newest {number}", "1.txt")
        assert garbage[0].file_count == len(files)
        shelf.begin()

        async def collect() -> None:
            await shelf.collector.sweep()
            await shelf.collector.thin_out(shelf.clock())
            await shelf.collector.sweep()

        async def edit(project_id: int = project_id) -> None:
            for name, content in list(files.items())[:10]:
                await shelf.save(project_id, content, name)

        async def restore(project_id: int = project_id, old: int = old) -> None:
            # Collected first or restored first; both are whole afterwards.
            await asyncio.gather(
                history.restore(shelf.shop, project_id, old, expected_version=None), return_exceptions=True
            )

        upload = editing.create_from_directory(shelf.shop, name=f"upload {number}", directory=folder)
        work: list[Any] = [collect(), upload, edit(), restore(), collect()]
        await asyncio.gather(*work)
        assert await shelf.missing() == []
        async with shelf.database.read() as session:
            ids = (await session.scalars(select(Project.id).where(Project.deleted_at.is_(None)))).all()
        for each in ids:
            await shelf.delete(each)
        for each in ids:
            await shelf.collector.purge(each)
        await shelf.collector.thin_out(shelf.clock())


class Interrupted(Database):
    """A database that, when it has been read from once, lets something else happen before the reader goes on."""

    def __init__(self, database: Database, meanwhile: Callable[[], Awaitable[object]]) -> None:
        vars(self).update(vars(database))
        self._meanwhile: list[Callable[[], Awaitable[object]]] = [meanwhile]

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        async with super().read() as session:
            yield session
        while self._meanwhile:
            await self._meanwhile.pop()()


async def test_a_run_that_starts_after_its_directory_was_found_unused_keeps_it(house: House) -> None:
    shelf = Shelf(house.database, house.settings)
    first = await house.request(await house.add_task("python waits.py"))
    await house.reach(first, RunState.RUNNING)
    await house.stop(first)
    await house.finish(first)
    await shelf.save(house.project_id, "another state")
    trees = shelf.store.laid_out()

    async def start() -> None:
        async with house.database.write() as session:
            again = (await runs.rerun(session, first, exact=True, actor="ada", now=utc_now())).id
        await house.reach(again, RunState.RUNNING)

    collector = HistoryCollector(Interrupted(house.database, start), shelf.settings, utc_now)
    assert await collector.remove_directories(utc_now() + LONG) == 0
    assert shelf.store.laid_out() == trees


async def test_a_run_that_starts_while_its_directory_is_removed_finds_all_of_its_files(house: House) -> None:
    """Repetitions of a run of an earlier state, while its directory is collected over and over."""
    shelf = Shelf(house.database, house.settings)
    first = await house.request(await house.add_task())
    await house.finish(first)
    await shelf.save(house.project_id, "another state")
    (tree,) = shelf.store.laid_out()
    over = asyncio.Event()
    removed = 0

    async def remove() -> None:
        nonlocal removed
        while not over.is_set():
            removed += await shelf.collector.remove_directories(utc_now() + LONG)

    removing = asyncio.create_task(remove())
    for _ in range(4):
        await asyncio.to_thread(shelf.store.materialise, tree)
        async with house.database.write() as session:
            again = (await runs.rerun(session, first, exact=True, actor="ada", now=utc_now())).id
        (run,) = await house.finish(again)
        assert (run.state, run.reason) == ("succeeded", None)
    async with asyncio.timeout(60):
        while shelf.store.laid_out():
            await asyncio.sleep(0.01)
    over.set()
    await removing
    assert removed
