"""Handing attempts to this machine: one zygote, and word from its runners.

Everything here may be lost without harm: the attempt directories are the truth. A zygote that has died is started
again for the next launch, and a launch that it swallowed is repeated by the supervisor, which is safe because only
one runner can take an attempt.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from kumo.runner.contract import AttemptSpec, Started, read_started, request_stop, runner_is_alive
from kumo.runner.tree import process_start
from kumo.runner.zygote import EVENT, FRAME

log = structlog.get_logger(__name__)

_EVENTS_BUFFER_BYTES = 1 << 20
_LARGEST_BATCH = 1000


@dataclass(frozen=True, slots=True)
class RunnerEvent:
    """What a runner says in passing; the same stands in its directory."""

    run_id: int
    attempt: int
    kind: str  # "started" or "ended"


class Dispatcher(Protocol):
    """What the supervisor needs of a place where attempts run."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever there are new events to take."""

    async def launch(self, spec: AttemptSpec) -> None:
        """Have a runner take this attempt; harmless when one already has."""

    def take_events(self) -> list[RunnerEvent]:
        """What runners have said since the last call."""

    def stop(self, directory: Path) -> None:
        """Ask the attempt's runner to stop its script; idempotent."""


class LocalDispatcher:
    """Runners on this machine, forked from a zygote that this process starts."""

    def __init__(self) -> None:
        self._wake: Callable[[], None] = lambda: None
        self._events: list[RunnerEvent] = []
        self._process: asyncio.subprocess.Process | None = None
        self._control: asyncio.StreamWriter | None = None
        self._event_socket: socket.socket | None = None
        self._starting = asyncio.Lock()

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever there are new events to take."""
        self._wake = wake

    async def launch(self, spec: AttemptSpec) -> None:
        """Hand the spec to the zygote, started first where there is none."""
        message = spec.to_bytes()
        async with self._starting:
            if self._control is None or self._process is None or self._process.returncode is not None:
                await self._start_zygote()
            control = self._control
            assert control is not None
            control.write(FRAME.pack(len(message)) + message)
        try:
            await control.drain()
        except ConnectionError:
            # The supervisor finds no marker, and launches again with the next zygote.
            log.warning("the zygote went away", run_id=spec.run_id)
            self._let_go()

    def take_events(self) -> list[RunnerEvent]:
        """What runners have said since the last call."""
        events, self._events = self._events, []
        return events

    def stop(self, directory: Path) -> None:
        """Leave the stop file, and wake the runner so that it looks now rather than at its next tick."""
        request_stop(directory)
        started = read_started(directory)
        if started is not None and runner_is_alive(directory):
            _signal(started)

    async def close(self) -> None:
        """Let the zygote go; the runners stay."""
        self._let_go()
        if self._process is not None:
            await self._process.wait()
        self._process = None

    def _let_go(self) -> None:
        """Close this side of both sockets, which is how a zygote learns that it is no longer needed."""
        if self._event_socket is not None:
            asyncio.get_running_loop().remove_reader(self._event_socket)
            self._event_socket.close()
        if self._control is not None:
            self._control.close()
        self._control = self._event_socket = None

    async def _start_zygote(self) -> None:
        self._let_go()
        control, control_far = socket.socketpair()
        events, events_far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        events_far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _EVENTS_BUFFER_BYTES)
        with control_far, events_far:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                "kumo.runner.zygote",
                str(control_far.fileno()),
                str(events_far.fileno()),
                pass_fds=(control_far.fileno(), events_far.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                # Its own session: a Ctrl-C in the server's terminal is not for the scripts.
                start_new_session=True,
                # Its environment is nobody's: scripts get theirs with the spec.
                env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
            )
        _reader, self._control = await asyncio.open_unix_connection(sock=control)
        events.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        self._event_socket = events
        asyncio.get_running_loop().add_reader(events, self._receive)

    def _receive(self) -> None:
        assert self._event_socket is not None
        for _ in range(_LARGEST_BATCH):
            try:
                raw = self._event_socket.recv(EVENT.size)
            except BlockingIOError:
                break
            if not raw:  # the zygote and all its runners are gone
                asyncio.get_running_loop().remove_reader(self._event_socket)
                break
            run_id, attempt, kind = EVENT.unpack(raw)
            self._events.append(RunnerEvent(run_id, attempt, kind.rstrip(b"\0").decode()))
        self._wake()


def _signal(started: Started) -> None:
    """Send SIGTERM to the runner itself, or to nobody: the descriptor pins the process before it is compared."""
    try:
        descriptor = os.pidfd_open(started.pid)
    except ProcessLookupError:
        return
    try:
        if process_start(started.pid) == started.process_start:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has just ended, which is what was wanted
    finally:
        os.close(descriptor)
