"""What a queued run needs before it can start: its files on disk, and the build that its command runs in."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kumo import throttle
from kumo.db.session import Database
from kumo.environments.builds import service as builds
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.models import Build, Environment
from kumo.environments.needs.declarations import declaration_of, script_of
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.environments.states import BuildState
from kumo.errors import KumoError, Unavailable
from kumo.projects.models import Snapshot
from kumo.projects.service import output_directory, output_place
from kumo.projects.store.snapshots import SnapshotStore
from kumo.runner.contract import VARIABLES, AttemptSpec, attempt_directory
from kumo.runs.crawling import with_rate_limit
from kumo.runs.open_runs import OpenRun
from kumo.settings import Settings
from kumo.tasks.command import split_command
from kumo.tasks.policies import Limits, RateLimit
from kumo.variables import overrides
from kumo.variables.resolution import NOTHING, Resolved, Resolver
from kumo.variables.rules import DIRECTORY_VARIABLE

_PASSED_ON = ("PATH", "HOME", "LANG", "LANGUAGE", "LC_ALL", "TZ", "USER", "LOGNAME", "TMPDIR", "SSL_CERT_FILE")
_CACHED_DECLARATIONS = 1000

WEBHOOK_FOLDER = "webhooks"  # in the data directory: the bodies of calls of webhooks
WAITS_FOR_BUILD = "Waits for its environment to be built."


@dataclass(frozen=True, kw_only=True)
class ProjectOfRun:
    """What a run is told of its project."""

    name: str
    output_dir: str | None  # None: below the data directory


@dataclass(frozen=True, kw_only=True)
class Ready:
    """Nothing is missing. Without a build the run uses the default interpreter as it is."""

    build_id: int | None
    interpreter: Path
    # A Python that is used as it is, with the programs beside it; the build has nothing but a `python` that starts it.
    as_it_is: Path | None = None
    # What the build sets in its runs, such as where its data lie; what people give goes before it.
    set_by_build: Mapping[str, str] = field(default_factory=dict)
    variables: Resolved = NOTHING

    @property
    def search_path(self) -> str:
        """Where `python` and the console scripts lie, as PATH names them."""
        return os.pathsep.join(str(one.parent) for one in (self.interpreter, self.as_it_is) if one)

    @property
    def is_there(self) -> bool:
        """Whether it can be started; links are followed, so that an interpreter that was removed is noticed too."""
        return all(one.exists() for one in (self.interpreter, self.as_it_is) if one)


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

    def __init__(self, settings: Settings, interpreters: Interpreters, variables: Resolver) -> None:
        self._settings = settings
        self._variables = variables
        self._interpreters = interpreters
        self._store = SnapshotStore(settings.home)
        self._known: dict[tuple[int, str], _Known] = {}
        # What could not be read from the store, and was told to a run: the next run looks again, it may be mended.
        self._unreadable: set[tuple[int, str]] = set()
        self._passed_on = {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        # Offers `kumo.throttle`. It is no regular package, so one named kumo in the environment goes before it.
        self._support = str(lay_out_support(settings.home))

    async def warm_up(self) -> None:
        """Find the interpreters, which takes seconds, before the first run needs one."""
        with suppress(KumoError):  # told to that run
            await self._interpreters.default()

    def knows(self, run: OpenRun) -> bool:
        """Whether the run has been learnt about."""
        key = _key(run)
        return key in self._known and key not in self._unreadable

    async def learn(self, database: Database, run: OpenRun) -> None:
        """Read what the run's files declare, once for each snapshot and command; slow, so not within a transaction.

        Also lays out the files and finds the interpreters, for the same reason: whoever launches a run that was learnt
        about keeps nobody waiting. What cannot be laid out is told when it is launched.
        """
        key = _key(run)
        if self.knows(run):
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
        with suppress(KumoError, OSError):
            await asyncio.to_thread(self._store.materialise, tree_hash)
        if len(self._known) >= _CACHED_DECLARATIONS:
            self._known.clear()
        self._unreadable.discard(key)
        self._known[key] = _Known(tree_hash=tree_hash, declared=declared)

    async def prepare(self, session: AsyncSession, run: OpenRun, now: datetime) -> Ready | Waits | Impossible:
        """Find the build of a run that was learnt about, ordering it where there is none yet."""
        if run.exact_of is not None:
            return await self._repeated(session, run, now)
        found = await self._find(session, run, now)
        if not isinstance(found, Ready):
            return found
        try:
            given = await self._variables.resolve(session, project_id=run.project_id, task_id=run.task_id)
            given = overrides.put_over(given, self._variables.vault, run.overrides)
        except KumoError as error:
            return Impossible(reason=f"Its variables cannot be given to it: {error.message}")
        return replace(found, variables=given)

    async def _find(self, session: AsyncSession, run: OpenRun, now: datetime) -> Ready | Waits | Impossible:
        if run.environment_id is not None:
            return await self._find_in_environment(session, run.environment_id, now)
        declared = self._known[_key(run)].declared
        if declared is None:
            return await self._default()
        if isinstance(declared, Unavailable):
            self._unreadable.add(_key(run))
            return Impossible(reason=f"Its files cannot be read: {declared.message}")
        if isinstance(declared, KumoError):
            return Impossible(reason=f"Its environment cannot be built: {declared.message}")
        try:
            build = await builds.build_for_project(session, run.project_id, declared, now)
        except KumoError as error:
            return Impossible(reason=f"Its environment cannot be built: {error.message}")
        return await self._judge(session, build, now)

    async def _find_in_environment(
        self, session: AsyncSession, environment_id: int, now: datetime
    ) -> Ready | Waits | Impossible:
        environment = await session.get(Environment, environment_id)
        if environment is None or environment.deleted_at is not None:
            return Impossible(reason="Its environment was deleted. Give its task another one, then run it again.")
        if await builds.is_behind_its_project(session, environment):
            return Waits(reason=WAITS_FOR_BUILD)
        build = await builds.build_for_environment(session, environment, now)
        if build is None:
            return Impossible(reason="Its environment has no build. Build it, then run again.")
        return await self._judge(session, build, now)

    async def as_before(self, session: AsyncSession, run: OpenRun) -> Ready:
        """What a run that is starting was given when it was claimed."""
        variables = await self._variables.resolve_exact(session, run.variable_versions or {})
        variables = overrides.put_over(variables, self._variables.vault, run.overrides)
        if run.build_id is None:
            assert run.interpreter is not None, "noted when it was claimed"
            return Ready(build_id=None, interpreter=Path(run.interpreter), variables=variables)
        build = await session.get(Build, run.build_id)
        assert build is not None, "a run's build outlives the run"
        return replace(self._in_build(build), variables=variables)

    async def _repeated(self, session: AsyncSession, run: OpenRun, now: datetime) -> Ready | Waits | Impossible:
        """What the run had that this one repeats; a build that was collected meanwhile is made again from its lock."""
        if run.build_id is not None:
            found = await self._judge(session, await builds.hold(session, run.build_id), now)
            if not isinstance(found, Ready):
                return found
        try:
            ready = await self.as_before(session, run)
        except KumoError as error:
            return Impossible(reason=error.message)
        if not ready.interpreter.exists():
            return Impossible(reason=f"The interpreter of run {run.exact_of} is gone: {ready.interpreter}.")
        return ready

    async def attempt_spec(self, run: OpenRun, ready: Ready, project: ProjectOfRun) -> AttemptSpec:
        """What the runner of the run's present attempt is asked to do; lays out the files where they are gone.

        `Conflict` when its project's output directory is not allowed any more.
        """
        output_place(self._settings, run.project_id, project.output_dir)
        tree_hash = self._known[_key(run)].tree_hash
        tree = self._store.materialised(tree_hash) or await asyncio.to_thread(self._store.materialise, tree_hash)
        directory = attempt_directory(self._settings.home, run.id, run.attempt)
        limits, rate = Limits.from_json(run.limits), RateLimit.from_json(run.rate_limit)
        told = _told(run, limits, rate)
        return AttemptSpec(
            run_id=run.id,
            attempt=run.attempt,
            directory=str(directory),
            arguments=with_rate_limit(split_command(run.command, shell=run.shell), rate),
            working_directory=str(tree),
            environment=self._environment(run, ready, project, told) | _files(ready.variables, directory),
            timeout_seconds=run.timeout_seconds,
            stop_grace_seconds=run.stop_grace_seconds,
            **limits.to_json(),
            variable_files=ready.variables.files,
        )

    async def _default(self) -> Ready:
        interpreter = await self._interpreters.default()
        return Ready(build_id=None, interpreter=interpreter.path)

    def _in_build(self, build: Build) -> Ready:
        python = builds.bin_directory(build, self._settings) / "python"
        own = build.spec.get("interpreter")
        return Ready(
            build_id=build.id,
            interpreter=python,
            as_it_is=None if own is None else Path(own),
            set_by_build=build.variables or {},
        )

    async def _judge(self, session: AsyncSession, build: Build, now: datetime) -> Ready | Waits | Impossible:
        state = BuildState(build.state)
        if state in (BuildState.FAILED, BuildState.CANCELLED):
            return Impossible(reason=f"Its environment could not be built: {build.error}")
        if state is BuildState.READY:
            ready = self._in_build(build)
            if ready.is_there:
                builds.note_use(build, now)
                return ready
        await builds.make_again(session, build)
        return Waits(reason=WAITS_FOR_BUILD)

    def _declared(self, tree_hash: str, command: str) -> EnvironmentSpec | None:
        found = declaration_of(lambda path: self._store.read_file(tree_hash, path), script_of(command))
        return None if found is None else found.spec

    def _environment(self, run: OpenRun, ready: Ready, project: ProjectOfRun, told: dict[str, str]) -> dict[str, str]:
        """The script's whole environment: nothing of the server's own but what every program needs."""
        outputs = str(output_directory(self._settings, run.project_id, project.output_dir))
        given = ready.variables.environment
        base = self._passed_on | told | dict(ready.set_by_build) | given
        return base | {
            "PATH": f"{ready.search_path}:{self._passed_on['PATH']}",
            "PYTHONPATH": os.pathsep.join(path for path in (given.get("PYTHONPATH"), self._support) if path),
            "KUMO_RUN_ID": str(run.id),
            "KUMO_TASK_ID": str(run.task_id),
            "KUMO_ATTEMPT": str(run.attempt),
            "KUMO_DUE_AT": "" if run.due_at is None else run.due_at.isoformat().replace("+00:00", "Z"),
            "KUMO_PROJECT": project.name,
            **_wishes(run, self._settings.home),
            "OUTPUT_DIR": outputs,
            "DATA_DIR": outputs,
            "BASE_DATA_DIR": outputs,
        }


def lay_out_support(home: Path) -> Path:
    """A directory for the scripts' PYTHONPATH, with a copy of `kumo.throttle` as it is in this version."""
    directory = home / "support"
    wanted = Path(throttle.__file__).read_bytes()
    target = directory / "kumo" / "throttle.py"
    if not target.exists() or target.read_bytes() != wanted:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".new")
        unfinished.write_bytes(wanted)
        unfinished.replace(target)
    return directory


