"""The file as a project has it just now, read outside of any transaction: files are slow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from kumo.db.session import Database
from kumo.declarations.file import FILE_NAME, LARGEST_FILE_BYTES
from kumo.declarations.problems import Problem
from kumo.declarations.reading import Reading, read
from kumo.environments.declared import read_declared
from kumo.environments.needs.definition import Declared
from kumo.errors import InvalidInput
from kumo.projects import service as projects
from kumo.projects.paths import project_path
from kumo.projects.store.snapshots import SnapshotStore
from kumo.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the file says, in which state of the project, and what it refers to there."""

    snapshot_id: int
    reading: Reading | None  # None: there is no file
    is_given: bool = False  # the text came with the request, and is no file of the project
    requirements: str | None = None  # what stands in the file that [environment] names
    declared: Declared | None = None  # what the project itself declares, where [environment] leaves the packages to it


async def load(database: Database, settings: Settings, project_id: int, text: str | None = None) -> Source:
    """The file of the project's present state, or the text that is given in its place."""
    async with database.read() as session:
        snapshot = await projects.current_snapshot(session, project_id)
    store = SnapshotStore(settings.home)
    if text is None:
        reading = await asyncio.to_thread(_read_file, store, snapshot.tree_hash)
    else:
        reading = await asyncio.to_thread(read, text)
    source = Source(snapshot_id=snapshot.id, reading=reading, is_given=text is not None)
    environment = None if reading is None else reading.environment
    if reading is None or environment is None or not environment.is_described:
        return source
    if environment.requirements is not None:
        found = await asyncio.to_thread(_text_of, store, snapshot.tree_hash, environment.requirements)
        return replace(source, requirements=found)
    if environment.packages is not None:
        return source
    declared = await read_declared(database, settings, project_id)
    if isinstance(declared.spec, InvalidInput):
        problem = reading.problem("environment", declared.spec.message)
        return replace(source, reading=replace(reading, problems=(*reading.problems, problem)))
    return replace(source, declared=Declared(snapshot_id=declared.snapshot_id, spec=declared.spec))


async def text_of(database: Database, settings: Settings, project_id: int, path: str) -> str | None:
    """A text file of the project's present state; None where there is none."""
    async with database.read() as session:
        snapshot = await projects.current_snapshot(session, project_id)
    return await asyncio.to_thread(_text_of, SnapshotStore(settings.home), snapshot.tree_hash, path)


def _read_file(store: SnapshotStore, tree_hash: str) -> Reading | None:
    entry = store.find(tree_hash, FILE_NAME)
    if entry is None or entry.is_directory:
        return None
    if entry.size_bytes > LARGEST_FILE_BYTES:
        message = f"The file has more than {LARGEST_FILE_BYTES // 1024} KiB. Make it shorter."
        return Reading(problems=(Problem(path="", message=message),))
    content = store.read(entry)
    try:
        return read(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return Reading(problems=(Problem(path="", message="This is not UTF-8 text; save it as UTF-8.", line=line),))


def _text_of(store: SnapshotStore, tree_hash: str, path: str) -> str | None:
    """A text file of the project; None where there is none."""
    try:
        entry = store.find(tree_hash, project_path(path))
        if entry is None or entry.is_directory or entry.size_bytes > LARGEST_FILE_BYTES:
            return None
        return store.read(entry).decode("utf-8-sig")
    except (InvalidInput, UnicodeDecodeError):
        return None
