"""Moving, adding and uploading files of a project: what the explorer beside the editor does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kumo.projects.editing import Workshop, move_on, refuse_beyond_limits, refuse_changed, state_of
from kumo.projects.models import Snapshot, Source
from kumo.projects.paths import project_path
from kumo.projects.store.trees import Tree


@dataclass(frozen=True, kw_only=True)
class Move:
    """A file or folder that is to have another path."""

    source: str
    target: str
    base_snapshot_id: int | None = None  # the state in which it was seen; None: whatever is there


async def move(shop: Workshop, project_id: int, wanted: Move) -> Snapshot:
    """Rename or move a file, or a folder with all that is in it.

    `Conflict` when the target is taken, or when it is not as it was in `base_snapshot_id` any more.
    """
    source = project_path(wanted.source, field="source")
    target = project_path(wanted.target, field="target")
    base = None if wanted.base_snapshot_id is None else await state_of(shop, project_id, wanted.base_snapshot_id)

    def moved(current: str) -> Tree:
        refuse_changed(shop.store, source, base, current)
        return shop.store.moved(current, source, target)

    return await move_on(shop, project_id, moved, shop.change(f"Moved {source} to {target}"))


async def add_folder(shop: Workshop, project_id: int, path: str) -> Snapshot:
    """Make an empty folder, which is kept as a part of the state; `Conflict` when there is something of that name."""
    path = project_path(path)
    return await move_on(
        shop, project_id, lambda current: shop.store.with_folder(current, path), shop.change(f"Added {path}/")
    )


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Files that were uploaded; they lie on the disk until they are taken."""

    folder: str  # of the project; "" is its top
    files: Sequence[tuple[Path, str]]  # each with its path below the folder
    overwrite: bool = False


async def add_files(shop: Workshop, project_id: int, delivery: Delivery) -> tuple[Snapshot, list[str]]:
    """Add all of the files in one new state, or none; the answer has their paths.

    `Conflict` when one is there already, unless it is to be overwritten.
    """
    folder = f"{project_path(delivery.folder)}/" if delivery.folder else ""
    paths = [project_path(folder + name, field="file") for _, name in delivery.files]
    blobs = await asyncio.to_thread(shop.store.put_files, [file for file, _ in delivery.files])

    def added(current: str) -> Tree:
        named = list(zip(paths, blobs, strict=True))
        tree = shop.store.with_blobs(current, named, overwrite=delivery.overwrite)
        refuse_beyond_limits(tree, shop.settings)
        return tree

    what = paths[0] if len(paths) == 1 else f"{len(paths):,} files"
    return await move_on(shop, project_id, added, shop.change(f"Uploaded {what}", Source.UPLOAD)), paths
