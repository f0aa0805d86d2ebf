"""What the routes of projects ask for: settings, the store, and both with the person who changes files."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Query, Request

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.http import DatabaseDep, Page, RowId, wrong_cursor
from kumo.projects import service
from kumo.projects.editing import Workshop
from kumo.projects.models import Snapshot
from kumo.projects.store.snapshots import SnapshotStore
from kumo.settings import Settings


async def _settings(request: Request) -> Settings:
    found: Settings = request.app.state.settings
    return found


SettingsDep = Annotated[Settings, Depends(_settings)]


async def _store(settings: SettingsDep) -> SnapshotStore:
    return SnapshotStore(settings.home)


StoreDep = Annotated[SnapshotStore, Depends(_store)]


async def _workshop(
    actor: Annotated[Actor, require(Permission.WRITE)], database: DatabaseDep, store: StoreDep, settings: SettingsDep
) -> Workshop:
    return Workshop(database=database, store=store, settings=settings, clock=utc_now, user_id=actor.user_id)


Workplace = Annotated[Workshop, Depends(_workshop)]


SnapshotId = Annotated[RowId | None, Query(description="An earlier state of the project; without, the present one.")]


async def present_state(database: Database, project_id: int, snapshot_id: int | None = None) -> Snapshot:
    """The state that a project is in, or the one that is named.

    In a transaction of its own: reading files takes longer than one may be held.
    """
    async with database.read() as session:
        if snapshot_id is not None:
            return await service.find_snapshot(session, project_id, snapshot_id)
        return await service.current_snapshot(session, project_id)


def after_name(page: Page) -> tuple[str, int] | None:
    """Where a page of projects sorted by name begins: name and id of the last one before it."""
    match page.after:
        case None:
            return None
        case (str(name), int(project_id)) if 0 <= project_id < 2**63:
            return name, project_id
    raise wrong_cursor()


def attachment(filename: str) -> dict[str, str]:
    """The header of a download: a browser saves it and never shows it, whatever it is."""
    plain = filename.encode("ascii", "replace").decode().replace("\\", "_").replace('"', "_")
    plain = "".join(char if char.isprintable() else "_" for char in plain)
    encoded = quote(filename.encode("utf-8", "replace"), safe="")
    return {"content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"}
