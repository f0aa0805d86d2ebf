"""Reading what a project's present state declares; slow (files), so never within a transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sqlalchemy import select

from kumo.db.session import Database
from kumo.environments.needs.declarations import declaration_of
from kumo.environments.needs.definition import Declared, EnvironmentDefinition
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.errors import InvalidInput
from kumo.projects.models import Project, Snapshot
from kumo.projects.store.snapshots import SnapshotStore
from kumo.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ReadDeclaration:
    """What one state of a project declares, or why that cannot be used."""

    snapshot_id: int
    spec: EnvironmentSpec | InvalidInput


async def read_declared(database: Database, settings: Settings, project_id: int) -> ReadDeclaration:
    """What the project declares now; a project that declares nothing needs nothing but Python.

    Raises `InvalidInput` when there is no such project.
    """
    statement = (
        select(Snapshot.id, Snapshot.tree_hash)
        .join(Project, Project.snapshot_id == Snapshot.id)
        .where(Project.id == project_id, Project.deleted_at.is_(None))
    )
    async with database.read() as session:
        found = (await session.execute(statement)).one_or_none()
    if found is None:
        raise InvalidInput.at("project_id", f"Project {project_id} does not exist.")
    snapshot_id, tree_hash = found
    try:
        spec = await asyncio.to_thread(_declared, SnapshotStore(settings.home), tree_hash)
    except InvalidInput as error:
        return ReadDeclaration(snapshot_id=snapshot_id, spec=error)
    return ReadDeclaration(snapshot_id=snapshot_id, spec=spec)


async def declared_of(database: Database, settings: Settings, definition: EnvironmentDefinition) -> Declared | None:
    """What the project of a definition declares, where it has one; `InvalidInput` when that cannot be used."""
    if definition.project_id is None:
        return None
    found = await read_declared(database, settings, definition.project_id)
    if isinstance(found.spec, InvalidInput):
        raise InvalidInput.at("project_id", found.spec.message)
    return Declared(snapshot_id=found.snapshot_id, spec=found.spec)


def _declared(store: SnapshotStore, tree_hash: str) -> EnvironmentSpec:
    found = declaration_of(lambda path: store.read_file(tree_hash, path))
    return EnvironmentSpec() if found is None else found.spec
