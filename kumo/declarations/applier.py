"""The loop that applies the file of each project that wants it, whenever the project has a new state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from kumo.clock import Clock
from kumo.db.changes import announce
from kumo.db.session import Database
from kumo.declarations import service, sources
from kumo.declarations.models import ProjectDeclaration
from kumo.declarations.problems import InvalidDeclaration
from kumo.declarations.service import Wish
from kumo.errors import InvalidInput, KumoError
from kumo.projects.models import Project
from kumo.settings import Settings

_ROUND_SECONDS: Final = 5.0  # word of a change wakes it earlier
_PAUSE = timedelta(seconds=30)


class Applier:
    """Compares the state that a project is in with the one that was applied last."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._not_before: dict[int, datetime] = {}  # what could not be done just now is tried again, but not at once

    async def forever(self) -> None:
        """Look at every word of a project, and now and then without any."""
        with self._database.changes.subscribe("project") as changes:
            while True:
                await self.step()
                await changes.wait(_ROUND_SECONDS)

    async def step(self) -> None:
        """Apply what is new."""
        query = (
            select(Project.id)
            .join(ProjectDeclaration, ProjectDeclaration.project_id == Project.id)
            .where(
                ProjectDeclaration.applies_itself,
                Project.deleted_at.is_(None),
                Project.snapshot_id.is_distinct_from(ProjectDeclaration.seen_snapshot_id),
            )
        )
        async with self._database.read() as session:
            waiting = (await session.scalars(query)).all()
        now = self._clock()
        for project_id in waiting:
            if now >= self._not_before.get(project_id, now):
                await self._apply(project_id, now)

    async def _apply(self, project_id: int, now: datetime) -> None:
        self._not_before.pop(project_id, None)
        seen: int | None = None
        try:
            source = await sources.load(self._database, self._settings, project_id)
            seen = source.snapshot_id
            if source.reading is None:
                await self._note(project_id, None, now, seen=seen)
            else:
                await service.apply(self._database, project_id, source, Wish(user_id=None, now=now))
        except InvalidInput as error:
            await self._note(project_id, error, now, seen=seen)
        except KumoError as error:
            # The file is not to blame: a run that goes on, a task that is being changed.
            self._not_before[project_id] = now + _PAUSE
            await self._note(project_id, error, now, seen=None)

    async def _note(self, project_id: int, error: KumoError | None, now: datetime, *, seen: int | None) -> None:
        """Keep why it failed, once for each reason, and whether there is nothing more to do with this state."""
        failure = None if error is None else {"message": error.message, "problems": _problems(error)}
        async with self._database.write() as session:
            row = await session.get(ProjectDeclaration, project_id, with_for_update=True)
            if row is None or not row.applies_itself:
                return
            if row.failure != failure:
                row.failure, row.failed_at = failure, None if failure is None else now
                announce(session, "project", project_id)
            row.seen_snapshot_id = row.seen_snapshot_id if seen is None else seen


def _problems(error: KumoError) -> list[dict[str, object]]:
    found = error.problems if isinstance(error, InvalidDeclaration) else ()
    return [{"path": each.path, "line": each.line, "message": each.message} for each in found]
