"""`kumo doctor`: looks at this machine and says what to mend."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import typer

from kumo.cli.options import AsJson, Home
from kumo.cli.server import RunningServer, running_server
from kumo.errors import KumoError
from kumo.settings import Settings, load_settings

_LITTLE_DISK_BYTES = 1 << 30
_FEW_FILES = 1024


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    advice: str | None = None


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(doctor)


def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Check this machine, and say what to mend."""
    findings = list(_examine(load_settings(home=home)))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'BAD '} {finding.name}: {finding.found}")
            if not finding.ok and finding.advice:
                print(f"     {finding.advice}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


def _examine(settings: Settings) -> Iterator[Finding]:
    yield Finding(name="Python", ok=True, found=f"{platform.python_version()} at {sys.executable}")
    yield _uv()
    git = shutil.which("git")
    yield Finding(name="git", ok=git is not None, found=git or "not found", advice="Install it: apt install git")
    yield _home(settings)
    yield _disk(settings)
    yield _database(settings)
    yield _port(settings)
    yield _web_ui()
    yield _open_files()


def _uv() -> Finding:
    from uv import find_uv_bin  # noqa: PLC0415

    try:
        return Finding(name="uv", ok=True, found=find_uv_bin())
    except FileNotFoundError:
        return Finding(name="uv", ok=False, found="not found", advice="Install Kumo's packages again.")


def _home(settings: Settings) -> Finding:
    home = settings.home
    nearest = next(path for path in (home, *home.parents) if path.exists())
    writable = os.access(nearest, os.W_OK | os.X_OK)
    found = str(home) if home.exists() else f"{home} (not made yet)"
    return Finding(name="data directory", ok=writable, found=found, advice=f"Give this account the right to {nearest}.")


def _disk(settings: Settings) -> Finding:
    nearest = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    found = f"{free / (1 << 30):.1f} GiB free"
    return Finding(name="disk", ok=free > _LITTLE_DISK_BYTES, found=found, advice="Free some space; runs need it.")


def _database(settings: Settings) -> Finding:
    from kumo.db.migrate import current_revision, newest_revision  # noqa: PLC0415

    if settings.database_url is None and not (settings.home / "kumo.db").exists():
        return Finding(name="database", ok=True, found="none yet; the first start makes it")
    try:
        found, newest = current_revision(settings), newest_revision()
    except (KumoError, OSError) as error:
        return Finding(name="database", ok=False, found=str(error), advice="Check KUMO_DATABASE_URL.")
    ok = found is None or found <= newest
    return Finding(name="database", ok=ok, found=f"revision {found}", advice="It was made by a newer Kumo.")


def _port(settings: Settings) -> Finding:
    known = running_server(settings.home)
    if known is not None and _answers(known):
        return Finding(name="server", ok=True, found=f"runs at {known.url} (process {known.pid})")
    with socket.socket() as probe:
        taken = probe.connect_ex((settings.host, settings.port)) == 0
    found = f"{settings.port} is {'taken by another program' if taken else 'free'}"
    return Finding(name="port", ok=not taken, found=found, advice="Choose another with --port.")


def _answers(server: RunningServer) -> bool:
    import httpx  # noqa: PLC0415

    try:
        return httpx.get(f"{server.url}/api/v1/health", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _web_ui() -> Finding:
    from kumo.web_ui import WEB_DIRECTORY  # noqa: PLC0415

    built = (WEB_DIRECTORY / "index.html").is_file()
    return Finding(name="web UI", ok=built, found="built" if built else "missing", advice="Run: make web")


def _open_files() -> Finding:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Finding(
        name="open files", ok=soft >= _FEW_FILES, found=f"limit {soft}", advice="Raise it with: ulimit -n 65536"
    )
