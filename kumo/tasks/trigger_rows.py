"""The stored triggers of a task: kept, changed and armed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from kumo.errors import InvalidInput
from kumo.tasks.models import Task, TriggerRow
from kumo.tasks.triggers import Trigger, from_settings, to_settings, validate


def trigger_of(row: TriggerRow) -> Trigger:
    """What the row says."""
    return from_settings(row.type, row.settings, seed=row.id)


async def set_triggers(
    session: AsyncSession,
    task: Task,
    present: Sequence[TriggerRow],
    wishes: Sequence[tuple[int | None, Trigger]],
    now: datetime,
) -> None:
    """Keep the triggers that stay as they are, with their place in time; the others begin from now.

    A wish with an id means a trigger that the task has, one without a new trigger.
    """
    have = {row.id: row for row in present}
    begin: list[TriggerRow] = []
    for position, (trigger_id, trigger) in enumerate(wishes):
        kind, settings = to_settings(trigger)
        row = have.pop(trigger_id, None) if trigger_id is not None else None
        if trigger_id is not None and row is None:
            raise InvalidInput.at(f"triggers.{position}.id", f"Task {task.id} has no trigger {trigger_id}.")
        if row is not None and trigger_of(row) == trigger:
            row.position = position
            continue
        validate(trigger, field=f"triggers.{position}", now=now)
        if row is None:
            row = TriggerRow(task_id=task.id)
            session.add(row)
        row.position, row.type, row.settings = position, kind, settings
        begin.append(row)
    for row in have.values():
        await session.delete(row)
    await session.flush()  # a trigger's moments may depend on its id
    arm(begin, now)
    await session.flush()


def arm(rows: Sequence[TriggerRow], now: datetime) -> None:
    """Move triggers on to their next moment."""
    for row in rows:
        row.next_due_at = trigger_of(row).next_after(now)
