"""Changing a project's files: store the new state first, then say in one short transaction that it is the current one.

Storing takes as long as the disk takes, so no transaction is open meanwhile. Whoever comes second finds the project in
another state, looks whether the file in question has changed there, and starts again from that state. A crash between
storing and saying so leaves blobs that nothing names.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from kumo.clock import Clock
from kumo.db.session import Database
from kumo.errors import Conflict, Detail, TooLarge
from kumo.projects import service
from kumo.projects.archives.unpacking import Limits, unpack
from kumo.projects.models import Project, Snapshot, Source
from kumo.projects.paths import project_path, shown
from kumo.projects.service import Change
from kumo.projects.store.disk import full_disk_is_unavailable
from kumo.projects.store.objects import Damaged
from kumo.projects.store.snapshots import SnapshotStore
from kumo.projects.store.trees import Entry, Tree
from kumo.projects.templates import TemplateName, files_of
from kumo.projects.text import encode_like
from kumo.settings import Settings

Also = Callable[[AsyncSession, Project, Snapshot], Awaitable[None]]

_MOST_TRIES = 50  # each lost try is another person's success, so that only a project under constant change gets there


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What a change of files needs: where projects are stored and who is changing them."""

    database: Database
    store: SnapshotStore
    settings: Settings
    clock: Clock
    user_id: int | None

    def change(self, message: str, source: Source = Source.EDIT) -> Change:
        """A change made now."""
        return Change(message=message, user_id=self.user_id, now=self.clock(), source=source)


class FileChanged(Conflict):
    """A file is not as it was in the state that a change is based on: the change would undo another one unseen."""

    def __init__(self, path: str, *, is_deleted: bool) -> None:
        done = "deleted" if is_deleted else "changed"
        message = f"{shown(path)} was {done} by somebody else meanwhile. Compare both, then save your change."
        super().__init__(message, details=(Detail(field="base_snapshot_id", message=message),))


def remove_leftovers(settings: Settings, store: SnapshotStore) -> None:
    """Delete what a crash has left of uploads and of states half-stored; once, at start."""
    shutil.rmtree(_uploads(settings), ignore_errors=True)
    store.remove_leftovers()


@asynccontextmanager
async def upload_directory(settings: Settings) -> AsyncIterator[Path]:
    """A directory on the data disk for one upload, gone afterwards."""
    directory = _uploads(settings) / uuid.uuid4().hex
    with full_disk_is_unavailable():
        await asyncio.to_thread(directory.mkdir, parents=True)
    try:
        yield directory
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


def _uploads(settings: Settings) -> Path:
    return settings.home / "uploads"


# --- whole projects --------------------------------------------------------------------------------------------------


async def create_empty(
    shop: Workshop,
    *,
    name: str,
    description: str = "",
    template: TemplateName | None = None,
    also: Also | None = None,
) -> tuple[Project, Snapshot]:
    """A project without files, or with those of a template; `also` writes more in the same transaction."""
    if template is not None:
        tree = await asyncio.to_thread(shop.store.put_directory, files_of(template))
        return await _create(
            shop, name, description, tree, shop.change(f"Created from the template {template}", Source.CREATED), also
        )
    tree = await asyncio.to_thread(shop.store.put_empty)
    return await _create(shop, name, description, tree, shop.change("Created empty", Source.CREATED), also)


async def create_from_archive(
    shop: Workshop, *, name: str, description: str, archive: Path, filename: str
) -> tuple[Project, Snapshot]:
    """A project with the files of an archive, which lies in a directory of its own."""
    await _refuse_taken_name(shop, name)
    tree = await asyncio.to_thread(_store_archive, shop, archive)
    return await _create(shop, name, description, tree, shop.change(f"Uploaded {filename}", Source.UPLOAD))


async def create_from_directory(
    shop: Workshop, *, name: str, description: str = "", directory: Path
) -> tuple[Project, Snapshot]:
    """A project with the files of a directory, which is only read."""
    tree = await asyncio.to_thread(shop.store.put_directory, directory)
    return await _create(shop, name, description, tree, shop.change("Created", Source.CREATED))


async def require_project(shop: Workshop, project_id: int) -> None:
    """`NotFound` before anything large is received for a project that is not there."""
    async with shop.database.read() as session:
        await service.find_project(session, project_id)


async def upload(shop: Workshop, project_id: int, *, archive: Path, filename: str) -> tuple[Project, Snapshot]:
    """Replace all files of a project by those of an archive; the earlier states stay in its history."""
    tree = await asyncio.to_thread(_store_archive, shop, archive)
    await move_on(shop, project_id, lambda _: tree, shop.change(f"Uploaded {filename}", Source.UPLOAD))
    async with shop.database.read() as session:
        return await service.find_project(session, project_id), await service.current_snapshot(session, project_id)


def _store_archive(shop: Workshop, archive: Path) -> Tree:
    files = archive.parent / "files"
    limits = Limits(max_bytes=shop.settings.project_max_bytes, max_files=shop.settings.project_max_files)
    unpack(archive, files, limits)
    return shop.store.put_directory(files, move=True)


