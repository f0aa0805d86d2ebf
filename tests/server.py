"""Kumo as a process of its own: started, killed and started again by a test."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Self

import httpx

from kumo.runner.contract import runner_is_alive
from kumo.workers.dispatch import LocalDispatcher

USERNAME = "ada"
PASSWORD = "correct horse battery"

_THIS_KUMO = (sys.executable, "-m", "kumo")
_START_SECONDS = 60
_STOP_SECONDS = 30
_READY = re.compile(r"^Kumo is ready.*?((http://[^\s/]+)\S*)")


class KumoServer:
    """One data directory and the `kumo serve` that works on it.

    `start` and `stop` may alternate as often as a test likes; runs go on meanwhile, as they do for a person.
    """

    def __init__(
        self, home: Path, *, account: bool = True, command: tuple[str, ...] = _THIS_KUMO, **variables: str
    ) -> None:
        """Prepare a server; `variables` are further environment variables, as KUMO_MAX_PARALLEL_RUNS="2".

        Without an account it waits, as after an installation, for whoever opens `ready_url`.
        """
        self.home = home
        self.log_path = home.parent / f"{home.name}-server.log"
        self.url = ""
        self.ready_url = ""
        self.token = ""
        self._account = account
        self._command = command
        self._variables = variables
        self._process: subprocess.Popen[str] | None = None
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def client(self) -> httpx.Client:
        """A client with an administrator's token, if there is an account; its paths are relative to /api/v1."""
        assert self._client is not None, "the server has not been started"
        return self._client

    def start(self, *, port: int = 0) -> None:
        """Start the server and return when it says that it is ready; the first time, make an account and a token."""
        assert self._process is None, "the server is running already"
        admin = {"KUMO_ADMIN_USERNAME": USERNAME, "KUMO_ADMIN_PASSWORD": PASSWORD} if self._account else {}
        with self.log_path.open("a") as log:
            self._process = subprocess.Popen(
                [*self._command, "serve", "--home", str(self.home), "--port", str(port)],
                env=self.environment() | admin,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._wait_until_ready()
        if self._account and not self.token:
            self.token = self._make_token()
        self._close_client()
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        self._client = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30)

    @property
    def port(self) -> int:
        """The port of the present or the last start."""
        return int(self.url.rpartition(":")[2])

    def stop(self) -> int:
        """End the server as an operator does, with SIGTERM; say its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a power cut does."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End whatever is left, scripts included; what the server wrote stays at `log_path`."""
        if self._process is not None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        self._close_client()
        self._end_scripts()

    def run_command(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `kumo …` on this data directory, and give its output."""
        return subprocess.run(
            [*self._command, *arguments],
            env=self.environment() | {"KUMO_HOME": str(self.home)},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def environment(self) -> dict[str, str]:
        """The caller's environment without any of Kumo's settings, and the test's own."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("KUMO_")}
        # Servers are started often: each would compile Kumo anew.
        own.pop("PYTHONDONTWRITEBYTECODE", None)
        return own | self._variables

    def log(self) -> str:
        """What the server has said on standard error, in all its starts."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    def _make_token(self) -> str:
        issued = self.run_command("token", "create", "--user", USERNAME, "--name", "tests")
        assert issued.returncode == 0, issued.stderr
        return issued.stdout.strip()

    def _wait_until_ready(self) -> None:
        """Take the address from the line that the server prints once it can answer."""
        assert self._process is not None
        assert self._process.stdout is not None
        # Read to the end, so that a server that prints more is never held up by a full pipe.
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_pass_on, args=(self._process.stdout, lines), daemon=True).start()
        said: list[str] = []
        while True:
            try:
                line = lines.get(timeout=_START_SECONDS)
            except queue.Empty:
                line = None
            if line is None:
                self.kill()
                raise AssertionError("The server did not start.\n" + "".join(said) + self.log())
            said.append(line)
            if found := _READY.match(line):
                self.ready_url, self.url = found.groups()
                return

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None, "the server is not running"
        self._process.send_signal(how)
        code = self._process.wait(_STOP_SECONDS)
        self._process = None
        return code

    def _end_scripts(self) -> None:
        """Scripts outlive their server, so they must be ended by themselves."""
        alive = [folder for folder in self.home.glob("runs/*/*/*") if runner_is_alive(folder)]
        for folder in alive:
            LocalDispatcher().stop(folder)
        deadline = time.monotonic() + _STOP_SECONDS
        while any(runner_is_alive(folder) for folder in alive):
            assert time.monotonic() < deadline, f"a script of {self.home} does not end"
            time.sleep(0.02)

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _pass_on(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)
