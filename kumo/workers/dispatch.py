"""Handing attempts to this machine: one zygote, and the runners that it forks.

Everything here may be lost without harm: the attempt directories are the truth. A zygote that has died is started
again when the next runner is needed, and a launch that was lost is repeated by the supervisor, which is safe because
only one runner can take an attempt.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Protocol

import structlog

from kumo.runner.contract import (
    FRAME,
    AttemptSpec,
    Report,
    Started,
    read_started,
    request_stop,
    runner_is_alive,
)
from kumo.runner.tree import process_start
from kumo.workers import leftovers

log = structlog.get_logger(__name__)

_IDLE_SECONDS = 10.0
# Never let go, so that a single run after a rest need not wait for a fork.
_KEPT = 1
# More would not start sooner, only in another order: each waits for the disk and then for a CPU.
_STARTING_AT_ONCE = 8
_STARTING_SECONDS = 2.0  # who takes longer keeps nobody else waiting


class Dispatcher(Protocol):
    """What the supervisor needs of a place where attempts run."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever there are new reports to take."""

    async def warm_up(self) -> None:
        """Have a runner ready for the first attempt."""

    async def launch(self, spec: AttemptSpec) -> None:
        """Have a runner take this attempt; harmless when one already has."""

    def take_reports(self) -> list[Report]:
        """What runners have said since the last call."""

    def stop(self, directory: Path) -> None:
        """Ask the attempt's runner to stop its script; idempotent."""

    def clear_up(self, home: Path, run_id: int, attempt: int, started: Started) -> bool:
        """End what a runner that was killed has left of its attempt; False when something of it lives still."""


class LocalDispatcher:
    """Runners on this machine, each used again as soon as its attempt has ended, and let go when it idles."""

    def __init__(self) -> None:
        self._wake: Callable[[], None] = lambda: None
        self._reports: list[Report] = []
        self._zygote = _Zygote()
        self._busy: set[_Channel] = set()
        self._idle: list[_Channel] = []  # the one that was busy last is at the end
        self._starting: dict[_Channel, float] = {}  # since when
        self._waiting: deque[AttemptSpec] = deque()  # for their turn to be started
        self._room = asyncio.Event()
        self._turns: asyncio.Task[None] | None = None
        self._sweep: asyncio.TimerHandle | None = None

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever there are new reports to take."""
        self._wake = wake

    async def warm_up(self) -> None:
        """Have a runner ready for the first attempt; where there can be none yet, that attempt says why."""
        if not self._busy and not self._idle:
            with suppress(OSError):
                self._idle.append(await self._new_runner())

    async def launch(self, spec: AttemptSpec) -> None:
        """Hand the spec to an idle runner, or to a new one; in its turn, where many are just being started."""
        if self._waiting or not self._has_room():
            self._waiting.append(spec)
            if self._turns is None or self._turns.done():
                self._turns = asyncio.create_task(self._start_waiting())
        else:
            await self._start(spec)

    def take_reports(self) -> list[Report]:
        """What runners have said since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def stop(self, directory: Path) -> None:
        """Leave the stop file, and wake the runner so that it looks now rather than at its next tick."""
        request_stop(directory)
        started = read_started(directory)
        if started is not None and runner_is_alive(directory):
            _signal(started)

    def clear_up(self, home: Path, run_id: int, attempt: int, started: Started) -> bool:
        """End what a runner that was killed has left of its attempt; False when something of it lives still."""
        return leftovers.clear_up(home, run_id, attempt, started)

    async def close(self) -> None:
        """Let go of the zygote and all runners; those that are busy stay until their attempts have ended."""
        if self._sweep is not None:
            self._sweep.cancel()
        self._waiting.clear()
        if self._turns is not None:
            self._turns.cancel()
            await asyncio.gather(self._turns, return_exceptions=True)
        for channel in (*self._busy, *self._idle):
            channel.close()
        self._busy.clear()
        self._idle.clear()
        await self._zygote.close()

    def _has_room(self) -> bool:
        long_ago = monotonic() - _STARTING_SECONDS
        return sum(since > long_ago for since in self._starting.values()) < _STARTING_AT_ONCE

    async def _start_waiting(self) -> None:
        while self._waiting:
            if not self._has_room():
                self._room.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STARTING_SECONDS):
                        await self._room.wait()
                continue
            spec = self._waiting.popleft()
            try:
                await self._start(spec)
            except OSError as error:
                # As a launch that was lost: it is repeated, and refused should it still not be possible.
                log.warning("a runner could not be started", run_id=spec.run_id, error=str(error))

    def _forget_start(self, channel: _Channel) -> None:
        """It has started its script, or never will."""
        if self._starting.pop(channel, None) is not None:
            self._room.set()

    async def _start(self, spec: AttemptSpec) -> None:
        channel = self._idle.pop() if self._idle else await self._new_runner()
        self._busy.add(channel)
        self._starting[channel] = monotonic()
        channel.send(spec)

    async def _new_runner(self) -> _Channel:
        near, far = socket.socketpair()
        with far:
            await self._zygote.fork_runner(far)
        channel = _Channel(self._hear, self._lose)
        await asyncio.get_running_loop().create_connection(lambda: channel, sock=near)
        return channel

    def _hear(self, channel: _Channel, report: Report) -> None:
        self._forget_start(channel)
        if report.started is None:
            channel.idle_since = monotonic()
            self._busy.discard(channel)
            self._idle.append(channel)
            if self._sweep is None:
                self._sweep = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._dismiss_idle)
        self._reports.append(report)
        self._wake()

    def _lose(self, channel: _Channel) -> None:
        """A runner has ended: it was dismissed, or killed over an attempt."""
        self._forget_start(channel)
        if channel in self._busy:
            self._busy.discard(channel)
            if channel.spec is not None:
                self._reports.append(Report(run_id=channel.spec.run_id, attempt=channel.spec.attempt))
                self._wake()
        elif channel in self._idle:
            self._idle.remove(channel)

    def _dismiss_idle(self) -> None:
        """Let go of the runners that have had nothing to do for some time; those that idle longest come first."""
        long_ago = monotonic() - _IDLE_SECONDS
        while len(self._idle) > _KEPT and self._idle[0].idle_since <= long_ago:
            self._idle.pop(0).close()
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(_IDLE_SECONDS, self._dismiss_idle) if len(self._idle) > _KEPT else None


