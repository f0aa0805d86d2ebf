"""What the tests of environments share: a package index on loopback, and the tools that build from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kumo.clock import utc_now
from kumo.db.changes import announce
from kumo.db.session import Database
from kumo.environments import api, builds_api, interpreters_api, log_api, packages_api
from kumo.environments.backends.by_name import backends_for
from kumo.environments.backends.interface import BuildOrder
from kumo.environments.building.assembly import Assembled, Assembler
from kumo.environments.building.builder import BuilderLoop
from kumo.environments.building.imports import Imports
from kumo.environments.builds.log import BuildLog
from kumo.environments.builds.store import BuildStore
from kumo.environments.indexes.access import Credential, access_for
from kumo.environments.interpreters.finding import Interpreters, describe
from kumo.environments.interpreters.installs import Installs
from kumo.environments.interpreters.places import interpreter_folders
from kumo.environments.interpreters.registry import added_paths
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.environments.package_search import PackageSearch
from kumo.environments.tools.uv import Uv
from kumo.http import add_error_handlers
from kumo.projects.models import Project, Snapshot
from kumo.projects.store.snapshots import SnapshotStore
from kumo.secrets import Vault, open_vault
from kumo.settings import Settings
from kumo.tasks import usage_api
from kumo.tasks.api import deletion_router
from tests.environments.asking import SignedIn
from tests.environments.package_index import PackageIndex, serve_packages
from tests.fakes import ManualClock

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _index_of_the_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that somebody has set up for their own work must not take part."""
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


@pytest.fixture
def package_index() -> Iterator[PackageIndex]:
    """An index with three packages, of which `snow` needs `water`."""
    with serve_packages() as index:
        index.add_wheel("water", "1.0")
        index.add_wheel("water", "2.0")
        index.add_wheel("snow", "1.0", requires=["water<2"])
        index.add_wheel("steam", "1.0", requires=["water>=2"])
        yield index


@pytest.fixture
def index_settings(settings: Settings, package_index: PackageIndex) -> Settings:
    """Settings that name the test's index."""
    return settings.model_copy(update={"package_index_url": package_index.url})


@pytest.fixture
async def http(
    database: Database, build_settings: Settings, interpreters: Interpreters, vault: Vault
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of these routes alone."""
    app = FastAPI()
    add_error_handlers(app)
    app.state.database, app.state.settings, app.state.interpreters = database, build_settings, interpreters
    app.state.vault = vault
    app.state.package_search = PackageSearch(interpreters._uv, interpreters)
    interpreters._added = added_paths(database)
    app.state.installs = Installs(interpreters._uv, interpreters, database.changes, utc_now)
    for router in (
        interpreters_api.router,
        api.router,
        builds_api.router,
        packages_api.router,
        log_api.router,
        deletion_router,
        usage_api.router,
    ):
        app.include_router(router, prefix="/api/v1")
    transport = httpx.ASGITransport(SignedIn(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://kumo/api/v1") as client:
        yield client
    await app.state.installs.close()


class Workbench:
    """Builds specs without a database."""

    def __init__(self, settings: Settings, interpreters: Interpreters) -> None:
        self.home = settings.home
        self.interpreters = interpreters
        self.uv = Uv(settings)
        self.store = BuildStore(settings.home)
        self.assembler = Assembler(
            settings=settings,
            backends=backends_for(settings, self.uv, interpreters),
            store=self.store,
            imports=Imports(settings.home),
        )
        self.log_path = settings.home / "build-logs" / "1.log"
        self.credentials: tuple[Credential, ...] = ()

    async def build(self, *requirements: str, lock: str | None = None, **fields: str) -> Assembled:
        """Build requirements; the log is kept at `log_path`."""
        return await self.build_spec(EnvironmentSpec(requirements=requirements, **fields), lock=lock)  # type: ignore[arg-type]

    async def build_spec(
        self, spec: EnvironmentSpec, *, lock: str | None = None, log_path: Path | None = None
    ) -> Assembled:
        """Build a spec."""
        with BuildLog(log_path or self.log_path) as log:
            access = access_for(self.assembler.settings, spec, self.credentials)
            return await self.assembler.assemble(BuildOrder(spec=spec, access=access, lock=lock, now=NOW, log=log))

    @property
    def log(self) -> str:
        """What the last build printed."""
        return self.log_path.read_text("utf-8")

    def leftovers(self) -> list[str]:
        """Directories that no build has the name of."""
        return [entry.name for entry in (self.home / "builds").glob(".*")]


@pytest.fixture(scope="session")
def listed_interpreters(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What uv says of this machine's interpreters, asked once: in an empty cache each of them is started for it."""
    settings = Settings(home=tmp_path_factory.mktemp("interpreters"), _env_file=None)
    return asyncio.run(Uv(settings).list_interpreters(interpreter_folders(settings.home)))


@pytest.fixture
def interpreters(settings: Settings, listed_interpreters: list[dict[str, Any]]) -> Interpreters:
    """The real interpreters of this machine, looked up already."""
    found = Interpreters(Uv(settings))
    found._found, found._found_at = describe(listed_interpreters, settings.home), monotonic()
    return found


@pytest.fixture
def workbench(index_settings: Settings, interpreters: Interpreters) -> Workbench:
    """Tools that build from the test's index."""
    return Workbench(index_settings, interpreters)


@pytest.fixture
def build_settings(stored_settings: Settings, package_index: PackageIndex) -> Settings:
    """Settings of a test with a database that name the test's index."""
    return stored_settings.model_copy(update={"package_index_url": package_index.url})


@pytest.fixture
async def vault(database: Database, build_settings: Settings, clock: ManualClock) -> Vault:
    """What passwords are encrypted with."""
    return await open_vault(database, build_settings, clock())


@pytest.fixture
def builder(
    database: Database, build_settings: Settings, clock: ManualClock, interpreters: Interpreters, vault: Vault
) -> BuilderLoop:
    """The loop that carries out builds."""
    return BuilderLoop(database, build_settings, clock, vault, interpreters)


class Projects:
    """Makes projects, and gives them new states."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._store = SnapshotStore(settings.home)

    async def create(self, files: dict[str, str], name: str = "etl") -> int:
        """A project with these files; answers its id."""
        async with self._database.write() as session:
            project = Project(name=name, description="", created_at=NOW, updated_at=NOW)
            session.add(project)
        await self.change(project.id, files)
        return project.id

    async def change(self, project_id: int, files: dict[str, str]) -> None:
        """Give the project another state."""
        tree = self._store.put_empty()
        for path, text in files.items():
            tree = self._store.with_file(tree.tree_hash, path, text.encode())
        async with self._database.write() as session:
            snapshot = Snapshot(
                project_id=project_id,
                tree_hash=tree.tree_hash,
                message="Changed",
                file_count=tree.file_count,
                size_bytes=tree.size_bytes,
                created_at=NOW,
            )
            session.add(snapshot)
            await session.flush()
            project = await session.get(Project, project_id)
            assert project is not None
            project.snapshot_id = snapshot.id
            announce(session, "project", project_id)


@pytest.fixture
def projects(database: Database, build_settings: Settings) -> Projects:
    """Makes projects."""
    return Projects(database, build_settings)
