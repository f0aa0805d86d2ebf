"""The one route of webhooks: whoever knows the address of a trigger may call it.

The address is a secret, stored as its hash. A call makes a run, as a person's request does: neither blackouts nor the
rule about overlapping slots keep it from being queued.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, status
from pydantic import BaseModel
from sqlalchemy import select

from kumo.access.credentials import digest
from kumo.access.throttle import LoginThrottle
from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.errors import Conflict, Forbidden, KumoError, NotFound
from kumo.http import DatabaseDep, error_answers
from kumo.runs.intake import Intake
from kumo.runs.service import Cause, Wish
from kumo.schedules.hook_bodies import HookBodies
from kumo.secrets import Vault
from kumo.tasks.models import Task, TriggerRow

public_router = APIRouter(tags=["webhooks"])

SIGNATURE_HEADER = "X-Hub-Signature-256"
_CALLED = (
    select(TriggerRow.id, TriggerRow.task_id, TriggerRow.settings, Task.active)
    .join(Task, Task.id == TriggerRow.task_id)
    .where(TriggerRow.type == "webhook")
)


class Hooks:
    """What calls of webhooks need: where bodies lie, and how often strangers have guessed."""

    def __init__(self, bodies: HookBodies) -> None:
        self.bodies = bodies
        self.throttle = LoginThrottle("Too many calls of addresses that do not exist.")


class Called(BaseModel):
    """What became of a call."""

    run_id: int


async def _hooks(request: Request) -> Hooks:
    found: Hooks = request.app.state.hooks
    return found


async def _intake(request: Request) -> Intake:
    found: Intake = request.app.state.intake
    return found


async def _vault(request: Request) -> Vault:
    found: Vault = request.app.state.vault
    return found


@public_router.post(
    "/hooks/{token}",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Call a webhook",
    responses=error_answers("forbidden", "not_found", "conflict", "too_large", "rate_limited", "unavailable"),
    openapi_extra={
        "requestBody": {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}, "required": False}
    },
)
async def call_webhook(  # noqa: PLR0913 - what it needs
    request: Request,
    token: Annotated[str, Path(max_length=200, description="The secret part of the trigger's address.")],
    database: DatabaseDep,
    hooks: Annotated[Hooks, Depends(_hooks)],
    intake: Annotated[Intake, Depends(_intake)],
    vault: Annotated[Vault, Depends(_vault)],
    signature: Annotated[
        str | None,
        Header(
            alias=SIGNATURE_HEADER, max_length=200, description="sha256= and the HMAC of the body, where asked for."
        ),
    ] = None,
) -> Called:
    """Queue a run of the trigger's task. The script finds the body, up to 1 MiB, in the file `KUMO_WEBHOOK_BODY`."""
    trigger_id, task_id, settings, is_active = await _find(request, database, token, hooks.throttle)
    if not is_active:
        raise Conflict("The task of this webhook is paused. Resume it, then call again.")
    body = await request.body()
    if (sealed := settings.get("sealed_secret")) is not None:
        _check_signature(vault.decrypt(base64.b64decode(sealed)), body, signature)
    name = await hooks.bodies.keep(body) if body else None
    wish = Wish(task_id=task_id, cause=Cause(type="webhook", trigger_id=trigger_id), webhook_body=name)
    try:
        run = await intake.request(wish)
    except KumoError:
        if name is not None:
            await hooks.bodies.drop(name)
        raise
    if name is not None:
        await hooks.bodies.settle(name)
    return Called(run_id=run.id)


async def _find(
    request: Request, database: Database, token: str, throttle: LoginThrottle
) -> tuple[int, int, dict[str, str | None], bool]:
    """The trigger of an address. Who guesses is slowed down; who knows an address never is, wherever he calls from."""
    async with database.read() as session:
        found = (await session.execute(_CALLED.where(TriggerRow.token_hash == digest(token)))).one_or_none()
    if found is not None:
        return found[0], found[1], found[2], found[3]
    address = request.client.host if request.client else ""
    throttle.check("", address, utc_now())
    throttle.failed("", address, utc_now())
    raise NotFound("There is no webhook at this address.")


def _check_signature(secret: bytes, body: bytes, signature: str | None) -> None:
    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    if signature is None or not hmac.compare_digest(expected.encode(), signature.encode()):
        raise Forbidden(
            f"The header {SIGNATURE_HEADER} is missing or wrong. It must be sha256= and the hexadecimal HMAC-SHA256 of "
            "the body, made with the webhook's secret."
        )
