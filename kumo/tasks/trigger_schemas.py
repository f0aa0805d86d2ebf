"""Triggers as they cross HTTP."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kumo.errors import InvalidInput
from kumo.http import GivenMoment, Input, RowId, UtcMoment
from kumo.tasks.jitter import LONGEST_JITTER_SECONDS
from kumo.tasks.models import TriggerRow
from kumo.tasks.trigger_rows import trigger_of, url_path_of
from kumo.tasks.triggers import After, Cron, Date, Interval, Outcome, Trigger, Webhook

TriggerType = Literal["cron", "interval", "date", "after", "webhook"]

_SPREAD = {"start_at", "end_at", "jitter_seconds"}
_FIELDS_OF_TYPE = {
    "cron": {"expression", "timezone", *_SPREAD},
    "interval": {"seconds", *_SPREAD},
    "date": {"at"},
    "after": {"task_id", "on"},
    "webhook": {"secret"},
}
# What answers say besides, so that a task's triggers may be sent back as they were read.
_TOLD = {"has_secret", "url_path"}
# As long as what it signs with: 32 bytes, in any encoding that people use.
_LONGEST_SECRET = 1000

Seal = Callable[[bytes], bytes]


class TriggerIn(Input):
    """One trigger; which fields it has depends on its type."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"type": "cron", "expression": "30 2 * * *", "timezone": "Europe/Berlin", "jitter_seconds": 300},
                {"type": "interval", "seconds": 90},
                {"type": "date", "at": "2027-01-01T00:00:00Z"},
                {"type": "after", "task_id": 7, "on": "success"},
                {"type": "webhook", "secret": "a long random word"},
            ]
        },
    )

    id: int | None = Field(default=None, description="Of a trigger that the task has and that stays as it is.")
    type: TriggerType
    expression: str | None = Field(
        default=None, max_length=200, description="cron: 5 fields, 6 with seconds, or @daily."
    )
    timezone: str | None = Field(default=None, max_length=100, description="cron: an IANA name; UTC without.")
    seconds: float | None = Field(default=None, allow_inf_nan=False, description="interval: from 1 second to 366 days.")
    start_at: GivenMoment | None = Field(
        default=None, description="interval: the first due moment, now without; cron: no due moment before this."
    )
    end_at: GivenMoment | None = Field(default=None, description="cron, interval: no due moment later than this.")
    jitter_seconds: Annotated[int, Field(ge=0, le=LONGEST_JITTER_SECONDS)] | None = Field(
        default=None,
        description="cron, interval: each moment is up to so much later, always by the same part of it.",
    )
    at: GivenMoment | None = Field(default=None, description="date: the one due moment.")
    task_id: RowId | None = Field(default=None, description="after: the task whose runs are followed.")
    on: Outcome | None = Field(
        default=None, description="after: which ends count; success without. `end` is any end of a run that had begun."
    )
    secret: Annotated[str, Field(min_length=1, max_length=_LONGEST_SECRET)] | None = Field(
        default=None,
        description="webhook: calls must be signed with it (X-Hub-Signature-256). null: they need not; of a trigger "
        "that the task has, one that is left out stays.",
    )
    has_secret: bool | None = Field(default=None, description="Told by answers; ignored in requests.")
    url_path: str | None = Field(default=None, max_length=200, description="Told by answers; ignored in requests.")

    def to_trigger(self, *, field: str, now: datetime, seal: Seal) -> Trigger:
        """The trigger that is meant; `InvalidInput` names the field that is missing or does not belong.

        A secret is sealed before it goes anywhere.
        """
        given = self.model_fields_set - {"id", "type", *_TOLD}
        for name in sorted(given - _FIELDS_OF_TYPE[self.type]):
            if getattr(self, name) is not None:
                raise InvalidInput.at(f"{field}.{name}", f"A trigger of type {self.type} has no field {name}.")
        spread: dict[str, Any] = {
            "end_at": None if self.end_at is None else _to_milliseconds(self.end_at),
            "jitter_seconds": self.jitter_seconds or 0,
            "seed": self.id or 0,
        }
        if self.type == "after":
            return After(
                task_id=_required(self.task_id, f"{field}.task_id", "the id of a task"), on=self.on or "success"
            )
        if self.type == "webhook":
            sealed = None if self.secret is None else base64.b64encode(seal(self.secret.encode())).decode()
            return Webhook(sealed_secret=sealed, keeps_secret="secret" not in self.model_fields_set)
        if self.type == "cron":
            expression = _required(self.expression, f"{field}.expression", "a cron expression, as 30 2 * * *")
            start_at = None if self.start_at is None else _to_milliseconds(self.start_at)
            return Cron(expression=expression, timezone=self.timezone or "UTC", start_at=start_at, **spread)
        if self.type == "interval":
            seconds = _required(self.seconds, f"{field}.seconds", "the number of seconds")
            return Interval(seconds=seconds, start_at=_to_milliseconds(self.start_at or now), **spread)
        at = _required(self.at, f"{field}.at", "the moment, as 2027-01-01T00:00:00Z")
        return Date(at=_to_milliseconds(at))


class TriggerOut(BaseModel):
    """One trigger of a task."""

    id: int
    type: TriggerType
    expression: str | None = None
    timezone: str | None = None
    seconds: float | None = None
    start_at: UtcMoment | None = None
    end_at: UtcMoment | None = None
    jitter_seconds: int | None = None
    at: UtcMoment | None = None
    task_id: int | None = None
    on: Outcome | None = None
    has_secret: bool | None = None
    url_path: str | None = Field(
        default=None, description="webhook: the address, told once by the answer to the request that makes it."
    )

    @classmethod
    def of(cls, row: TriggerRow) -> TriggerOut:
        """One stored trigger."""
        trigger = trigger_of(row)
        names = cls.model_fields.keys() - {"id", "type", "has_secret", "url_path"}
        values = {name: getattr(trigger, name, None) for name in names} | {"id": row.id, "type": row.type}
        if isinstance(trigger, Webhook):
            values |= {"has_secret": trigger.sealed_secret is not None, "url_path": url_path_of(row)}
        return cls.model_validate(values)


def _required(value: Any, field: str, what: str) -> Any:
    if value is None:
        raise InvalidInput.at(field, f"This field is required: {what}.")
    return value


def _to_milliseconds(moment: datetime) -> datetime:
    """As exact as answers are, so that a trigger which is read and sent back is the same trigger."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
