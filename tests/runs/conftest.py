"""Runs that are really carried out: a project with real files, a zygote, runners, scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import select

from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.environments.interpreters.finding import Interpreters, describe
from kumo.environments.interpreters.places import interpreter_folders
from kumo.environments.tools.uv import Uv
from kumo.projects.editing import Workshop, create_from_directory
from kumo.projects.store.snapshots import SnapshotStore
from kumo.runner.contract import AttemptSpec, Report
from kumo.runs import service as runs
from kumo.runs.models import Attempt, Run
from kumo.runs.preparation import Preparation
from kumo.runs.service import Cause
from kumo.runs.states import RunState
from kumo.runs.supervisor import Supervisor
from kumo.secrets import Vault, open_vault
from kumo.settings import Settings
from kumo.tasks import service as tasks
from kumo.tasks.models import Task
from kumo.tasks.service import TaskDefinition, TriggerWish
from kumo.tasks.triggers import Trigger
from kumo.variables.resolution import Resolver
from kumo.workers.dispatch import LocalDispatcher
from tests.environments.package_index import PackageIndex, serve_packages

_PATIENCE_SECONDS = 60

# Each start and end is one line in a file of the project's outputs: what the scripts say, not what Kumo's tables say.
_RECORD = """
import os, sys, time
def record(word):
    line = f"{time.monotonic_ns()} {os.environ['KUMO_RUN_ID']} {word}\\n"
    fd = os.open(os.path.join(os.environ["OUTPUT_DIR"], "records"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode())
"""
_SCRIPTS = {
    "works.py": "import os\nprint('hello from run', os.environ['KUMO_RUN_ID'])\n",
    "fails.py": "raise SystemExit(3)\n",
    "waits.py": "import record, time\nrecord.record('start')\nprint('waiting', flush=True)\ntime.sleep(600)\n",
    "naps.py": "import record, time\nrecord.record('start')\ntime.sleep(0.2)\nrecord.record('end')\n",
    "record.py": _RECORD,
    "undeclared.py": "# /// script\n# dependencies = ['not a requirement!']\n# ///\n",
}


class ForgetfulDispatcher(LocalDispatcher):
    """The real one, except that it can lose launches and words, as a killed zygote does."""

    def __init__(self) -> None:
        super().__init__()
        self.loses_launches = False
        self.loses_words = False
        self.launched: list[int] = []

    async def launch(self, spec: AttemptSpec) -> None:
        self.launched.append(spec.run_id)
        if not self.loses_launches:
            await super().launch(spec)

    def take_reports(self) -> list[Report]:
        reports = super().take_reports()
        return [] if self.loses_words else reports


class House:
    """A server's worth of parts around runs, without HTTP."""

    def __init__(
        self, database: Database, settings: Settings, listed: list[dict[str, Any]], project_id: int, vault: Vault
    ) -> None:
        self.database = database
        self.settings = settings
        self.project_id = project_id
        self.interpreters = Interpreters(Uv(settings))
        self.interpreters._found, self.interpreters._found_at = describe(listed, settings.home), monotonic()
        self.vault = vault
        self.dispatcher = ForgetfulDispatcher()
        self.supervisor = self.new_supervisor()

    def new_supervisor(self) -> Supervisor:
        preparation = Preparation(self.settings, self.interpreters, Resolver(self.database, self.vault))
        return Supervisor(self.database, self.settings, self.dispatcher, preparation, utc_now)

    async def restart(self) -> None:
        """What a restarted server has: the database and the home, and nothing of what was in memory."""
        await self.dispatcher.close()
        self.dispatcher = ForgetfulDispatcher()
        self.supervisor = self.new_supervisor()

    def limit(self, most: int) -> None:
        self.settings = self.settings.model_copy(update={"max_parallel_runs": most})
        self.supervisor = self.new_supervisor()

    async def add_task(self, command: str = "python works.py", **fields: Any) -> Task:
        values: dict[str, Any] = {"name": command, "command": command, "project_id": self.project_id}
        values["stop_grace_seconds"] = 1.0
        async with self.database.write() as session:
            return await tasks.create(session, TaskDefinition(**values | fields), [], utc_now())

    async def add_trigger(self, task: Task, trigger: Trigger) -> None:
        async with self.database.write() as session:
            wishes = [TriggerWish(id=None, trigger=trigger)]
            await tasks.change(session, task.id, {}, wishes, seen_version=None, now=utc_now())

    async def request(self, task: Task) -> int:
        async with self.database.write() as session:
            return (await runs.request_run(session, task.id, Cause(type="manual", actor="ada"), utc_now())).id

    async def stop(self, run_id: int) -> None:
        async with self.database.write() as session:
            await runs.request_stop(session, run_id, utc_now())

    async def run(self, run_id: int) -> Run:
        async with self.database.read() as session:
            return await runs.get(session, run_id)

    async def attempt(self, run_id: int) -> Attempt:
        async with self.database.read() as session:
            (attempt,) = (await runs.attempts_of(session, [run_id]))[run_id]
        return attempt

    async def last_run_of(self, task: Task) -> tuple[int | None, str | None]:
        async with self.database.read() as session:
            found = await tasks.get(session, task.id)
        return found.last_run_id, found.last_run_state

    async def step_until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Go round as the loop does, with less patience between the rounds."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not await condition():
                await self.supervisor.step(utc_now())
                await asyncio.sleep(0.02)

    async def reach(self, run_id: int, *states: RunState) -> Run:
        async def reached() -> bool:
            return (await self.run(run_id)).state in states

        await self.step_until(reached)
        return await self.run(run_id)

    async def finish(self, *run_ids: int) -> list[Run]:
        async def over() -> bool:
            return all([RunState((await self.run(run_id)).state).is_final for run_id in run_ids])

        await self.step_until(over)
        return [await self.run(run_id) for run_id in run_ids]

    def records(self) -> list[tuple[int, int, str]]:
        """What scripts wrote of themselves: when, which run, which word."""
        found = list(self.settings.home.glob("**/records"))
        lines = found[0].read_text().splitlines() if found else []
        return [(int(at), int(run_id), word) for at, run_id, word in (line.split() for line in lines)]


@pytest.fixture(scope="session")
def listed_interpreters(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What uv says of this machine's interpreters, asked once."""
    settings = Settings(home=tmp_path_factory.mktemp("interpreters"), _env_file=None)
    return asyncio.run(Uv(settings).list_interpreters(interpreter_folders(settings.home)))


@pytest.fixture
async def house(
    database: Database, stored_settings: Settings, tmp_path: Path, listed_interpreters: list[dict[str, Any]]
) -> AsyncIterator[House]:
    """A house with one project of small scripts."""
    source = tmp_path / "source"
    source.mkdir()
    for name, text in _SCRIPTS.items():
        (source / name).write_text(text)
    store = SnapshotStore(stored_settings.home)
    shop = Workshop(database=database, store=store, settings=stored_settings, clock=utc_now, user_id=None)
    project, _snapshot = await create_from_directory(shop, name="scripts", directory=source)
    made = House(
        database,
        stored_settings,
        listed_interpreters,
        project.id,
        await open_vault(database, stored_settings, utc_now()),
    )
    yield made
    made.dispatcher.loses_launches = made.dispatcher.loses_words = False
    await _end_all(made)
    await made.dispatcher.close()


async def _end_all(house: House) -> None:
    """Leave no script behind, whatever the test did."""
    async with house.database.read() as session:
        open_runs = (
            await session.scalars(select(Run.id).where(Run.state.in_(["queued", "starting", "running"])))
        ).all()
    for run_id in open_runs:
        await house.stop(run_id)
    if open_runs:
        await house.finish(*open_runs)


# --- building --------------------------------------------------------------------------------------------------------


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    """An index on loopback."""
    with serve_packages() as served:
        served.add_wheel("water", "1.0")
        served.add_wheel("water", "2.0")
        yield served


@pytest.fixture
def building(house: House, index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A `tests.runs.building.BuildingHouse`."""
    from tests.runs.building import BuildingHouse  # noqa: PLC0415 - which knows this module

    monkeypatch.setenv("UV_NO_CONFIG", "1")
    return BuildingHouse(house, index)
