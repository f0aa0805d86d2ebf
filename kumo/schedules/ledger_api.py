"""Routes of the ledger: the slots of a task, and what the last down time did."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.http import (
    GivenMoment,
    Input,
    Page,
    PageDep,
    ReadSession,
    RowId,
    UtcMoment,
    WriteSession,
    error_answers,
    wrong_cursor,
)
from kumo.schedules import ledger
from kumo.schedules.boot_report import boot_report, purge
from kumo.schedules.decisions import DownTime, Skip
from kumo.schedules.ledger import LONGEST_SUMMARY, Summary
from kumo.schedules.models import Slot
from kumo.schedules.summary import in_words
from kumo.tasks import service as tasks
from kumo.tasks.wording import Language

router = APIRouter(tags=["schedules"])

Outcome = Literal["run", "skipped"]

_USUAL_SUMMARY = timedelta(days=1)
_MOST_TASKS = 500


class DownTimeOut(BaseModel):
    """A time in which the server was down."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    from_: UtcMoment = Field(alias="from")
    to: UtcMoment


class SlotOut(BaseModel):
    """One due moment, or a long gap of them: then `count` from `first_due_at` to `due_at`."""

    id: int
    trigger_id: int
    due_at: UtcMoment
    first_due_at: UtcMoment
    count: int
    outcome: str
    reason: str | None
    run_id: int | None
    down: list[DownTimeOut] = Field(description="Of a missed one: when the server was down.")


class CadenceOut(BaseModel):
    """How far apart moments and runs are, in the middle; null where there are too few to say."""

    configured_seconds: float | None = Field(description="Between two due moments, as the triggers are now.")
    real_seconds: float | None = Field(description="Between the starts of two runs.")
    warning: str | None = Field(description="Where runs start much more rarely than they are due.")


