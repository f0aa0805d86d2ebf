"""Routes of triggers: a preview, and the time zones. Their ledger is in `ledger_api`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.http import GivenMoment, Input, UtcMoment, error_answers
from kumo.tasks.clock_changes import Change, Told, left_out, told
from kumo.tasks.policies import Blackout, check_blackouts
from kumo.tasks.schemas import BlackoutFields
from kumo.tasks.time_zones import zone_names
from kumo.tasks.trigger_schemas import TriggerIn
from kumo.tasks.triggers import Cron, Trigger, due_moments, validate
from kumo.tasks.wording import Language, describe, describe_change, warnings

router = APIRouter(tags=["schedules"])


class PreviewRequest(Input):
    """A trigger, and which of its moments are asked for."""

    trigger: TriggerIn
    after: GivenMoment | None = Field(default=None, description="Moments after this one; after now without.")
    count: Annotated[int, Field(ge=1, le=50)] = 5
    blackouts: Annotated[list[BlackoutFields], Field(max_length=20)] = Field(
        default=[], description="Of the task: moments that lie in one are marked."
    )


class MomentOut(BaseModel):
    """One due moment on the clock of the trigger's zone."""

    due_at: UtcMoment
    local: datetime = Field(description="With the zone's offset at that moment.")
    change: Change | None = Field(description="What the change of the clocks does to it.")
    note: str | None = Field(description="The same in words.")
    is_blacked_out: bool = Field(description="It lies in a blackout, and will be skipped.")


class Preview(BaseModel):
    """What a trigger means."""

    next: list[UtcMoment]
    moments: list[MomentOut] = Field(
        description="The moments of `next`, as the clock of the trigger's zone shows them."
    )
    left_out: list[datetime] = Field(
        description="Local times that the trigger names, but that do not exist because the clocks are set forward."
    )
    description: str
    warnings: list[str]


class ZoneList(BaseModel):
    """IANA time zones."""

    items: list[str]


@router.post(
    "/triggers/preview",
    summary="Preview a trigger",
    responses=error_answers("unauthenticated", "validation_error"),
)
async def preview(
    body: PreviewRequest,
    _actor: Annotated[Actor, require(Permission.READ)],
    language: Annotated[Language, Query(description="The language of the description.")] = "en",
) -> Preview:
    """The next moments of a trigger, the trigger in words, and what may surprise about it."""
    now = utc_now()
    after = body.after or now
    trigger = body.trigger.to_trigger(field="trigger", now=now, seal=lambda secret: secret)  # nothing is stored
    validate(trigger, field="trigger", now=now)
    blackouts = [Blackout(**each.model_dump()) for each in body.blackouts]
    check_blackouts(blackouts)
    moments = due_moments(trigger, after, body.count)
    return Preview(
        next=moments,
        moments=_told(trigger, moments, blackouts, language),
        left_out=left_out(trigger, after, moments[-1]) if isinstance(trigger, Cron) and moments else [],
        description=describe(trigger, language),
        warnings=warnings(trigger, now, language),
    )


def _told(
    trigger: Trigger, moments: Sequence[datetime], blackouts: Sequence[Blackout], language: Language
) -> list[MomentOut]:
    if isinstance(trigger, Cron):
        shown = told(trigger, moments)
    else:
        shown = [Told(at=moment, local=moment) for moment in moments]
    return [
        MomentOut(
            due_at=each.at,
            local=each.local,
            change=each.change,
            note=describe_change(each, language),
            is_blacked_out=any(blackout.holds(each.at) for blackout in blackouts),
        )
        for each in shown
    ]


@router.get("/timezones", summary="List time zones", responses=error_answers("unauthenticated"))
async def list_timezones(_actor: Annotated[Actor, require(Permission.READ)]) -> ZoneList:
    """The time zones that a cron trigger may name."""
    return ZoneList(items=zone_names())
