"""The program put together: settings, database, duties, routes. The only module that knows all parts."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO

import structlog
from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

import kumo
from kumo.access import api as access_api
from kumo.access import credentials
from kumo.access.gate import Authenticator, Gate, is_guarded
from kumo.access.passwords import check_password_rules, hash_password
from kumo.access.permissions import Role
from kumo.access.throttle import LoginThrottle
from kumo.clock import utc_now
from kumo.db.migrate import upgrade
from kumo.db.session import Database, open_database
from kumo.declarations import api as declarations_api
from kumo.declarations.applier import Applier
from kumo.environments import api as environments_api
from kumo.environments import builds_api, interpreters_api, packages_api
from kumo.environments import log_api as build_log_api
from kumo.environments.building.builder import BuilderLoop
from kumo.environments.indexes.access import check_settings
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.interpreters.installs import Installs
from kumo.environments.interpreters.registry import added_paths
from kumo.environments.package_search import PackageSearch
from kumo.environments.tools.uv import Uv
from kumo.errors import ConfigurationError
from kumo.http import RequestContext, add_error_handlers
from kumo.logs.searching import Searches
from kumo.loops import Loops
from kumo.middleware import BodyLimit, OpenStreams, SecurityHeaders, Streams
from kumo.projects import api as projects_api
from kumo.projects import git_hooks_api
from kumo.projects.editing import remove_leftovers
from kumo.projects.git.puller import Puller
from kumo.projects.store.snapshots import SnapshotStore
from kumo.runs import api as runs_api
from kumo.runs import history_api, removal_api, request_api, samples_api, scratch_api, search_api
from kumo.runs import log_api as run_log_api
from kumo.runs import outputs_api as run_outputs_api
from kumo.runs.collector import Collector
from kumo.runs.history_collector import HistoryCollector
from kumo.runs.intake import Intake
from kumo.runs.output_recorder import OutputRecorder
from kumo.runs.preparation import Preparation
from kumo.runs.supervisor import Supervisor
from kumo.schedules import api as schedules_api
from kumo.schedules import hooks_api, ledger_api
from kumo.schedules.followers import follow
from kumo.schedules.hook_bodies import HookBodies
from kumo.schedules.scheduler import Scheduler
from kumo.secrets import open_vault
from kumo.settings import Settings
from kumo.system import api as system_api
from kumo.system import consistency_api, dashboard
from kumo.system.consistency import Consistency
from kumo.tasks import api as tasks_api
from kumo.tasks import pools_api, usage_api
from kumo.variables import api as variables_api
from kumo.variables import orphans
from kumo.variables.resolution import Resolver
from kumo.web_ui import serve_web_ui
from kumo.workers.dispatch import LocalDispatcher

log = structlog.get_logger(__name__)

API_PREFIX = "/api/v1"

PUBLIC_ROUTERS = (
    access_api.public_router,
    hooks_api.public_router,
    git_hooks_api.public_router,
    system_api.public_router,
)
ROUTERS = (
    request_api.router,  # the first, since it is asked most often
    runs_api.router,
    access_api.router,
    projects_api.router,
    interpreters_api.router,
    environments_api.router,
    builds_api.router,
    packages_api.router,
    build_log_api.router,
    tasks_api.router,
    tasks_api.deletion_router,
    usage_api.router,
    pools_api.router,
    variables_api.router,
    run_log_api.router,
    search_api.router,
    scratch_api.router,
    samples_api.router,
    run_outputs_api.router,
    removal_api.router,
    history_api.router,
    schedules_api.router,
    ledger_api.router,
    declarations_api.router,
    dashboard.router,
    consistency_api.router,
    system_api.router,
)


def create_app(settings: Settings, *, on_ready: Callable[[str | None], None] = lambda _token: None) -> FastAPI:
    """Build the application; nothing is opened before its lifespan begins.

    `on_ready` is called once it can answer, with the one-time setup token while there is no account.
    """
    app = FastAPI(
        title="Kumo",
        version=kumo.__version__,
        description="Schedules and runs Python script projects.",
        openapi_url="/api/openapi.json",
        redirect_slashes=False,  # one address for one thing; a redirect would lose a posted body
        docs_url=None,  # its pages load scripts from a third party
        redoc_url=None,
        lifespan=lambda app: _lifespan(app, settings, on_ready),
    )
    app.state.settings = settings
    app.state.streams = OpenStreams()
    add_error_handlers(app)
    for router in (*PUBLIC_ROUTERS, *ROUTERS):
        app.include_router(router, prefix=API_PREFIX)
    app.router.default = _outside_the_api(app.router.default)
    # The last one added is the outermost.
    app.add_middleware(Streams, open_streams=app.state.streams)
    app.add_middleware(BodyLimit, settings=settings)
    app.add_middleware(Gate)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestContext)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI, settings: Settings, on_ready: Callable[[str | None], None]) -> AsyncIterator[None]:
    async with _open(app, settings) as setup_token:
        on_ready(setup_token)
        yield


@asynccontextmanager
async def _open(app: FastAPI, settings: Settings) -> AsyncIterator[str | None]:
    """Open everything in order, and close it in the opposite one; scripts go on in their runners."""
    with prepared_home(settings):
        await asyncio.to_thread(upgrade, settings)
        database = open_database(settings)
        dispatcher = LocalDispatcher()
        loops = Loops(utc_now)
        app.state.searches = Searches()
        check_settings(settings)
        try:
            app.state.vault = await open_vault(database, settings, utc_now())
            setup_token = await _first_account(database, settings)
            _set_state(app, database, settings, loops)
            await _bring_example(database, settings)
            await app.state.hooks.bodies.settle_all(database)
            _start(app, database, settings, dispatcher, loops)
            yield setup_token
        finally:
            await loops.stop()
            await _end_installs(app)
            await app.state.searches.close()
            await dispatcher.close()
            await database.close()


def _set_state(app: FastAPI, database: Database, settings: Settings, loops: Loops) -> None:
    app.state.database = database
    app.state.loops = loops
    uv = Uv(settings)
    app.state.interpreters = Interpreters(uv, added_paths(database))
    app.state.installs = Installs(uv, app.state.interpreters, database.changes, utc_now)
    app.state.package_search = PackageSearch(uv, app.state.interpreters)
    app.state.intake = Intake(database, utc_now)
    app.state.history_collector = HistoryCollector(database, settings, utc_now)
    app.state.login_throttle = LoginThrottle()
    app.state.hooks = hooks_api.Hooks(HookBodies(settings.home))
    app.state.authenticator = Authenticator(
        database, session_lifetime=timedelta(hours=settings.session_hours), on_forget=app.state.streams.end_all
    )


async def _end_installs(app: FastAPI) -> None:
    if hasattr(app.state, "installs"):
        await app.state.installs.close()


def _start(app: FastAPI, database: Database, settings: Settings, dispatcher: LocalDispatcher, loops: Loops) -> None:
    remove_leftovers(settings, SnapshotStore(settings.home))
    preparation = Preparation(settings, app.state.interpreters, Resolver(database, app.state.vault))
    supervisor = Supervisor(database, settings, dispatcher, preparation, utc_now, on_ends=follow)
    loops.start("supervisor", supervisor.forever)
    loops.start("scheduler", Scheduler(database, utc_now, supervisor.queueing).forever)
    builder = BuilderLoop(database, settings, utc_now, app.state.vault, app.state.interpreters)
    loops.start("builder", builder.forever)
    loops.start("puller", Puller(database, settings, utc_now, app.state.vault).forever)
    collector = Collector(database, settings, builder, utc_now)
    loops.start("collector", collector.forever)
    loops.start("history", app.state.history_collector.forever)
    loops.start("outputs", OutputRecorder(database, settings, utc_now).forever)
    app.state.consistency = Consistency(database, settings, builder, collector, app.state.history_collector, utc_now)
    loops.start("access", app.state.authenticator.forever)
    loops.start("declarations", Applier(database, settings, utc_now).forever)
    loops.start("variables", lambda: orphans.forever(database))


async def _bring_example(database: Database, settings: Settings) -> None:
    if settings.example:
        from kumo.example import bring_example  # noqa: PLC0415 - needed once in an installation's life

        await bring_example(database, settings, utc_now())


async def _first_account(database: Database, settings: Settings) -> str | None:
    """Create the account that the settings name, or answer a new setup token, while there is no account."""
    async with database.read() as session:
        if await credentials.account_exists(session):
            return None
    if settings.admin_username is not None and settings.admin_password is not None:
        password = settings.admin_password.get_secret_value()
        credentials.check_username(settings.admin_username)
        check_password_rules(password, username=settings.admin_username)
        password_hash = await hash_password(password)
        async with database.write() as session:
            await credentials.create_account(
                session,
                username=settings.admin_username,
                password_hash=password_hash,
                role=Role.ADMIN,
                now=utc_now(),
            )
        return None
    async with database.write() as session:
        return await credentials.renew_setup_token(session, utc_now())


@contextmanager
def prepared_home(settings: Settings) -> Iterator[None]:
    """Make the data directory, and hold it: one server only may work on it."""
    with home_is_writable(settings) as lock:
        _take(lock, settings.home)
        yield


def home_is_writable(settings: Settings) -> IO[str]:
    """Make the data directory where it is not, and open its lock file; `ConfigurationError` without the rights."""
    home = settings.home
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return (home / "kumo.lock").open("a+")
    except OSError as error:
        raise ConfigurationError(
            f"The data directory {home} cannot be used: {error.strerror}. Choose another with --home or KUMO_HOME."
        ) from None


def _take(lock: IO[str], home: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        raise ConfigurationError(
            f"Another Kumo (process {holder}) already works on {home}. Stop it first, or choose another directory."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def _outside_the_api(not_found: ASGIApp) -> ASGIApp:
    """What is no route: a file of the web UI, or under /api the usual 404."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_guarded(scope["path"]):
            await not_found(scope, receive, send)
            return
        response: Response = serve_web_ui(Request(scope))
        await response(scope, receive, send)

    return answer
