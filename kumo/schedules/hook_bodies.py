"""Bodies of calls of webhooks: a file each, on the disk before the run that it is for is queued.

A body that is no run's yet has a second name, which ends in `.pending`; it goes once the run is stored. So a server
that was killed in between finds the bodies that nobody will ever read, without looking at those of all runs.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select

from kumo.db.session import Database
from kumo.errors import Unavailable
from kumo.runs.models import Run
from kumo.runs.preparation import WEBHOOK_FOLDER

_PENDING = ".pending"


class HookBodies:
    """The folder of bodies in the data directory."""

    def __init__(self, home: Path) -> None:
        self._folder = home / WEBHOOK_FOLDER

    async def keep(self, body: bytes) -> str:
        """Store a body safely, and give its name; `Unavailable` when there is no room."""
        try:
            return await asyncio.to_thread(self._keep, body)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise Unavailable("The disk of the data directory is full. Try again later.") from error

    async def settle(self, name: str) -> None:
        """The run is stored: the body is its own from now on."""
        await asyncio.to_thread((self._folder / (name + _PENDING)).unlink, missing_ok=True)

    async def drop(self, name: str) -> None:
        """There is no run: the body goes."""
        for each in (name, name + _PENDING):
            await asyncio.to_thread((self._folder / each).unlink, missing_ok=True)

    async def settle_all(self, database: Database) -> None:
        """Settle what a server that was killed has left; called before the first request."""
        names = await asyncio.to_thread(self._pending)
        if not names:
            return
        async with database.read() as session:
            wanted = set(await session.scalars(select(Run.webhook_body).where(Run.webhook_body.in_(names))))
        for name in names:
            await (self.settle(name) if name in wanted else self.drop(name))

    def _keep(self, body: bytes) -> str:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        name = secrets.token_hex(16)
        path, pending = self._folder / name, self._folder / (name + _PENDING)
        descriptor = os.open(pending, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            path.hardlink_to(pending)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError:
            pending.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise
        return name

    def _pending(self) -> Sequence[str]:
        if not self._folder.is_dir():
            return []
        return [path.name.removesuffix(_PENDING) for path in self._folder.glob("*" + _PENDING)]
