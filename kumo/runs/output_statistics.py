"""How much a project's runs have written, and when, from the rows that say so."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.errors import InvalidInput
from kumo.runs.models import OutputScan, OutputWrite
from kumo.runs.output_records import MOST_KEPT

Bucket = Literal["hour", "day"]

_HOUR = 3600
_HOURS_OF: dict[Bucket, int] = {"hour": 1, "day": 24}
_MOST_BUCKETS: dict[Bucket, int] = {"hour": 24 * 31, "day": 366}
_USUAL_BUCKETS: dict[Bucket, int] = {"hour": 24, "day": 31}
_MOST_LATENCIES = 10_000


@dataclass(kw_only=True)
class Amount:
    """Some files."""

    files: int = 0
    bytes: int = 0


@dataclass(kw_only=True)
class BucketAmount(Amount):
    """What was written in one hour or day."""

    at: datetime
    types: dict[str, Amount] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Whole hours or days, in UTC, counted in hours since 1970; the last one may still go on."""

    first_hour: int
    end_hour: int
    bucket: Bucket

    @property
    def begins_at(self) -> datetime:
        """Its beginning."""
        return _moment(self.first_hour)

    @property
    def ends_at(self) -> datetime:
        """Its end, exclusive."""
        return _moment(self.end_hour)


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What was written in a window."""

    window: Window
    buckets: list[BucketAmount]
    types: dict[str, Amount]
    total: Amount
    latencies: list[float]  # of runs from their starts to their first files, in order of size
    known_since: datetime | None  # where older ones are not kept any more
    complete: bool  # no look at the output directory had to be ended early, as of the last one


def window_of(begin: datetime | None, end: datetime | None, bucket: Bucket, now: datetime) -> Window:
    """The whole hours or days that somebody asks about; `InvalidInput` for none, or too many."""
    hours = _HOURS_OF[bucket]
    last = (int((end or now).timestamp()) + hours * _HOUR - 1) // (hours * _HOUR)
    first = last - _USUAL_BUCKETS[bucket] if begin is None else int(begin.timestamp()) // (hours * _HOUR)
    if first >= last:
        raise InvalidInput.at("from", "The window is empty: its beginning does not lie before its end.")
    if last - first > _MOST_BUCKETS[bucket]:
        raise InvalidInput.at("from", f"The window is longer than {_MOST_BUCKETS[bucket]} {bucket}s. Ask for less.")
    return Window(first_hour=first * hours, end_hour=last * hours, bucket=bucket)


async def statistics_of(session: AsyncSession, project_id: int, window: Window) -> Statistics:
    """Add up the window; hours and days without files are there too."""
    mine = OutputWrite.project_id == project_id
    within = (OutputWrite.hour >= window.first_hour, OutputWrite.hour < window.end_hour)
    hours = _HOURS_OF[window.bucket]
    buckets = [BucketAmount(at=_moment(hour)) for hour in range(window.first_hour, window.end_hour, hours)]
    types: defaultdict[str, Amount] = defaultdict(Amount)
    total = Amount()
    grouped = (
        select(OutputWrite.hour, OutputWrite.type, func.count(), func.sum(OutputWrite.size_bytes))
        .where(mine, OutputWrite.counts, *within)
        .group_by(OutputWrite.hour, OutputWrite.type)
    )
    for hour, type_, files, size in await session.execute(grouped):
        bucket = buckets[(hour - window.first_hour) // hours]
        for amount in (bucket, bucket.types.setdefault(type_, Amount()), types[type_], total):
            amount.files += files
            amount.bytes += int(size)
    latencies = select(OutputWrite.latency_seconds).where(mine, OutputWrite.latency_seconds.is_not(None), *within)
    found = await session.scalars(latencies.order_by(OutputWrite.hour.desc()).limit(_MOST_LATENCIES))
    scan = await session.get(OutputScan, project_id)
    return Statistics(
        window=window,
        buckets=buckets,
        types=dict(sorted(types.items(), key=lambda item: (-item[1].files, item[0]))),
        total=total,
        latencies=sorted(latency for latency in found if latency is not None),
        known_since=await _known_since(session, project_id),
        complete=scan is None or scan.complete,
    )


def share(values: list[float], part: float) -> float | None:
    """The value below which a part of them lies; the values are in order of size, and without any there is none."""
    return None if not values else values[min(len(values) - 1, int(len(values) * part))]


async def _known_since(session: AsyncSession, project_id: int) -> datetime | None:
    mine = select(OutputWrite.written_at).where(OutputWrite.project_id == project_id)
    # As many as may be kept are there, but for those of the rounds since the oldest went.
    return await session.scalar(mine.order_by(OutputWrite.id.desc()).offset(MOST_KEPT - 1).limit(1))


def _moment(hour: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
