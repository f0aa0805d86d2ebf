"""Waiting for the end of a run, for whoever asked for it and wants the outcome as the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kumo.db.changes import Change
from kumo.db.session import Database
from kumo.runs import service
from kumo.runs.models import Run
from kumo.runs.states import RunState

_LOOK_SECONDS = 1.0  # another process may have moved it, of which there is no word here


async def until_over(database: Database, run_id: int, *, seconds: float, has_to_end: Callable[[], bool]) -> Run:
    """The run once it is over, or as it is when the time has passed. No connection is held meanwhile.

    `has_to_end` is asked each second: the server may be about to stop.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + seconds
    with database.changes.subscribe("run") as subscription:
        while True:
            async with database.read() as session:
                run = await service.get(session, run_id)
            look_at = min(loop.time() + _LOOK_SECONDS, give_up_at)
            if RunState(run.state).is_final or loop.time() >= give_up_at or has_to_end():
                return run
            while (left := look_at - loop.time()) > 0:
                changes = await subscription.wait(left)
                if Change("run", run_id) in changes or subscription.overflowed:
                    subscription.overflowed = False
                    break
