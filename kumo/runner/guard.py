"""Holding a script and all that it starts to their limits.

By the kernel where Kumo may make control groups. Elsewhere by looking and by signals, which works everywhere, but does
not see what lives shorter than from one look to the next.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from kumo.runner import tree
from kumo.runner.cgroups import Group, Hierarchy, make_group
from kumo.runner.limits import DutyCycle, Limits, memory_reason, processes_reason

NEVER = float("inf")
_LOOK_SECONDS = 1.0
_CAREFUL_LOOK_SECONDS = 0.1
_EXACT_SHARE = 10  # for each second that it took to measure memory exactly, ten go without


class Guard:
    """Does nothing: for scripts without limits. The others know their script's tree, below this process."""

    by: str | None = None  # what holds the script to its limits
    look_seconds = _LOOK_SECONDS  # how often it wants to see a sample
    act_at = NEVER  # when it wants to act next
    group: Group | None = None  # where the script belongs

    def begin(self, at: float) -> None:
        """The script has been started."""

    def look(self, sample: tree.Sample, at: float) -> str | None:
        """Why the script must be ended now; None while it keeps to its limits."""
        del sample, at
        return None

    def act(self, at: float) -> None:
        """Do what was due at `act_at`."""

    def let_go(self) -> None:
        """Hold nobody back any more: the script is being ended. Who stands gets SIGCONT from whoever ends it."""

    def kill(self) -> None:
        """Kill those whom it can reach at one moment; the others are killed one by one."""

    def end(self) -> str | None:
        """Nothing of the script lives any more: tidy up, and say why the kernel ended it, if it did."""
        return None


class SamplingGuard(Guard):
    """Looks at the tree ten times a second."""

    by = "sampling"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._root = os.getpid()
        self._duty: DutyCycle | None = None
        self._exact_at = 0.0
        self._precedence = contextlib.ExitStack()
        if limits.memory_bytes is not None or limits.processes is not None:
            self.look_seconds = _CAREFUL_LOOK_SECONDS

    def begin(self, at: float) -> None:
        """Start to count CPU time, and see to it that a fork bomb does not keep the runner from seeing it."""
        if self._limits.processes is not None:
            self._precedence.enter_context(tree.precedence())
        if self._limits.cpu_percent is not None:
            self._duty = DutyCycle(self._limits.cpu_percent, at, tree.cpu_seconds_of_ended())
            self.act_at = self._duty.next_at

    def look(self, sample: tree.Sample, at: float) -> str | None:
        """Judge processes and memory."""
        limits = self._limits
        if limits.processes is not None and sample.processes > limits.processes:
            return processes_reason(sample.processes, limits.processes)
        if limits.memory_bytes is not None and sample.memory_bytes > limits.memory_bytes and at >= self._exact_at:
            used = self._exact_memory()
            if used > limits.memory_bytes:
                return memory_reason(used, limits.memory_bytes)
        return None

    def act(self, at: float) -> None:
        """Let the tree stand, or go on."""
        duty = self._duty
        assert duty is not None
        stood = duty.stands
        duty.decide(at, tree.sample(self._root).cpu_seconds + tree.cpu_seconds_of_ended())
        self.act_at = duty.next_at
        if duty.stands and not stood:
            tree.stop_tree(self._root)
        elif stood and not duty.stands:
            tree.signal_tree(self._root, signal.SIGCONT)

    def let_go(self) -> None:
        """Hold nobody back any more."""
        self._duty, self.act_at = None, NEVER

    def end(self) -> str | None:
        """Be a process like others again."""
        self._precedence.close()
        return None

    def _exact_memory(self) -> int:
        """What forked processes share, as those of a pool do, counts once. It takes time, so not at each look."""
        began = time.monotonic()
        used = tree.exact_memory(self._root)
        ended = time.monotonic()
        self._exact_at = ended + _EXACT_SHARE * (ended - began)
        return used


class GroupGuard(Guard):
    """Leaves memory and CPU to the kernel, and counts processes, since the kernel counts threads."""

    by = "cgroup"

    def __init__(self, limits: Limits, group: Group) -> None:
        self._limits = limits
        self.group: Group = group
        if limits.processes is not None:
            self.look_seconds = _CAREFUL_LOOK_SECONDS

    def look(self, sample: tree.Sample, at: float) -> str | None:
        """Judge the number of processes."""
        del at
        most = self._limits.processes
        if most is not None and sample.processes > most:
            return processes_reason(sample.processes, most)
        return None

    def kill(self) -> None:
        """Kill the group."""
        self.group.kill()

    def end(self) -> str | None:
        """Remove the group, and say whether the kernel ended it for its memory."""
        most = self._limits.memory_bytes
        reason = memory_reason(most, most) if most is not None and self.group.was_out_of_memory() else None
        self.group.kill()
        self.group.remove()
        return reason


def guard_for(limits: Limits, hierarchy: Hierarchy | None, name: str) -> Guard:
    """The guard that these limits need; `name` is for the control group."""
    if limits.are_none:
        return Guard()
    group = None if hierarchy is None else make_group(hierarchy, name, limits)
    return SamplingGuard(limits) if group is None else GroupGuard(limits, group)
