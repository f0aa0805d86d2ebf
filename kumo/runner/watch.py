"""Watching a script until it and everything that it started is gone."""

from __future__ import annotations

import os
import resource
import select
import signal
import time
from dataclasses import dataclass, field

from kumo.runner import tree
from kumo.runner.contract import AttemptSpec, SampleRecord, stop_is_requested
from kumo.runner.guard import NEVER, Guard
from kumo.runner.output import Output
from kumo.runner.samples import Samples

_TICK_SECONDS = 1.0  # how often the tree is sampled and the stop file looked for
_FIRST_TICK_SECONDS = 0.1
_LEFTOVER_GRACE_SECONDS = 5.0
_LEFTOVER_POLL_SECONDS = 0.02


@dataclass(slots=True)
class Usage:
    """The most that the tree has used so far."""

    memory_bytes: int = 0
    cpu_percent: float = 0.0
    _cpu_seconds: float = field(default_factory=tree.cpu_seconds_of_ended)
    _measured_at: float = field(default_factory=time.monotonic)

    def add(self, sample: tree.Sample, at: float) -> float:
        """Take one more measurement into account; the CPU percent since the one before."""
        self.memory_bytes = max(self.memory_bytes, sample.memory_bytes)
        cpu_seconds = sample.cpu_seconds + tree.cpu_seconds_of_ended()
        used, elapsed = max(0.0, cpu_seconds - self._cpu_seconds), at - self._measured_at
        cpu_percent = 100.0 * used / elapsed if elapsed > 0 else 0.0
        self.cpu_percent = max(self.cpu_percent, cpu_percent)
        self._cpu_seconds, self._measured_at = cpu_seconds, at
        return cpu_percent


class Watch:
    """The loop over a running script: its output, end, timeout, limits, a stop, and what it leaves behind."""

    def __init__(self, spec: AttemptSpec, child: int, output: Output, stop_pipe: int, guard: Guard) -> None:
        self._spec = spec
        self._child = child
        self._child_descriptor = os.pidfd_open(child)
        self._output = output
        self._stop_pipe = stop_pipe
        self._guard = guard
        self._root = os.getpid()
        self._poll = select.poll()
        for descriptor in (output.reader, self._child_descriptor, stop_pipe):
            self._poll.register(descriptor, select.POLLIN)
        self._started = started = time.monotonic()
        guard.begin(started)
        self._timeout_at = NEVER if spec.timeout_seconds is None else started + spec.timeout_seconds
        self._look_at = self._tick_at = started + _FIRST_TICK_SECONDS
        self._kill_at = NEVER
        self.outcome = "exited"
        self.reason: str | None = None
        self.status: int | None = None  # of the script itself, as wait(2) gives it
        self.usage = Usage()
        self._samples = Samples(spec.directory)

    def until_all_is_gone(self) -> None:
        """Return when the script has ended, no process of its tree lives and all its output is in the log."""
        while True:
            self._wait()
            at = time.monotonic()
            if at >= self._look_at:
                self._look(at)
            if self.status is not None:
                if tree.no_children_left():
                    break
                self._end_leftovers()
            if at >= self._guard.act_at:
                self._guard.act(at)
            if at >= self._timeout_at:
                self._end("timed_out", self._spec.stop_grace_seconds)
            if at >= self._kill_at:
                self._guard.kill()
                if tree.kill_tree(self._root):
                    self._kill_at = NEVER
        self._output.drain()

    def _wait(self) -> None:
        """Sleep until something happens or is due."""
        wake_at = min(self._look_at, self._guard.act_at, self._timeout_at, self._kill_at)
        if self.status is not None:
            wake_at = min(wake_at, time.monotonic() + _LEFTOVER_POLL_SECONDS)
        for descriptor, _events in self._poll.poll(max(0.0, wake_at - time.monotonic()) * 1000):
            if descriptor == self._output.reader:
                if not self._output.pump():
                    self._poll.unregister(descriptor)
            elif descriptor == self._child_descriptor:
                self._collect_child()
            else:
                os.read(descriptor, 512)
                self._obey_stop()

    def _collect_child(self) -> None:
        _pid, self.status, used = os.wait4(self._child, 0)
        self._poll.unregister(self._child_descriptor)
        os.close(self._child_descriptor)
        if self._guard.by is not None:
            self._look_at = 0.0  # what it leaves behind may be what must be ended at once
        # The kernel's own peak of the largest process: sampling misses what lives shorter than a tick. It begins at
        # the runner's own size, from which the script was spawned, so anything up to that says nothing.
        if used.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
            self.usage.memory_bytes = max(self.usage.memory_bytes, used.ru_maxrss * 1024)

    def _look(self, at: float) -> None:
        sample = tree.sample(self._root)
        if at >= self._tick_at:
            self._tick_at = at + _TICK_SECONDS
            self._samples.add(
                SampleRecord(
                    milliseconds=int((at - self._started) * 1000),
                    cpu_percent=self.usage.add(sample, at),
                    memory_bytes=sample.memory_bytes,
                    processes=sample.processes,
                )
            )
            if self.status is None:
                tree.reap_orphans(but_not=self._child)
            self._obey_stop()
        self._look_at = min(self._tick_at, at + self._guard.look_seconds)
        if reason := self._guard.look(sample, at):
            self._end_at_once(reason)

    def _obey_stop(self) -> None:
        if stop_is_requested(self._spec.directory):
            self._end("stopped", self._spec.stop_grace_seconds)

    def _end_leftovers(self) -> None:
        """The script has ended, but left processes behind: they belong to the attempt and end with it."""
        if self._kill_at == NEVER and self.outcome == "exited":
            count = len(tree.descendants(self._root))
            if count:
                processes = "1 process" if count == 1 else f"{count} processes"
                self._output.write(f"[kumo] The script left {processes} behind, which are ended now.\n".encode())
            self._ask_to_leave(min(_LEFTOVER_GRACE_SECONDS, self._spec.stop_grace_seconds))

    def _end(self, outcome: str, grace_seconds: float) -> None:
        """Ask the whole tree to leave, for the first cause that comes; later ones change nothing."""
        self._timeout_at = NEVER
        if self.outcome == "exited" and self.status is None:
            self.outcome = outcome
            self._ask_to_leave(grace_seconds)

    def _end_at_once(self, reason: str) -> None:
        """A limit is exceeded: no grace, since the machine is at stake, also from what a script has left behind."""
        if self.outcome == "exited":
            self.outcome, self.reason = "limit", reason
            self._output.write(f"[kumo] {reason}\n".encode())
        self._guard.let_go()
        self._timeout_at, self._kill_at = NEVER, 0.0

    def _ask_to_leave(self, grace_seconds: float) -> None:
        self._guard.let_go()
        self._kill_at = time.monotonic() + grace_seconds
        tree.signal_tree(self._root, signal.SIGTERM)
        tree.signal_tree(self._root, signal.SIGCONT)