async def _create(  # noqa: PLR0913 - all that a project begins with
    shop: Workshop, name: str, description: str, tree: Tree, change: Change, also: Also | None = None
) -> tuple[Project, Snapshot]:
    async with shop.database.write() as session:
        project, snapshot = await service.add_project(
            session, name=name, description=description, tree=tree, change=change
        )
        if also is not None:
            await also(session, project, snapshot)
    outputs = service.output_directory(shop.settings, project.id, None)
    with full_disk_is_unavailable():
        await asyncio.to_thread(outputs.mkdir, parents=True, exist_ok=True)
    return project, snapshot


async def _refuse_taken_name(shop: Workshop, name: str) -> None:
    """Say so before the archive is unpacked; the index decides in the end."""
    async with shop.database.read() as session:
        await service.refuse_taken_name(session, name)


# --- single files ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A file as somebody wants it to be."""

    path: str
    content: str
    encoding: str | None = None  # None keeps the one that the file has
    base_snapshot_id: int | None = None  # the state in which the editor has read the file; None: whatever is there


async def save_file(shop: Workshop, project_id: int, edit: Edit) -> tuple[Snapshot, Entry]:
    """Save one file; `Conflict` when it is not as it was in `base_snapshot_id` any more."""
    path = project_path(edit.path)
    base = None if edit.base_snapshot_id is None else await state_of(shop, project_id, edit.base_snapshot_id)

    def save(current: str) -> Tree:
        refuse_changed(shop.store, path, base, current)
        content = encode_like(edit.content, _text_now(shop, current, path, edit.encoding), edit.encoding)
        _refuse_large(path, len(content), shop.settings)
        tree = shop.store.with_file(current, path, content)
        refuse_beyond_limits(tree, shop.settings)
        return tree

    snapshot = await move_on(shop, project_id, save, shop.change(f"Changed {path}"))
    entry = await asyncio.to_thread(shop.store.find, snapshot.tree_hash, path)
    assert entry is not None, "the file was stored with its tree"
    return snapshot, entry


def _text_now(shop: Workshop, tree_hash: str, path: str, encoding: str | None) -> bytes | None:
    """The file whose encoding is to be kept; None when that does not matter."""
    entry = None if encoding else shop.store.find(tree_hash, path)
    if entry is None or entry.is_directory or entry.size_bytes > shop.settings.file_max_bytes:
        return None
    try:
        return shop.store.read(entry)
    except Damaged:  # saving it is how to mend it
        return None


async def delete_file(shop: Workshop, project_id: int, path: str) -> Snapshot:
    """Delete a file, or a folder with all that is in it."""
    path = project_path(path)
    return await move_on(
        shop, project_id, lambda current: shop.store.without(current, path), shop.change(f"Deleted {path}")
    )


async def move_on(shop: Workshop, project_id: int, make: Callable[[str], Tree], change: Change) -> Snapshot:
    """Make a new state from the current one, again for each time that somebody else was faster."""
    for _ in range(_MOST_TRIES):
        async with shop.database.read() as session:
            base = await service.current_snapshot(session, project_id)
        tree = await asyncio.to_thread(make, base.tree_hash)
        if tree.tree_hash == base.tree_hash:
            return base  # saved without a change
        async with shop.database.write() as session:
            new = await service.advance(session, project_id, base_id=base.id, tree=tree, change=change)
        if new is not None:
            return new
    raise Conflict("This project is being changed all the time. Try again in a moment.")


async def state_of(shop: Workshop, project_id: int, snapshot_id: int) -> str:
    """The hash of a state that a project has had; `NotFound` when it has had no such state."""
    async with shop.database.read() as session:
        return (await service.find_snapshot(session, project_id, snapshot_id)).tree_hash


def refuse_changed(store: SnapshotStore, path: str, base: str | None, current: str) -> None:
    """`FileChanged` when a file or folder is not the same in both states; without a base anything will do."""
    if base is None or base == current:
        return
    before, now = store.find(base, path), store.find(current, path)
    if (before and before.digest) != (now and now.digest):
        raise FileChanged(path, is_deleted=now is None)


def _refuse_large(path: str, size: int, settings: Settings) -> None:
    if size > settings.file_max_bytes:
        raise TooLarge(
            f"{shown(path)} would be larger than {settings.file_max_bytes:,} bytes. Upload it in an archive, "
            "or raise KUMO_FILE_MAX_BYTES."
        )


def refuse_beyond_limits(tree: Tree, settings: Settings) -> None:
    """`TooLarge` for a state with more than a project may hold."""
    if tree.file_count > settings.project_max_files or tree.size_bytes > settings.project_max_bytes:
        raise TooLarge(
            f"The project would hold more than {settings.project_max_files:,} files or "
            f"{settings.project_max_bytes:,} bytes. Delete something first."
        )
