"""The route that deletes a run."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Request, status

from kumo.access.dependencies import Actor, require
from kumo.access.permissions import Permission
from kumo.http import DatabaseDep, RowId, error_answers
from kumo.runs import removal

router = APIRouter(tags=["runs"])


@router.delete(
    "/runs/{run_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a run",
    responses=error_answers("unauthenticated", "forbidden", "not_found", "conflict"),
)
async def delete_run(
    run_id: RowId, request: Request, _actor: Annotated[Actor, require(Permission.WRITE)], database: DatabaseDep
) -> None:
    """Delete a run that is over, with its attempts and their logs. What the script wrote for its project stays."""
    async with database.write() as session:
        await removal.remove_rows(session, run_id)
    await asyncio.to_thread(removal.remove_files, request.app.state.settings.home, run_id)
