"""The stored triggers of a task: kept, changed and armed.

The address of a webhook is told once, in the answer to the request that makes it: only its hash is stored.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import object_session

from kumo.access.credentials import digest
from kumo.errors import InvalidInput
from kumo.tasks.following import check_upstream
from kumo.tasks.models import Task, TriggerRow
from kumo.tasks.triggers import After, Trigger, Webhook, from_settings, to_settings, validate

_TOKENS = "kumo.webhook_tokens"


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
    followed: dict[int, int] = {}
    tokens: list[tuple[TriggerRow, str]] = []
    for position, (trigger_id, wish) in enumerate(wishes):
        row = have.pop(trigger_id, None) if trigger_id is not None else None
        if trigger_id is not None and row is None:
            raise InvalidInput.at(f"triggers.{position}.id", f"Task {task.id} has no trigger {trigger_id}.")
        trigger = _with_its_secret(wish, row)
        if row is not None and trigger_of(row) == trigger:
            row.position = position
            continue
        validate(trigger, field=f"triggers.{position}", now=now)
        if row is None:
            row = TriggerRow(task_id=task.id)
            session.add(row)
        row.position = position
        begin.append(row)
        if token := _write(row, trigger):
            tokens.append((row, token))
        if isinstance(trigger, After):
            followed[position] = trigger.task_id
    for row in have.values():
        await session.delete(row)
    if followed:
        with session.no_autoflush:  # a task that does not exist must have its sentence, not the database's
            await check_upstream(session, task, followed)
    await session.flush()  # a trigger's moments may depend on its id
    arm(begin, now)
    await session.flush()
    session.info.setdefault(_TOKENS, {}).update({row.id: token for row, token in tokens})


def url_path_of(row: TriggerRow) -> str | None:
    """The address of a webhook that this transaction has made; None for every other."""
    session = object_session(row)
    token = None if session is None else session.info.get(_TOKENS, {}).get(row.id)
    return None if token is None else f"/api/v1/hooks/{token}"


def arm(rows: Sequence[TriggerRow], now: datetime) -> None:
    """Move triggers on to their next moment."""
    for row in rows:
        row.next_due_at = trigger_of(row).next_after(now)


def _write(row: TriggerRow, trigger: Trigger) -> str | None:
    """Put a trigger into its row, and give the token of the address that it gets with that; None if it gets none."""
    row.type, row.settings = to_settings(trigger)
    row.upstream_task_id = trigger.task_id if isinstance(trigger, After) else None
    if not isinstance(trigger, Webhook):
        row.token_hash = None
        return None
    if row.token_hash is not None:
        return None
    token = secrets.token_urlsafe(32)
    row.token_hash = digest(token)
    return token


def _with_its_secret(wish: Trigger, row: TriggerRow | None) -> Trigger:
    if isinstance(wish, Webhook) and wish.keeps_secret and row is not None:
        before = trigger_of(row)
        return replace(wish, sealed_secret=before.sealed_secret if isinstance(before, Webhook) else None)
    return wish
