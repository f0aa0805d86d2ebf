"""The route that asks for a run: by hand, or from scripts, many times a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, status
from fastapi.routing import APIRoute
from pydantic import AfterValidator, Field, JsonValue, ValidationError

from kumo.access.dependencies import REQUIREMENTS, Actor, VaultDep, require
from kumo.access.permissions import Permission
from kumo.http import DatabaseDep, Input, RowId, error_answers, unless_left
from kumo.runs.intake import Intake
from kumo.runs.schemas import RunOut, queued_out, show
from kumo.runs.service import Cause, Wish
from kumo.runs.states import RunState
from kumo.runs.waiting import until_over
from kumo.secrets import Vault
from kumo.variables import overrides

_MOST_PARAMETER_BYTES = 32 * 1024
_LONGEST_WAIT_SECONDS = 300


def _small(parameters: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(parameters)) > _MOST_PARAMETER_BYTES:
        raise ValueError("The parameters are longer than 32 KiB as JSON. Give the script a file instead.")
    return parameters


Parameters = Annotated[dict[str, JsonValue], AfterValidator(_small)]


async def _intake(request: Request) -> Intake:
    found: Intake = request.app.state.intake
    return found


IntakeDep = Annotated[Intake, Depends(_intake)]


class RunRequest(Input):
    """What a run is asked with."""

    parameters: Parameters = Field(default={}, description="The script finds them as JSON in KUMO_PARAMETERS.")
    variables: dict[str, str] = Field(
        default={}, description="Values for this run alone, over those that its task, its project and all runs have."
    )
    wait: bool = Field(
        default=False,
        description=f"Answer with 200 once the run is over; after {_LONGEST_WAIT_SECONDS} s with 202, as it is then.",
    )


class _QuickRoute(APIRoute):
    """Answers plain requests without FastAPI's way to the parameters, which takes longer than to store the run.

    Whatever is not plain goes that way, and whatever is wrong: so there is one place that says what is wrong.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, as FastAPI asks for it."""
        ordinary = super().get_route_handler()

        async def handle(request: Request) -> Response:
            task_id, asked = _plain_id(request.path_params["task_id"]), await _plain_body(request)
            if task_id is None or asked is None or asked.wait:
                return await ordinary(request)
            actor = await REQUIREMENTS[Permission.RUN](request)
            state = request.app.state
            run = await _queue(state.intake, state.vault, task_id, actor, asked)
            return Response(run.model_dump_json(), status_code=status.HTTP_202_ACCEPTED, media_type="application/json")

        return handle


def _plain_id(text: str) -> int | None:
    plain = text.isascii() and text.isdecimal() and not text.startswith("0") and len(text) < _LONG_ID
    return int(text) if plain else None


async def _plain_body(request: Request) -> RunRequest | None:
    body = await request.body()
    if not body:
        return _NOTHING_WITH_IT
    if request.headers.get("content-type") != "application/json":
        return None
    try:
        return RunRequest.model_validate_json(body)
    except ValidationError:
        return None


_LONG_ID = 19
_NOTHING_WITH_IT = RunRequest()

router = APIRouter(tags=["runs"], route_class=_QuickRoute)


@router.post(
    "/tasks/{task_id}/run",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Run a task now",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error", "unavailable")
    | {200: {"model": RunOut, "description": "The run that was waited for is over."}},
)
async def run_task(  # noqa: PLR0913 - what a request brings with it
    task_id: RowId,
    actor: Annotated[Actor, require(Permission.RUN)],
    request: Request,
    response: Response,
    database: DatabaseDep,
    intake: IntakeDep,
    vault: VaultDep,
    body: RunRequest | None = None,
) -> RunOut:
    """Queue a run; the answer comes once it is stored, whether or not there is room for it yet."""
    asked = body or _NOTHING_WITH_IT
    queued = await _queue(intake, vault, task_id, actor, asked)
    if not asked.wait:
        return queued
    streams = request.app.state.streams
    end = until_over(database, queued.id, seconds=_LONGEST_WAIT_SECONDS, has_to_end=lambda: streams.is_stopping)
    run = await unless_left(request, end)
    if RunState(run.state).is_final:
        response.status_code = status.HTTP_200_OK
    async with database.read() as session:
        return (await show(session, [run]))[0]


async def _queue(intake: Intake, vault: Vault, task_id: int, actor: Actor, asked: RunRequest) -> RunOut:
    queued = await intake.request(
        Wish(
            task_id=task_id,
            cause=Cause(type="manual", actor=actor.username),
            parameters=asked.parameters,
            overrides=overrides.seal(vault, asked.variables),
        )
    )
    return queued_out(queued)