class _Channel(asyncio.Protocol):
    """The server's end of the socket to one runner."""

    def __init__(self, hear: Callable[[_Channel, Report], None], lose: Callable[[_Channel], None]) -> None:
        self.spec: AttemptSpec | None = None  # the attempt that it was given last
        self.idle_since = 0.0
        self._hear = hear
        self._lose = lose
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def send(self, spec: AttemptSpec) -> None:
        """Give the runner its next attempt; what a runner that has just died does not get is reported as lost."""
        assert self._transport is not None
        self.spec = spec
        message = spec.to_bytes()
        self._transport.write(FRAME.pack(len(message)) + message)

    def close(self) -> None:
        """Let the runner go, now or after its attempt."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= FRAME.size:
            end = FRAME.size + FRAME.unpack_from(self._received)[0]
            if len(self._received) < end:
                break
            report = Report.from_bytes(bytes(self._received[FRAME.size : end]))
            del self._received[:end]
            self._hear(self, report)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._lose(self)


class _Zygote:
    """The process that forks runners; started for the first, and again after it has died."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._starting = asyncio.Lock()

    async def fork_runner(self, far: socket.socket) -> None:
        """Have a runner forked that holds the far end of a channel."""
        async with self._starting:
            control = self._control
            if control is None or self._process is None or self._process.returncode is not None:
                control = await self._start()
            try:
                await _send_descriptor(control, far)
            except ConnectionError:
                log.warning("the zygote went away")
                await _send_descriptor(await self._start(), far)

    async def close(self) -> None:
        """Let it go."""
        self._let_go()
        if self._process is not None:
            await self._process.wait()
        self._process = None

    def _let_go(self) -> None:
        """Close this side, which is how a zygote learns that it is no longer needed."""
        if self._control is not None:
            self._control.close()
        self._control = None

    async def _start(self) -> socket.socket:
        self._let_go()
        self._control, far = socket.socketpair()
        self._control.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        with far:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                "kumo.runner.zygote",
                str(far.fileno()),
                pass_fds=(far.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                # Its own session: a Ctrl-C in the server's terminal is not for the scripts.
                start_new_session=True,
                # Its environment is nobody's: scripts get theirs with the spec.
                env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
            )
        return self._control


async def _send_descriptor(control: socket.socket, channel: socket.socket) -> None:
    """Pass a channel to the zygote; waits while it has more to fork than its socket holds."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            socket.send_fds(control, [b"+"], [channel.fileno()])
        except BlockingIOError:
            writable = loop.create_future()
            loop.add_writer(control, writable.set_result, None)
            try:
                await writable
            finally:
                loop.remove_writer(control)
        else:
            return


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
