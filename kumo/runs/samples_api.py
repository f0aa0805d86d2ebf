"""The route of what an attempt has used over time."""
# ruff: noqa: FAST003 - `AttemptLogDep` takes the path's `run_id`

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.http import UtcMoment
from kumo.runner.contract import SampleRecord, read_samples, read_started
from kumo.runs.log_api import LOG_ANSWERS, AttemptLogDep

router = APIRouter(tags=["runs"])


class SampleOut(BaseModel):
    """What the script and all that it started used in the interval up to a moment."""

    at: UtcMoment
    cpu_percent: float = Field(description="Of one core, on average.")
    memory_bytes: int = Field(description="Resident, at the most.")
    processes: int = Field(description="At the most.")


class SamplesOut(BaseModel):
    """What an attempt has used so far, the earliest first."""

    interval_seconds: float | None = Field(description="How far apart the samples lie; null with fewer than two.")
    items: list[SampleOut]


@router.get("/runs/{run_id}/samples", summary="Show what an attempt used over time", responses=LOG_ANSWERS)
async def list_samples(_actor: Annotated[Actor, require(Permission.READ)], source: AttemptLogDep) -> SamplesOut:
    """CPU, memory and processes over time, also while it runs; empty for an attempt that took less than a second."""
    return await asyncio.to_thread(_samples, source.directory)


def _samples(directory: Path) -> SamplesOut:
    started, records = read_started(directory), read_samples(directory)
    if started is None or not records:
        return SamplesOut(interval_seconds=None, items=[])
    began = datetime.fromtimestamp(started.started_at, UTC)
    items = [
        SampleOut(
            at=began + timedelta(milliseconds=record.milliseconds),
            cpu_percent=record.cpu_percent,
            memory_bytes=record.memory_bytes,
            processes=record.processes,
        )
        for record in records
    ]
    return SamplesOut(interval_seconds=_interval_seconds(records), items=items)


def _interval_seconds(records: Sequence[SampleRecord]) -> float | None:
    if len(records) < 2:  # noqa: PLR2004 - two ends of an interval
        return None
    return round((records[-1].milliseconds - records[0].milliseconds) / (len(records) - 1) / 1000, 3)
