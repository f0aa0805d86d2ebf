"""Holding a script and all that it starts to limits by the kernel: one control group (cgroup v2) for each attempt.

Only where a part of the hierarchy was handed to Kumo, as systemd does for a service with `Delegate=yes` and a container
for its root: there nobody else makes groups. Elsewhere `find` answers None, and limits are kept by sampling.

    <base>/                 handed to Kumo
        kumo/               the server, the zygote, the runners: a group with groups in it may hold no processes
        attempt-7-1-42-99/  one attempt
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass

from kumo.runner.contract import Started
from kumo.runner.limits import Limits

_ROOT = "/sys/fs/cgroup"
_MEMBERSHIP = "/proc/self/cgroup"
_OWN = "kumo"
_CONTROLLERS = {"cpu", "memory", "pids"}
_PERIOD_MICROSECONDS = 100_000
_SHORTEST_QUOTA_MICROSECONDS = 1_000
_REMOVE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where groups of attempts can be made, and what they can limit."""

    base: str
    controllers: frozenset[str]


def find(root: str = _ROOT, membership: str = _MEMBERSHIP) -> Hierarchy | None:
    """Get the hierarchy that was handed to Kumo ready for attempts; None when there is none."""
    try:
        for base in _candidates(root, membership):
            if _is_handed_over(base, root):
                _make_room(base)
                offered = _CONTROLLERS & set(_read(base, "cgroup.controllers").split())
                return Hierarchy(base=base, controllers=frozenset(name for name in offered if _enable(base, name)))
    except OSError:
        pass
    return None


def find_group(name: str, root: str = _ROOT, membership: str = _MEMBERSHIP) -> Group | None:
    """The group of an attempt whose runner is gone; None when it has none."""
    for base in _candidates(root, membership):
        path = os.path.join(base, name)  # noqa: PTH118 - pathlib is slow to load
        if os.path.isdir(path):  # noqa: PTH112
            return Group(path)
    return None


def group_name(run_id: int, attempt: int, started: Started) -> str:
    """What the group of an attempt is called; the runner is part of it, since several Kumos may share a hierarchy."""
    return f"attempt-{run_id}-{attempt}-{started.pid}-{started.process_start}"


def make_group(hierarchy: Hierarchy, name: str, limits: Limits) -> Group | None:
    """A group with these limits; None when the hierarchy cannot do it."""
    if not controllers_for(limits) <= hierarchy.controllers:
        return None
    group = Group(os.path.join(hierarchy.base, name))  # noqa: PTH118
    try:
        os.mkdir(group.path)  # noqa: PTH102
        for file, value in settings_for(limits).items():
            _write(group.path, file, value)
    except OSError:
        group.remove()
        return None
    if limits.memory_bytes is not None:
        with contextlib.suppress(OSError):  # a kernel that does not account for swap has none to forbid
            _write(group.path, "memory.swap.max", "0")
    return group


class Group:
    """The control group of one attempt."""

    def __init__(self, path: str) -> None:
        self.path = path

    def enter(self) -> None:
        """Put this process into the group."""
        _write(self.path, "cgroup.procs", "0")

    def was_out_of_memory(self) -> bool:
        """Whether the kernel has ended the group because it was at its limit of memory."""
        try:
            events = dict(line.split() for line in _read(self.path, "memory.events").splitlines())
        except OSError:
            return False
        return int(events.get("oom_kill", 0)) > 0

    def kill(self) -> None:
        """Kill all processes of the group at one moment; does nothing before Linux 5.14."""
        with contextlib.suppress(OSError):
            _write(self.path, "cgroup.kill", "1")

    def remove(self) -> None:
        """Remove the group once nobody is in it any more, and groups that the script has made in it."""
        deadline = time.monotonic() + _REMOVE_SECONDS
        while os.path.isdir(self.path):  # noqa: PTH112
            for directory, _names, _files in os.walk(self.path, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)  # noqa: PTH106
            if time.monotonic() > deadline:
                return
            time.sleep(0.005)


def controllers_for(limits: Limits) -> set[str]:
    """The kernel's controllers that these limits need."""
    wanted = {"memory": limits.memory_bytes, "cpu": limits.cpu_percent, "pids": limits.processes}
    return {name for name, limit in wanted.items() if limit is not None}


def settings_for(limits: Limits) -> dict[str, str]:
    """The files of a group and what to write to them."""
    settings: dict[str, str] = {}
    if limits.memory_bytes is not None:
        # All or nobody: a script that has lost one of its processes seldom knows what to do.
        settings |= {"memory.max": str(limits.memory_bytes), "memory.oom.group": "1"}
    if limits.cpu_percent is not None:
        quota = max(round(limits.cpu_percent / 100 * _PERIOD_MICROSECONDS), _SHORTEST_QUOTA_MICROSECONDS)
        settings["cpu.max"] = f"{quota} {_PERIOD_MICROSECONDS}"
    if limits.processes is not None:
        # The kernel counts threads. Processes are counted by looking, and this keeps a fork bomb small until then.
        settings["pids.max"] = str(1000 + 100 * limits.processes)
    return settings


def path_of(membership: str) -> str | None:
    """Where this process is in the hierarchy of version 2, from what stands in /proc/self/cgroup; None if nowhere."""
    for line in membership.splitlines():
        if line.startswith("0::/"):
            return line.removeprefix("0::").rstrip("/")
    return None


def _candidates(root: str, membership: str) -> list[str]:
    """The group that this process is in, or the one above: after `_make_room`, or started by systemd in a subgroup."""
    try:
        own = path_of(_read("", membership))
    except OSError:
        return []
    if own is None or ".." in own:  # above the root of a container
        return []
    return [root + own, root + os.path.dirname(own).rstrip("/")] if own else [root]  # noqa: PTH120


def _is_handed_over(directory: str, root: str) -> bool:
    """Whether nobody else makes groups in this one: systemd says so by an attribute, a container by its root."""
    for name in ("", "cgroup.procs", "cgroup.subtree_control"):
        if not os.access(os.path.join(directory, name), os.W_OK):  # noqa: PTH118
            return False
    for attribute in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(directory, attribute) == b"1":
                return True
    # Only the root of the whole machine has no events.
    return directory == root and os.path.exists(os.path.join(directory, "cgroup.events"))  # noqa: PTH110, PTH118


def _make_room(directory: str) -> None:
    """Move all processes of this group into one below it; OSError when they do not go."""
    own = os.path.join(directory, _OWN)  # noqa: PTH118
    for _ in range(20):  # new ones may be started meanwhile
        pids = _read(directory, "cgroup.procs").split()
        if not pids:
            return
        with contextlib.suppress(FileExistsError):
            os.mkdir(own)  # noqa: PTH102
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                _write(own, "cgroup.procs", pid)
    raise BlockingIOError(f"{directory} does not become empty")


def _enable(directory: str, controller: str) -> bool:
    try:
        _write(directory, "cgroup.subtree_control", f"+{controller}")
    except OSError:
        return False
    return True


def _read(directory: str, name: str) -> str:
    with open(os.path.join(directory, name), encoding="ascii") as file:  # noqa: PTH118, PTH123
        return file.read()


def _write(directory: str, name: str, value: str) -> None:
    with open(os.path.join(directory, name), "w", encoding="ascii") as file:  # noqa: PTH118, PTH123
        file.write(value)
