"""Giving a project an output directory of its own: checked on the disk first, then written down."""

from __future__ import annotations

import asyncio

from kumo.db.session import Database
from kumo.projects import service
from kumo.projects.outputs.place import (
    OutputPlace,
    allowed_place,
    chosen_place,
    default_place,
    make_place,
    refuse_overlap,
)
from kumo.projects.service import OwnOutputs
from kumo.settings import Settings


async def prepare_outputs(database: Database, settings: Settings, project_id: int, wanted: str | None) -> OwnOutputs:
    """Check the directory that somebody wants for a project, and make it; what lies there already stays.

    The files of the directory before stay where they are. A crash after this leaves an empty directory.
    """
    if wanted is None or wanted == str(default_place(settings.home, project_id).path):
        return OwnOutputs(path=None)
    roots = settings.allowed_output_roots
    place = chosen_place(wanted, roots)
    async with database.read() as session:
        await service.find_project(session, project_id)
        taken = await service.list_own_outputs(session, project_id)
    others = [(name, allowed_place(path, roots)) for name, path in taken]
    known = [(name, other) for name, other in others if other is not None]
    await asyncio.to_thread(_make, place, settings, known)
    return OwnOutputs(path=str(place.path))


def _make(place: OutputPlace, settings: Settings, others: list[tuple[str, OutputPlace]]) -> None:
    refuse_overlap(place, settings.home, others)
    make_place(place)
