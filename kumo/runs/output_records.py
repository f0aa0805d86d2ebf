"""What runs have written, kept in rows: found out after their ends by looking at what has changed since the last look.

A look takes up to seconds where there are many files, so that it is nobody's to wait for: no run's start, no request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.session import Database
from kumo.projects.outputs.walk import SeenFile
from kumo.runs.models import OutputScan, OutputWrite, Run
from kumo.runs.output_writers import Going, Writers, moment_of, writers_at
from kumo.runs.states import OPEN

MOST_KEPT = 200_000  # for each project; the oldest go
_MOST_MISSED = 2000  # runs before a restart that are looked at again
_BATCH = 200  # rows of one transaction: some 15 ms in which the loop does nothing else
_TYPE_LENGTH = 20
_HOUR_SECONDS = 3600
_DATES = ("size_bytes", "mtime_ns", "written_at", "hour", "candidates", "counts", "is_last")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A file, and who may have written it."""

    file: SeenFile
    at: datetime
    writers: Writers


async def runs_since(
    session: AsyncSession, project_id: int, run_ids: Sequence[int], since: datetime | None, *, look_back: bool
) -> list[Going]:
    """The runs of a project that may have written since then: those named, those going; when asked, the last ones."""
    columns = select(Run.id, Run.project_id, Run.started_at, Run.ended_at)
    # Not asked for by their project as well, which would be taken for the better index: it has each run that ever was.
    going = columns.where(Run.state.in_(OPEN), Run.started_at.is_not(None))
    rows = {row for row in await session.execute(going) if row.project_id == project_id}
    for some in _batches(run_ids):
        rows |= set(await session.execute(columns.where(Run.id.in_(some))))
    if look_back:
        last = columns.where(Run.project_id == project_id).order_by(Run.id.desc()).limit(_MOST_MISSED)
        rows |= {row for row in await session.execute(last) if since is None or row[3] is None or row[3] >= since}
    return [Going(run_id=row[0], started_at=row[2], ended_at=row[3]) for row in rows if row[2] is not None]


def attribute(files: Sequence[SeenFile], runs: Sequence[Going]) -> list[Written]:
    """The files that a run may have written, in the order of their moments."""
    ordered = sorted(files, key=lambda file: file.ctime_ns)
    moments = [moment_of(file.ctime_ns) for file in ordered]
    found = zip(ordered, moments, writers_at(moments, runs), strict=True)
    return [Written(file=file, at=at, writers=writers) for file, at, writers in found if writers.run_ids]


async def store(database: Database, project_id: int, written: Sequence[Written], runs: Sequence[Going]) -> int:
    """Write down what is new, in short transactions, and say how many rows it took; doing it twice changes nothing."""
    started = {run.run_id: run.started_at for run in runs}
    count = 0
    for batch in _batches(written):
        async with database.write() as session:
            known = await _known(session, project_id, batch)
            new = [one for one in batch if known.get(one.file.path) != (one.file.size_bytes, one.file.mtime_ns)]
            if not new:
                continue
            await _outdate(session, project_id, [one.file.path for one in new])
            rows = await _rows(session, project_id, new, started)
            await _put(session, rows)
            count += len(rows)
    return count


