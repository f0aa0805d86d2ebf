"""Routes of what runs have written: by folder, by run, and added up over time.

Those that know nothing of runs are in `kumo.projects.outputs_api`.
"""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.http import DatabaseDep, GivenMoment, PageDep, ReadSession, RowId, UtcMoment, error_answers
from kumo.projects.outputs.folder import Output, list_outputs
from kumo.projects.outputs_api import OutputPath, output_place
from kumo.projects.schemas import OutputListing, OutputOut
from kumo.projects.service import find_project
from kumo.projects.shop_api import SettingsDep, attachment
from kumo.runs import service
from kumo.runs.models import OutputScan, OutputWrite
from kumo.runs.output_records import last_writers
from kumo.runs.output_statistics import Bucket, Statistics, share, statistics_of, window_of

router = APIRouter()

Reader = Annotated[Actor, require(Permission.READ)]

_MEDIAN, _NEARLY_ALL = 0.5, 0.95


class RunOutputOut(BaseModel):
    """A file that a run wrote."""

    path: str
    size_bytes: int
    written_at: UtcMoment
    candidates: int = Field(
        description="How many runs of the project went at that moment; with more than one, any of them may have "
        "written it."
    )
    is_last: bool = Field(description="No later run is known to have written the file again.")


class RunOutputList(BaseModel):
    """A page of what a run wrote, in the order in which it was found."""

    items: list[RunOutputOut]
    next_cursor: str | None
    file_count: int
    size_bytes: int
    settled: bool = Field(description="false: the run has not been over for long enough, and more may come.")


class AmountOut(BaseModel):
    """Some files."""

    type: str = Field(description="The end of their names, as “csv”; empty without.")
    files: int
    bytes: int


class OutputBucketOut(BaseModel):
    """What was written in one hour or day."""

    at: UtcMoment = Field(description="Its beginning.")
    files: int
    bytes: int
    files_per_second: float
    types: list[AmountOut]


class LatencyOut(BaseModel):
    """How long runs took from their start to their first file, as far as that was surely theirs."""

    runs: int
    p50_seconds: float | None
    p95_seconds: float | None


class OutputStatisticsOut(BaseModel):
    """What a project's runs wrote in whole hours or days of UTC."""

    from_: UtcMoment = Field(serialization_alias="from")
    to: UtcMoment
    bucket: Bucket
    files: int
    bytes: int
    files_per_second: float = Field(description="Over the part of the window that has passed.")
    types: list[AmountOut]
    buckets: list[OutputBucketOut]
    latency: LatencyOut
    known_since: UtcMoment | None = Field(description="What was written before is not kept any more; null: all is.")
    complete: bool = Field(description="false: there are more files than are looked at, so that some may be missing.")


@router.get(
    "/projects/{project_id}/outputs",
    tags=["projects"],
    summary="List a folder of a project's outputs",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error"),
)
async def list_folder(
    _actor: Reader, database: DatabaseDep, settings: SettingsDep, project_id: RowId, path: OutputPath = ""
) -> OutputListing:
    """Give what is in the folder, and which runs wrote it; links are listed, and never followed."""
    place, _name = await output_place(database, settings, project_id)
    listing = await asyncio.to_thread(list_outputs, place, path)
    async with database.read() as session:
        writers = await last_writers(session, project_id, path)
    entries = [_entry(entry, writers.get(entry.name, ())) for entry in listing.entries]
    return OutputListing(path=path, entries=entries, truncated=listing.truncated)


@router.get(
    "/runs/{run_id}/outputs",
    tags=["runs"],
    summary="List what a run wrote",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "validation_error"),
)
async def list_outputs_of_run(_actor: Reader, session: ReadSession, page: PageDep, run_id: RowId) -> RunOutputList:
    """Give the files that were written while the run went, some seconds after; those that were deleted since, too."""
    run = await service.get(session, run_id)
    mine = OutputWrite.run_id == run_id
    query = select(OutputWrite).where(mine).order_by(OutputWrite.id).limit(page.limit + 1)
    if (after := page.after_id()) is not None:
        query = query.where(OutputWrite.id > after)
    rows = (await session.scalars(query)).all()
    shown = rows[: page.limit]
    count, size = (
        await session.execute(select(func.count(), func.coalesce(func.sum(OutputWrite.size_bytes), 0)).where(mine))
    ).one()
    scanned_at = await session.scalar(select(OutputScan.scanned_at).where(OutputScan.project_id == run.project_id))
    return RunOutputList(
        items=[
            RunOutputOut(
                path=f"{row.folder}/{row.name}" if row.folder else row.name,
                size_bytes=row.size_bytes,
                written_at=row.written_at,
                candidates=row.candidates,
                is_last=row.is_last,
            )
            for row in shown
        ],
        next_cursor=page.next_cursor(rows, [shown[-1].id] if shown else None),
        file_count=count,
        size_bytes=int(size),
        settled=run.ended_at is not None
        and (run.started_at is None or (scanned_at is not None and scanned_at >= run.ended_at)),
    )


