"""The route that tries out a file or a command of a project, without a task that somebody would have to make."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, status
from pydantic import ConfigDict, Field, model_validator

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.clock import utc_now
from kumo.environments import service as environments
from kumo.errors import InvalidInput, NotFound
from kumo.http import DatabaseDep, Input, RowId, error_answers
from kumo.projects.detection.starting import command_of
from kumo.projects.models import Snapshot
from kumo.projects.paths import project_path, shown
from kumo.projects.shop_api import StoreDep, present_state
from kumo.projects.store.snapshots import SnapshotStore
from kumo.runs.request_api import IntakeDep, Parameters
from kumo.runs.schemas import RunOut, queued_out
from kumo.runs.service import Cause, OwnCommand, Wish
from kumo.tasks.command import split_command
from kumo.tasks.scratch import scratch_task

router = APIRouter(tags=["runs"])

_LONGEST_NAME = 200


class ScratchRequest(Input):
    """What to try out: a script by its path, or any command."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"path": "main.py"}})

    path: str | None = Field(default=None, description="A Python or shell script of the project, as “quotes/items.py”.")
    command: str | None = Field(default=None, max_length=10_000, description="As a task has it, in place of `path`.")
    shell: bool = Field(default=False, description="Give the command to `/bin/sh -c`.")
    environment_id: RowId | None = Field(default=None, description="Without: what the project itself declares.")
    parameters: Parameters = Field(default={}, description="The script finds them as JSON in KUMO_PARAMETERS.")

    @model_validator(mode="after")
    def _one_of_two(self) -> ScratchRequest:
        if (self.path is None) == (self.command is None):
            raise ValueError("Give either `path` or `command`.")
        return self


@router.post(
    "/projects/{project_id}/scratch",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Run a file or a command of a project now",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict", "validation_error", "unavailable"),
)
async def run_scratch(  # noqa: PLR0913 - what a request brings with it
    project_id: RowId,
    body: ScratchRequest,
    actor: Annotated[Actor, require(Permission.RUN)],
    database: DatabaseDep,
    store: StoreDep,
    intake: IntakeDep,
) -> RunOut:
    """Queue a scratch run with the files that the project has now, for an hour at the most.

    It stops no other run and waits for none. It is listed among the runs, marked as `scratch`, and counts in no
    statistics. What is typed but not saved is not run.
    """
    own = await _own_command(await present_state(database, project_id), store, body)
    async with database.write() as session:
        if body.environment_id is not None:
            await environments.get(session, body.environment_id)
        task_id = await scratch_task(session, project_id, utc_now())
    cause = Cause(type="manual", actor=actor.username)
    return queued_out(await intake.request(Wish(task_id=task_id, cause=cause, parameters=body.parameters, own=own)))


async def _own_command(snapshot: Snapshot, store: SnapshotStore, body: ScratchRequest) -> OwnCommand:
    if body.path is None:
        assert body.command is not None, "checked with the request"
        split_command(body.command, shell=body.shell)
        name, command, is_shell = body.command, body.command, body.shell
    else:
        if body.shell:
            raise InvalidInput.at("shell", "A script is run as it is. Leave `shell` out, or give a `command`.")
        name = project_path(body.path)
        command, is_shell = await asyncio.to_thread(_command_of, store, snapshot.tree_hash, name), False
    shown_name = "".join(char if char.isprintable() else " " for char in name)[:_LONGEST_NAME]
    return OwnCommand(name=shown_name, command=command, shell=is_shell, environment_id=body.environment_id)


def _command_of(store: SnapshotStore, tree_hash: str, path: str) -> str:
    entry = store.find(tree_hash, path)
    if entry is None or entry.is_directory:
        raise NotFound(f"There is no file {shown(path)} in the project.")
    with store.content_path(entry).open("rb") as file:
        return command_of(path, file.readline(256))