async def note_scan(session: AsyncSession, project_id: int, at: datetime, *, complete: bool) -> None:
    """Say that what was written before this moment is known."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    values = {"scanned_at": at, "complete": complete}
    statement = insert(OutputScan).values(project_id=project_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["project_id"], set_=values))


async def forget_oldest(database: Database, project_id: int, *, most: int = MOST_KEPT) -> int:
    """Delete what is more than is kept of a project, a little at a time, and say how much that was."""
    mine = select(OutputWrite.id).where(OutputWrite.project_id == project_id)
    async with database.read() as session:
        newest_to_go = await session.scalar(mine.order_by(OutputWrite.id.desc()).offset(most).limit(1))
    count = 0
    while newest_to_go is not None:
        oldest = mine.where(OutputWrite.id <= newest_to_go).order_by(OutputWrite.id).limit(_BATCH)
        async with database.write() as session:
            gone = (
                await session.scalars(delete(OutputWrite).where(OutputWrite.id.in_(oldest)).returning(OutputWrite.id))
            ).all()
        count += len(gone)
        if len(gone) < _BATCH:
            break
    return count


async def last_writers(session: AsyncSession, project_id: int, folder: str) -> dict[str, list[tuple[int, int, int]]]:
    """For each name in a folder: the runs that may have written it last, each with the size and time that it had."""
    rows = await session.execute(
        select(OutputWrite.name, OutputWrite.run_id, OutputWrite.size_bytes, OutputWrite.mtime_ns).where(
            OutputWrite.project_id == project_id, OutputWrite.folder == folder, OutputWrite.is_last
        )
    )
    found: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for name, *writer in rows:
        found[name].append((writer[0], writer[1], writer[2]))
    return found


async def _known(session: AsyncSession, project_id: int, batch: Sequence[Written]) -> dict[str, tuple[int, int]]:
    """Of these files, as they were when they were seen last."""
    columns = (OutputWrite.name, OutputWrite.size_bytes, OutputWrite.mtime_ns)
    known = {}
    for folder, names in _by_folder([one.file.path for one in batch]).items():
        query = select(*columns).where(*_last(project_id, folder, names))
        for name, size_bytes, mtime_ns in await session.execute(query):
            known[f"{folder}/{name}" if folder else name] = (size_bytes, mtime_ns)
    return known


async def _outdate(session: AsyncSession, project_id: int, paths: Sequence[str]) -> None:
    for folder, names in _by_folder(paths).items():
        await session.execute(update(OutputWrite).where(*_last(project_id, folder, names)).values(is_last=False))


def _last(project_id: int, folder: str, names: Sequence[str]) -> tuple[Any, ...]:
    return (
        OutputWrite.project_id == project_id,
        OutputWrite.folder == folder,
        OutputWrite.name.in_(names),
        OutputWrite.is_last,
    )


async def _rows(
    session: AsyncSession, project_id: int, new: Sequence[Written], started: dict[int, datetime]
) -> list[dict[str, Any]]:
    """The rows of a batch. The first file of a run, where it is surely its own, says how long it took to come."""
    run_ids = sorted({run_id for one in new for run_id in one.writers.run_ids})
    begun: set[int] = set()
    for some in _batches(run_ids):
        query = select(OutputWrite.run_id).where(OutputWrite.run_id.in_(some)).distinct()
        begun |= set(await session.scalars(query))
    rows = []
    for one in new:
        for place, run_id in enumerate(one.writers.run_ids):
            latency = None
            if run_id not in begun:
                begun.add(run_id)
                if one.writers.count == 1:
                    latency = max(0.0, (one.at - started[run_id]).total_seconds())
            rows.append(_values(project_id, run_id, one) | {"counts": place == 0, "latency_seconds": latency})
    return rows


def _values(project_id: int, run_id: int, one: Written) -> dict[str, Any]:
    folder, _, name = one.file.path.rpartition("/")
    _stem, dot, suffix = name.rpartition(".")
    return {
        "run_id": run_id,
        "project_id": project_id,
        "folder": folder,
        "name": name,
        "type": suffix.lower() if dot and len(suffix) <= _TYPE_LENGTH else "",
        "size_bytes": one.file.size_bytes,
        "mtime_ns": one.file.mtime_ns,
        "written_at": one.at,
        "hour": int(one.at.timestamp()) // _HOUR_SECONDS,
        "candidates": one.writers.count,
        "is_last": True,
    }


async def _put(session: AsyncSession, rows: list[dict[str, Any]]) -> None:
    """Add the rows; a run that wrote the same file before has it as it is now."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(OutputWrite)
    statement = statement.on_conflict_do_update(
        index_elements=["run_id", "folder", "name"],
        set_={name: getattr(statement.excluded, name) for name in _DATES},
    )
    await session.execute(statement, rows)


def _by_folder(paths: Sequence[str]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        folder, _, name = path.rpartition("/")
        found[folder].append(name)
    return found


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for begin in range(0, len(items), _BATCH):
        yield items[begin : begin + _BATCH]