@router.get(
    "/projects/{project_id}/outputs/statistics",
    tags=["projects"],
    summary="Say how much a project's runs have written over time",
    response_model=OutputStatisticsOut,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **error_answers("unauthenticated", "forbidden", "not_found", "validation_error"),
    },
)
async def show_statistics(  # noqa: PLR0913 - what is asked for
    _actor: Reader,
    session: ReadSession,
    project_id: RowId,
    from_: Annotated[GivenMoment | None, Query(alias="from", description="Without: 24 hours, or 31 days.")] = None,
    to: Annotated[GivenMoment | None, Query(description="Without: now.")] = None,
    bucket: Annotated[Bucket, Query(description="By the hour, or by the day, of UTC.")] = "hour",
    format_: Annotated[
        Literal["json", "csv"], Query(alias="format", description="CSV has a line for each bucket and type of file.")
    ] = "json",
) -> Response:
    """Count files once for each run that wrote them; both ends are moved outwards to whole hours or days."""
    await find_project(session, project_id)
    now = utc_now()
    found = await statistics_of(session, project_id, window_of(from_, to, bucket, now))
    if format_ == "csv":
        headers = attachment(f"outputs-{project_id}.csv")
        return Response(_csv(found, now), media_type="text/csv; charset=utf-8", headers=headers)
    return JSONResponse(_statistics(found, now).model_dump(mode="json", by_alias=True))


def _entry(entry: Output, writers: tuple[()] | list[tuple[int, int, int]]) -> OutputOut:
    # What was changed since by a person, or by a run that still goes, was not written like this by those.
    written_by = [run_id for run_id, size, mtime in writers if (size, mtime) == (entry.size_bytes, entry.mtime_ns)]
    return OutputOut(
        name=entry.name,
        type=entry.type,
        size_bytes=entry.size_bytes,
        modified_at=entry.modified_at,
        written_by=sorted(written_by, reverse=True),
    )


def _statistics(found: Statistics, now: datetime) -> OutputStatisticsOut:
    window, hours = found.window, 1 if found.window.bucket == "hour" else 24
    passed = (min(window.ends_at, now) - window.begins_at).total_seconds()
    return OutputStatisticsOut(
        from_=window.begins_at,
        to=window.ends_at,
        bucket=window.bucket,
        files=found.total.files,
        bytes=found.total.bytes,
        files_per_second=_rate(found.total.files, passed),
        types=[AmountOut(type=name, files=each.files, bytes=each.bytes) for name, each in found.types.items()],
        buckets=[
            OutputBucketOut(
                at=each.at,
                files=each.files,
                bytes=each.bytes,
                files_per_second=_rate(each.files, min(hours * 3600, (now - each.at).total_seconds())),
                types=[AmountOut(type=name, files=some.files, bytes=some.bytes) for name, some in each.types.items()],
            )
            for each in found.buckets
        ],
        latency=LatencyOut(
            runs=len(found.latencies),
            p50_seconds=share(found.latencies, _MEDIAN),
            p95_seconds=share(found.latencies, _NEARLY_ALL),
        ),
        known_since=found.known_since,
        complete=found.complete,
    )


def _rate(files: int, seconds: float) -> float:
    return round(files / max(1.0, seconds), 6)


def _csv(found: Statistics, now: datetime) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["at", "type", "files", "bytes"])
    for bucket in _statistics(found, now).buckets:
        at = bucket.at.isoformat().replace("+00:00", "Z")
        writer.writerows([at, _cell(each.type), each.files, each.bytes] for each in bucket.types)
    return text.getvalue()


def _cell(text: str) -> str:
    """A spreadsheet would compute what begins like a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
