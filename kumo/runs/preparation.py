"""What a queued run needs before it can start: its files on disk, and the build that its command runs in."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo.db.session import Database
from kumo.environments import service as environments
from kumo.environments.declarations import declaration_of, script_of
from kumo.environments.interpreters import Interpreters
from kumo.environments.models import Build
from kumo.environments.spec import EnvironmentSpec
from kumo.environments.states import BuildState
from kumo.errors import KumoError
from kumo.projects.models import Snapshot
from kumo.projects.service import output_directory
from kumo.projects.snapshots import SnapshotStore
from kumo.runner.contract import AttemptSpec, attempt_directory
from kumo.runs.models import Run
from kumo.settings import Settings
from kumo.tasks.command import split_command

_PASSED_ON = ("PATH", "HOME", "LANG", "LANGUAGE", "LC_ALL", "TZ", "USER", "LOGNAME", "TMPDIR", "SSL_CERT_FILE")
_CACHED_DECLARATIONS = 1000

WAITS_FOR_BUILD = "Waits for its environment to be built."


@dataclass(frozen=True, kw_only=True)
class Ready:
    """Nothing is missing. Without a build the run uses the default interpreter as it is."""

    build_id: int | None
    bin_directory: Path


@dataclass(frozen=True, kw_only=True)
class Waits:
    """Something is being made; the reason says what."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Impossible:
    """It cannot be made; the reason says why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is remembered of a snapshot and a command, both of which never change."""

    tree_hash: str
    declared: EnvironmentSpec | KumoError | None


class Preparation:
    """Finds what runs need, and remembers what cannot change."""

    def __init__(self, settings: Settings, interpreters: Interpreters) -> None:
        self._settings = settings
        self._interpreters = interpreters
        self._store = SnapshotStore(settings.home)
        self._known: dict[tuple[int, str], _Known] = {}
        self._passed_on = {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
        }

    def knows(self, run: Run) -> bool:
        """Whether the run has been learnt about."""
        return _key(run) in self._known

    async def learn(self, database: Database, run: Run) -> None:
        """Read what the run's files declare, once for each snapshot and command; slow, so not within a transaction.

        Also checks out the files and finds the interpreters, for the same reason.
        """
        key = _key(run)
        if key in self._known:
            return
        async with database.read() as session:
            tree_hash = await session.scalar(select(Snapshot.tree_hash).where(Snapshot.id == run.snapshot_id))
        assert tree_hash is not None, "a run's snapshot outlives the run"
        await self._interpreters.default()
        declared: EnvironmentSpec | KumoError | None
        try:
            declared = await asyncio.to_thread(self._declared, tree_hash, key[1])
        except KumoError as error:
            declared = error
        if len(self._known) >= _CACHED_DECLARATIONS:
            self._known.clear()
        self._known[key] = _Known(tree_hash=tree_hash, declared=declared)

    async def prepare(self, session: AsyncSession, run: Run, now: datetime) -> Ready | Waits | Impossible:
        """Find the build of a run that was learnt about, ordering it where there is none yet."""
        if run.environment_id is not None:
            build = await environments.build_for_environment(session, run.environment_id)
            if build is None:
                return Impossible(reason="Its environment has no build. Build it, then run again.")
            return self._judge(build)
        declared = self._known[_key(run)].declared
        if declared is None:
            return await self._default()
        if isinstance(declared, KumoError):
            return Impossible(reason=f"Its environment cannot be built: {declared.message}")
        try:
            build = await environments.build_for_project(session, run.project_id, declared, now)
        except KumoError as error:
            return Impossible(reason=f"Its environment cannot be built: {error.message}")
        return self._judge(build)

    async def as_before(self, session: AsyncSession, run: Run) -> Ready:
        """What a run that is starting was given when it was claimed."""
        if run.build_id is None:
            return await self._default()
        build = await session.get(Build, run.build_id)
        assert build is not None, "a run's build outlives the run"
        return Ready(build_id=build.id, bin_directory=environments.bin_directory(build, self._settings))

    async def attempt_spec(self, run: Run, ready: Ready, project_name: str) -> AttemptSpec:
        """What the runner of the run's present attempt is asked to do; checks out the files where they are not yet."""
        tree_hash = self._known[_key(run)].tree_hash
        tree = self._store.materialised(tree_hash) or await asyncio.to_thread(self._store.materialise, tree_hash)
        return AttemptSpec(
            run_id=run.id,
            attempt=run.attempt,
            directory=str(attempt_directory(self._settings.home, run.id, run.attempt)),
            arguments=split_command(run.command, shell=run.shell),
            working_directory=str(tree),
            environment=self._environment(run, ready, project_name),
            timeout_seconds=run.timeout_seconds,
            stop_grace_seconds=run.stop_grace_seconds,
        )

    async def _default(self) -> Ready:
        interpreter = await self._interpreters.default()
        return Ready(build_id=None, bin_directory=interpreter.path.parent)

    def _judge(self, build: Build) -> Ready | Waits | Impossible:
        state = BuildState(build.state)
        if state is BuildState.READY:
            return Ready(build_id=build.id, bin_directory=environments.bin_directory(build, self._settings))
        if state is BuildState.FAILED:
            return Impossible(reason=f"Its environment could not be built: {build.error}")
        return Waits(reason=WAITS_FOR_BUILD)

    def _declared(self, tree_hash: str, command: str) -> EnvironmentSpec | None:
        found = declaration_of(lambda path: self._store.read_file(tree_hash, path), script_of(command))
        return None if found is None else found.spec

    def _environment(self, run: Run, ready: Ready, project_name: str) -> dict[str, str]:
        """The script's whole environment: nothing of the server's own but what every program needs."""
        outputs = str(output_directory(self._settings, run.project_id))
        return self._passed_on | {
            "PATH": f"{ready.bin_directory}:{self._passed_on['PATH']}",
            "KUMO_RUN_ID": str(run.id),
            "KUMO_TASK_ID": str(run.task_id),
            "KUMO_ATTEMPT": str(run.attempt),
            "KUMO_DUE_AT": "" if run.due_at is None else run.due_at.isoformat().replace("+00:00", "Z"),
            "KUMO_PROJECT": project_name,
            "OUTPUT_DIR": outputs,
            "DATA_DIR": outputs,
            "BASE_DATA_DIR": outputs,
        }


def _key(run: Run) -> tuple[int, str]:
    return run.snapshot_id, "" if run.shell else run.command
