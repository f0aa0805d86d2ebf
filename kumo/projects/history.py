"""Earlier states of a project: compared, noted, and brought back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.errors import ChangedMeanwhile, NotFound
from kumo.projects import service
from kumo.projects.comparing import unified
from kumo.projects.editing import Workshop
from kumo.projects.models import Project, Snapshot, Source
from kumo.projects.paths import shown
from kumo.projects.store.differences import Difference, differences
from kumo.projects.store.objects import Damaged
from kumo.projects.store.snapshots import SnapshotStore
from kumo.projects.store.trees import EXECUTABLE, Entry, Tree
from kumo.projects.text import Text, read_text

MOST_FILES = 500
_LONGEST_SECONDS = 5.0  # on a slow disk, or of many large files that differ in a line each


@dataclass(frozen=True, kw_only=True)
class DiffLimits:
    """How much of a comparison is told: characters of each file's diff and of all, and how large a file may be."""

    file_bytes: int
    file_chars: int
    all_chars: int


OF_ALL = DiffLimits(file_bytes=1024 * 1024, file_chars=60_000, all_chars=400_000)
OF_ONE = DiffLimits(file_bytes=8 * 1024 * 1024, file_chars=4_000_000, all_chars=4_000_000)


@dataclass(frozen=True, kw_only=True)
class ChangedFile:
    """One file that two states do not have alike."""

    path: str
    change: str  # "added", "removed" or "changed"
    size_bytes_before: int | None
    size_bytes_after: int | None
    executable_before: bool | None
    executable_after: bool | None
    binary: bool
    diff: str | None  # None where there is nothing to show, or nothing that can be shown
    truncated: bool  # there is more to show: ask for this path alone


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What two states differ in, as far as it is told."""

    files: list[ChangedFile]
    file_count: int  # of all files that differ


# --- looking ---------------------------------------------------------------------------------------------------------


async def state_before(session: AsyncSession, snapshot: Snapshot) -> Snapshot | None:
    """The state that the project was in before, of those that are kept; None for the first."""
    return await session.scalar(
        select(Snapshot)
        .where(Snapshot.project_id == snapshot.project_id, Snapshot.id < snapshot.id)
        .order_by(Snapshot.id.desc())
        .limit(1)
    )


def compare(store: SnapshotStore, before: str | None, after: str, path: str | None = None) -> Comparison:
    """What has changed from one state to another, with diffs; of one file or folder alone where a path is given.

    Blocks for seconds at the most: reads both sides of what differs until the limits or the time are used up.
    """
    until = monotonic() + _LONGEST_SECONDS
    found = differences(store, before, after)
    if path is not None:
        found = [one for one in found if one.path == path or one.path.startswith(f"{path}/")]
        if not found:
            raise NotFound(f"{shown(path)} is alike in both states, or in neither of them.")
    limits = OF_ALL if path is None else OF_ONE
    left, files = limits.all_chars, []
    for one in found[:MOST_FILES]:
        most_chars = min(left, limits.file_chars) if monotonic() < until else 0
        changed = _changed(store, one, limits, most_chars=most_chars)
        left -= len(changed.diff or "")
        files.append(changed)
    return Comparison(files=files, file_count=len(found))


def _changed(store: SnapshotStore, one: Difference, limits: DiffLimits, *, most_chars: int) -> ChangedFile:
    sides = (one.before, one.after)
    diff, binary, truncated = None, False, False
    if one.before is None or one.after is None or one.before.digest != one.after.digest:
        if any(entry is not None and entry.size_bytes > limits.file_bytes for entry in sides) or most_chars <= 0:
            truncated = True
        else:
            texts = [_text(store, entry) for entry in sides]
            if texts[0] is None or texts[1] is None:
                binary = True
            else:
                made = unified(texts[0].content, texts[1].content, most_chars=most_chars)
                diff, truncated = made.text, made.truncated
    return ChangedFile(
        path=one.path,
        change="added" if one.before is None else "removed" if one.after is None else "changed",
        size_bytes_before=None if one.before is None else one.before.size_bytes,
        size_bytes_after=None if one.after is None else one.after.size_bytes,
        executable_before=None if one.before is None else one.before.kind == EXECUTABLE,
        executable_after=None if one.after is None else one.after.kind == EXECUTABLE,
        binary=binary,
        diff=diff,
        truncated=truncated,
    )


def _text(store: SnapshotStore, entry: Entry | None) -> Text | None:
    return Text(encoding="utf-8", content="") if entry is None else read_text(store.read(entry))


# --- changing --------------------------------------------------------------------------------------------------------


async def note(
    session: AsyncSession, project_id: int, snapshot_id: int, *, pinned: bool | None, message: str | None
) -> Snapshot:
    """Pin a state or let it go, or say better why it was made; None leaves it as it is."""
    await service.find_project(session, project_id)
    snapshot = await service.find_snapshot(session, project_id, snapshot_id)
    values = {name: value for name, value in (("pinned", pinned), ("message", message)) if value is not None}
    if values:
        changed = await session.scalar(
            update(Snapshot).where(Snapshot.id == snapshot_id).values(**values).returning(Snapshot.id)
        )
        if changed is None:  # collected meanwhile
            raise NotFound(f"Project {project_id} has no snapshot {snapshot_id}.")
        await session.refresh(snapshot)
        announce(session, "project", project_id)
    return snapshot


async def restore(shop: Workshop, project_id: int, snapshot_id: int, *, expected_version: int | None) -> Snapshot:
    """Make a new state that is equal to an earlier one; the present one itself where they are equal already.

    Raises `ChangedMeanwhile` when the project is not in the version expected, `Damaged` when files of it are lost.
    """
    async with shop.database.read() as session:
        old = await service.find_snapshot(session, project_id, snapshot_id)
    await asyncio.to_thread(_refuse_incomplete, shop.store, old.tree_hash)
    async with shop.database.write() as session:
        project = await service.find_project(session, project_id, for_update=True)
        if expected_version is not None and project.version != expected_version:
            raise ChangedMeanwhile(f"Project {project_id} was changed by somebody else meanwhile. Load it again.")
        # Once more, and held: what it names must not be collected before the new state names it too.
        held = await session.scalar(select(Snapshot.id).where(Snapshot.id == snapshot_id).with_for_update(read=True))
        if held is None:
            raise NotFound(f"Project {project_id} has no snapshot {snapshot_id}.")
        return await _bring_back(session, project, old, shop)


async def _bring_back(session: AsyncSession, project: Project, old: Snapshot, shop: Workshop) -> Snapshot:
    present = await service.current_snapshot(session, project.id)
    if present.tree_hash == old.tree_hash:
        return present
    tree = Tree(tree_hash=old.tree_hash, file_count=old.file_count, size_bytes=old.size_bytes)
    change = shop.change(f"Restored state {old.id}", Source.RESTORE)
    made = await service.advance(session, project.id, base_id=present.id, tree=tree, change=change)
    assert made is not None, "the project's row is held"
    return made


def _refuse_incomplete(store: SnapshotStore, tree_hash: str) -> None:
    for path in store.missing(tree_hash):
        raise Damaged(tree_hash, path)
