"""Routes that compare the database with the data directory."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.http import error_answers
from kumo.system.consistency import MOST_FINDINGS, Consistency, Finding, Kind

router = APIRouter(tags=["system"])


async def _consistency(request: Request) -> Consistency:
    found: Consistency = request.app.state.consistency
    return found


ConsistencyDep = Annotated[Consistency, Depends(_consistency)]


class FindingOut(BaseModel):
    """One thing that does not fit together."""

    kind: Kind
    subject: str = Field(description="The id of the row, or the name of the directory.")
    message: str
    repair: str | None = Field(description="What mending it does; null where only a person can.")


class ConsistencyOut(BaseModel):
    """What the database names and the disk lacks, and the reverse."""

    items: list[FindingOut] = Field(description=f"At most {MOST_FINDINGS}.")
    more: bool = Field(description="Whether there is more than is listed.")


class RepairOut(BaseModel):
    """What was mended."""

    items: list[FindingOut]


@router.get(
    "/system/consistency",
    summary="Compare the database with the disk",
    responses=error_answers("unauthenticated", "forbidden"),
)
async def show_consistency(
    _actor: Annotated[Actor, require(Permission.ADMIN)], consistency: ConsistencyDep
) -> ConsistencyOut:
    """What does not fit together; a look at every run's directory, so not for every minute."""
    found, more = await consistency.look()
    return ConsistencyOut(items=[_out(finding) for finding in found], more=more)


@router.post(
    "/system/consistency/repair",
    summary="Mend what does not fit together",
    responses=error_answers("unauthenticated", "forbidden"),
)
async def repair(_actor: Annotated[Actor, require(Permission.ADMIN)], consistency: ConsistencyDep) -> RepairOut:
    """Mend everything that has a `repair`; only a person can do something about the rest."""
    return RepairOut(items=[_out(finding) for finding in await consistency.repair()])


def _out(finding: Finding) -> FindingOut:
    return FindingOut(kind=finding.kind, subject=finding.subject, message=finding.message, repair=finding.repair)
