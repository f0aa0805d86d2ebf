"""The numbers of interpreters, and which of them people have added by path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.changes import announce
from kumo.db.session import Database
from kumo.environments.models import Build, Environment, InterpreterRow
from kumo.errors import Conflict, NotFound


class InterpreterNotFound(NotFound):
    """The interpreter is not known."""

    def __init__(self, interpreter_id: int) -> None:
        super().__init__(f"Interpreter {interpreter_id} does not exist.")


class InterpreterKnown(Conflict):
    """The path that was to be added is known already."""

    def __init__(self, path: Path, interpreter_id: int) -> None:
        super().__init__(f"{path} is known already, as interpreter {interpreter_id}; there is nothing to add.")


def added_paths(database: Database) -> Callable[[], Awaitable[Sequence[Path]]]:
    """What `Interpreters` asks for: the paths that people have named."""

    async def read() -> Sequence[Path]:
        async with database.read() as session:
            rows = await session.scalars(select(InterpreterRow.path).where(InterpreterRow.is_added))
            return [Path(path) for path in rows]

    return read


async def numbers_of(database: Database, paths: Sequence[Path], now: datetime) -> dict[Path, int]:
    """The numbers of interpreters; one that is met for the first time gets one."""
    while True:
        async with database.read() as session:
            known = await _known(session)
        missing = [path for path in paths if path not in known]
        if not missing:
            return known
        # Somebody else may meet some of them at the same moment: then these have their numbers, and are read above.
        with suppress(IntegrityError):
            async with database.write() as session:
                session.add_all(InterpreterRow(path=str(path), created_at=now) for path in missing)


async def get(session: AsyncSession, interpreter_id: int, *, for_update: bool = False) -> InterpreterRow:
    """One of them, or `InterpreterNotFound`."""
    row = await session.get(InterpreterRow, interpreter_id, with_for_update=for_update)
    if row is None:
        raise InterpreterNotFound(interpreter_id)
    return row


async def add(session: AsyncSession, path: Path, now: datetime) -> InterpreterRow:
    """Note a path that somebody has named; `InterpreterKnown` when it was added before."""
    row = await session.scalar(select(InterpreterRow).where(InterpreterRow.path == str(path)))
    if row is None:
        row = InterpreterRow(path=str(path), created_at=now)
        session.add(row)
    elif row.is_added:
        raise InterpreterKnown(path, row.id)
    row.is_added = True
    await session.flush()
    announce(session, "interpreter", row.id)
    return row


async def forget(session: AsyncSession, row: InterpreterRow) -> None:
    """Forget a path that somebody has named; nothing on the disk is touched.

    Its row stays: an environment that was once made of it names it.
    """
    row.is_added = False
    announce(session, "interpreter", row.id)


async def environments_on(session: AsyncSession) -> dict[str, list[Environment]]:
    """By the paths of interpreters: the environments whose build in use stands on it."""
    query = (
        select(Build.interpreter_path, Environment)
        .join(Build, Build.id == Environment.active_build_id)
        .where(Environment.deleted_at.is_(None), Build.interpreter_path.is_not(None))
        .order_by(Environment.name)
    )
    found: dict[str, list[Environment]] = {}
    for on, environment in (await session.execute(query)).all():
        found.setdefault(on or "", []).append(environment)
    return found


async def environments_of(session: AsyncSession, row: InterpreterRow) -> list[Environment]:
    """The environments whose build in use stands on an interpreter, or that are it as it is."""
    on = select(Build.id).where(Build.interpreter_path == row.path)
    query = select(Environment).where(
        Environment.deleted_at.is_(None),
        Environment.active_build_id.in_(on) | (Environment.interpreter_id == row.id),
    )
    return list((await session.scalars(query.order_by(Environment.name))).all())


async def _known(session: AsyncSession) -> dict[Path, int]:
    rows = await session.execute(select(InterpreterRow.path, InterpreterRow.id))
    return {Path(path): row_id for path, row_id in rows}