def _files(variables: Resolved, directory: Path) -> dict[str, str]:
    """Where the script finds the variables that it gets as files."""
    if not variables.files:
        return {}
    place = directory / VARIABLES
    return {DIRECTORY_VARIABLE: str(place)} | {f"{name}_FILE": str(place / name) for name in variables.files}


def _wishes(run: OpenRun, home: Path) -> dict[str, str]:
    """What came with the request."""
    came: dict[str, str] = {}
    if run.parameters:
        came["KUMO_PARAMETERS"] = json.dumps(run.parameters)
    if run.webhook_body is not None:
        came["KUMO_WEBHOOK_BODY"] = str(home / WEBHOOK_FOLDER / run.webhook_body)
    return came


def _told(run: OpenRun, limits: Limits, rate: RateLimit) -> dict[str, str]:
    """What the script should keep to, in the words that crawlers know."""
    told = {
        "REQUEST_INTERVAL_MS": rate.request_interval_ms,
        "MAX_REQUESTS_PER_SECOND": rate.max_requests_per_second,
        "MAX_CPU_PERCENT": limits.cpu_percent,
        "MAX_MEMORY_MB": None if limits.memory_bytes is None else limits.memory_bytes // 1_000_000,
    }
    environment = {name: f"{value:g}" for name, value in told.items() if value is not None}
    if run.proxy is not None:
        # Both spellings: curl and requests read the small one, others the large one.
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            environment |= {name: run.proxy, name.lower(): run.proxy}
    return environment


def _key(run: OpenRun) -> tuple[int, str]:
    return run.snapshot_id, "" if run.shell else run.command