class SummaryOut(BaseModel):
    """What became of the moments of a time: the last 24 hours, or what is asked for, at most 31 days."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    from_: UtcMoment = Field(alias="from")
    to: UtcMoment
    expected: int
    ran: int
    skipped: dict[str, int] = Field(description="By reason.")
    down: list[DownTimeOut] = Field(description="When the server was down, as far as something was missed then.")
    cadence: CadenceOut
    sentence: str


class SlotList(BaseModel):
    """One page of the ledger, the latest moments first."""

    items: list[SlotOut]
    next_cursor: str | None
    summary: SummaryOut


class TaskReportOut(BaseModel):
    """What a down time did to one task."""

    task_id: int
    task_name: str
    missed: int = Field(description="Moments that were not run.")
    caught_up: int = Field(description="Moments that are run late.")
    run_ids: list[int]
    queued_run_ids: list[int] = Field(description="Those of the runs that still wait, and can be purged.")


class BootReportOut(BaseModel):
    """What the last down time did."""

    down: DownTimeOut | None = Field(description="null: there was none yet.")
    missed: int
    caught_up: int
    queued: int
    task_count: int
    tasks: list[TaskReportOut] = Field(description=f"The most missed first, at most {_MOST_TASKS}.")


class PurgeRequest(Input):
    """Whose runs are taken out of the queue."""

    task_ids: Annotated[list[RowId], Field(max_length=10_000)] | None = Field(
        default=None, description="All tasks without."
    )


class Purged(BaseModel):
    """What was taken out of the queue."""

    stopped_run_ids: list[int]


@router.get(
    "/tasks/{task_id}/slots",
    summary="List due moments of a task",
    responses=error_answers("unauthenticated", "not_found", "validation_error"),
)
async def list_slots(  # noqa: PLR0913 - one parameter for each filter
    task_id: RowId,
    _actor: Annotated[Actor, require(Permission.READ)],
    session: ReadSession,
    page: PageDep,
    from_: Annotated[GivenMoment | None, Query(alias="from", description="Due at or after this moment.")] = None,
    to: Annotated[GivenMoment | None, Query(description="Due before this moment.")] = None,
    outcome: Annotated[Outcome | None, Query(description="What became of them.")] = None,
    reason: Annotated[list[Skip] | None, Query(description="Skipped for this reason, or one of several.")] = None,
    language: Annotated[Language, Query(description="The language of the summary's sentences.")] = "en",
) -> SlotList:
    """The ledger: each due moment with its outcome, and the reason where it was not run.

    The summary is of all moments of the time, whichever of them are listed.
    """
    await tasks.get(session, task_id)
    rows = await ledger.page_of_slots(
        session,
        task_id,
        begin=from_,
        end=to,
        before=_before(page),
        limit=page.limit,
        reasons=_reasons(outcome, reason),
    )
    shown = rows[: page.limit]
    end = to or utc_now()
    begin = max(from_ or end - _USUAL_SUMMARY, end - LONGEST_SUMMARY)
    summary = await ledger.summarise(session, task_id, begin, max(begin, end))
    last = [shown[-1].due_at.isoformat(), shown[-1].id] if shown else None
    return SlotList(
        items=await _shown(session, shown),
        next_cursor=page.next_cursor(rows, last),
        summary=_summary(summary, begin, max(begin, end), language),
    )


@router.get(
    "/schedule/boot-report",
    summary="Show what the last down time did",
    responses=error_answers("unauthenticated"),
)
async def show_boot_report(_actor: Annotated[Actor, require(Permission.READ)], session: ReadSession) -> BootReportOut:
    """Since when the server was down, and for each task how many moments were missed and how many are caught up."""
    report = await boot_report(session)
    return BootReportOut(
        down=None if report.down is None else _down(report.down),
        missed=sum(task.missed for task in report.tasks),
        caught_up=sum(task.caught_up for task in report.tasks),
        queued=sum(len(task.queued_run_ids) for task in report.tasks),
        task_count=len(report.tasks),
        tasks=[TaskReportOut.model_validate(task, from_attributes=True) for task in report.tasks[:_MOST_TASKS]],
    )


@router.post(
    "/schedule/boot-report/purge",
    summary="Do not catch up what waits",
    responses=error_answers("unauthenticated", "forbidden", "validation_error"),
)
async def purge_caught_up(
    actor: Annotated[Actor, require(Permission.RUN)], session: WriteSession, body: PurgeRequest | None = None
) -> Purged:
    """Stop the runs of moments that came in the last down time, as far as they still wait in the queue."""
    task_ids = None if body is None or body.task_ids is None else set(body.task_ids)
    return Purged(stopped_run_ids=await purge(session, task_ids, actor=actor.username, now=utc_now()))


def _reasons(outcome: Outcome | None, reason: Collection[Skip] | None) -> Collection[Skip | None] | None:
    """What `page_of_slots` shall look for; what ran has no reason, so that both together fit nothing."""
    if outcome == "run":
        return set() if reason else {None}
    return set(reason or Skip) if reason or outcome else None


def _before(page: Page) -> tuple[datetime, int] | None:
    """The slot that the cursor names; the next page lies before it."""
    match page.after:
        case None:
            return None
        case (str(moment), int(slot_id)) if 0 <= slot_id < 2**63:
            try:
                due_at = datetime.fromisoformat(moment)
            except ValueError:
                raise wrong_cursor() from None
            if due_at.tzinfo is not None and MINYEAR < due_at.year < MAXYEAR:
                return due_at, slot_id
    raise wrong_cursor()


async def _shown(session: ReadSession, slots: Sequence[Slot]) -> list[SlotOut]:
    down = await ledger.down_times_of(session, slots)
    return [
        SlotOut(
            **{name: getattr(slot, name) for name in SlotOut.model_fields if name != "down"},
            down=[_down(each) for each in down.get(slot.id, [])],
        )
        for slot in slots
    ]


def _summary(summary: Summary, begin: datetime, end: datetime, language: Language) -> SummaryOut:
    tally, cadence = summary.tally, summary.cadence
    return SummaryOut(
        from_=begin,
        to=end,
        expected=tally.expected,
        ran=tally.ran,
        skipped=dict(tally.skipped),
        down=[_down(each) for each in summary.down],
        cadence=CadenceOut(
            configured_seconds=cadence.configured_seconds,
            real_seconds=cadence.real_seconds,
            warning=cadence.warning(tally, language),
        ),
        sentence=in_words(tally, summary.down, summary.where, language),
    )


def _down(each: DownTime) -> DownTimeOut:
    return DownTimeOut(from_=each.begin_at, to=each.end_at)
