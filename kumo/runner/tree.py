"""The tree of processes below a runner: who is in it, what it uses, and its end.

The runner is a subreaper (prctl(2)), so a process whose parent has died, a daemon that called setsid included, becomes
the runner's child and stays in the tree.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_PR_SET_CHILD_SUBREAPER = 36
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_KILL_SECONDS = 5.0
_KILL_PAUSE_SECONDS = 0.002
_READ_BYTES = 4096  # the most that a file of /proc gives at once
# The kernel can be built without; then all processes of the machine are looked at.
_KERNEL_LISTS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # noqa: PTH110

# In `stat` after the name.
_STATE, _PARENT, _GROUP, _THREADS, _START, _RESIDENT = 0, 1, 2, 17, 19, 21
_TIMES = slice(11, 15)  # in user mode, in the kernel; then both of the children that were waited for
_SIZES = slice(20, 22)  # virtual, resident
_DEAD = (b"Z", b"X")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the whole tree uses at one moment."""

    memory_bytes: int  # resident, summed over the processes; shared pages count once for each
    cpu_seconds: float  # of the processes there are now, and of those that they have waited for
    processes: int


def become_subreaper() -> None:
    """Adopt every descendant whose parent dies, from now on."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def process_start(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when it is gone."""
    fields = _stat_fields(pid)
    return int(fields[_START]) if fields else 0


def boot_id() -> str:
    """Which boot of the machine this is."""
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:  # noqa: PTH123 - pathlib costs the runner 10 ms
        return file.read().decode().strip()


def descendants(root: int) -> list[int]:
    """All living processes below `root`, zombies left out; may miss some while processes come and go."""
    return list(_living(_tree(root)))


def sample(root: int) -> Sample:
    """Measure the tree below `root`."""
    processes = _tree(root)
    return Sample(
        memory_bytes=sum(int(fields[_RESIDENT]) for fields in _with_memory(processes).values()) * _PAGE_BYTES,
        # Of the dead too: the time of a zombie is nobody's else until it is waited for.
        cpu_seconds=sum(sum(map(int, fields[_TIMES])) for fields in processes.values()) / _TICKS_PER_SECOND,
        processes=len(_living(processes)),
    )


def exact_memory(root: int) -> int:
    """Resident bytes of the tree below `root`, where a page that several processes share counts once.

    Takes a millisecond and more for each gigabyte.
    """
    return sum(_proportional_bytes(pid, fields) for pid, fields in _with_memory(_tree(root)).items())


def cpu_seconds_of_ended() -> float:
    """CPU time of all children that this process has waited for, and of those that they had waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def stop_tree(root: int) -> None:
    """Let everybody below `root` stand still until SIGCONT."""
    _signal_groups(_living(_tree(root)), signal.SIGSTOP)


def signal_tree(root: int, number: int) -> None:
    """Send a signal to everybody below `root`."""
    for pid in descendants(root):
        _signal(os.kill, pid, number)


def kill_tree(root: int) -> bool:
    """Kill everybody below `root` until nobody is left; False when somebody cannot be killed (uninterruptible I/O)."""
    deadline = time.monotonic() + _KILL_SECONDS
    with precedence():
        while left := _living(_tree(root)) or _living(_tree_by_parents(root)):
            _signal_groups(left, signal.SIGKILL)
            if time.monotonic() > deadline:
                return False
            time.sleep(_KILL_PAUSE_SECONDS)
    return True


@contextlib.contextmanager
def precedence() -> Iterator[None]:
    """Let no other process keep this one from the CPU, where it has the right to: a fork bomb would, for minutes."""
    before = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, before, os.sched_param(1 if before & os.SCHED_FIFO else 0))


def no_children_left() -> bool:
    """Collect every child that has ended; True when none lives either. Only for when nobody else waits for one."""
    while True:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            return False


def reap_orphans(*, but_not: int) -> None:
    """Collect ended children that were adopted; `but_not` is the one that somebody waits for.

    Without it a script that daemonises again and again fills the table of processes with zombies.
    """
    own = os.getpid()
    for pid in _children(own, b"1") if _KERNEL_LISTS_CHILDREN else _all_pids():
        if pid == but_not:
            continue
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _tree(root: int) -> dict[int, list[bytes]]:
    """Everybody below `root`, zombies too, with the fields of their `stat`."""
    if not _KERNEL_LISTS_CHILDREN:
        return _tree_by_parents(root)
    found: dict[int, list[bytes]] = {}
    waiting = _children(root, b"")
    while waiting:
        pid = waiting.pop()
        fields = [] if pid in found else _stat_fields(pid)
        if fields:
            found[pid] = fields
            waiting.extend(_children(pid, fields[_THREADS]))
    return found


def _tree_by_parents(root: int) -> dict[int, list[bytes]]:
    """The same by the parents of all processes on the machine: slow where there are many, but misses few."""
    all_fields: dict[int, list[bytes]] = {}
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        fields = _stat_fields(pid)
        if fields:
            all_fields[pid] = fields
            children.setdefault(int(fields[_PARENT]), []).append(pid)
    found: dict[int, list[bytes]] = {}
    waiting = [root]
    while waiting:
        for pid in children.pop(waiting.pop(), []):
            found[pid] = all_fields[pid]
            waiting.append(pid)
    return found


def _with_memory(processes: dict[int, list[bytes]]) -> dict[int, list[bytes]]:
    """Those with a memory of their own.

    Between vfork(2) and exec(2) a child has its parent's, not a copy: counted twice, a script with a limit of a little
    more than it uses would be found above it when it starts a program.
    """
    found = {}
    for pid, fields in processes.items():
        parent = processes.get(int(fields[_PARENT]))
        if parent is None or parent[_SIZES] != fields[_SIZES]:
            found[pid] = fields
    return found


def _proportional_bytes(pid: int, fields: list[bytes]) -> int:
    """A process's part of what is resident: of a page that it shares with two others, a third."""
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return int(fields[_RESIDENT]) * _PAGE_BYTES  # not ours to look into: another account's, after sudo(8)


def _children(pid: int, threads: bytes) -> list[int]:
    """The children of all threads of a process, as the kernel lists them; `threads` says how many there are."""
    try:
        tasks = [str(pid)] if threads == b"1" else os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - pathlib is slow
    except OSError:
        return []
    return [int(child) for task in tasks for child in _read(f"/proc/{pid}/task/{task}/children").split()]


def _signal_groups(processes: dict[int, list[bytes]], number: int) -> None:
    """Send a signal to the process groups of all these processes, and of nobody else.

    The kernel signals all of a group at one moment, those included that its members are just forking: so no fork bomb
    gets away that stays in its group. A script has a session of its own, hence groups that nobody outside is in.
    """
    own = os.getpgrp()
    for group in {int(fields[_GROUP]) for fields in processes.values()} - {own, 0}:
        _signal(os.killpg, group, number)


def _signal(send: Callable[[int, int], None], target: int, number: int) -> None:
    # Of another account after sudo(8), perhaps: it is left to end by itself.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(target, number)


def _living(processes: dict[int, list[bytes]]) -> dict[int, list[bytes]]:
    return {pid: fields for pid, fields in processes.items() if fields[_STATE] not in _DEAD}


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def _stat_fields(pid: int) -> list[bytes]:
    """/proc/<pid>/stat after the name, from the state on; empty when the process is gone. See proc(5)."""
    raw = _read(f"/proc/{pid}/stat")
    # The name is in parentheses and may hold anything, parentheses and spaces too.
    return raw[raw.rindex(b")") + 2 :].split() if raw else []


def _read(path: str) -> bytes:
    """A file of /proc; empty when its process is gone. A third faster than `open`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        parts = part = os.read(descriptor, _READ_BYTES)
        while len(part) > _READ_BYTES // 2:  # what fits, so somewhat less than was asked for
            part = os.read(descriptor, _READ_BYTES)
            parts += part
    except (ProcessLookupError, PermissionError):
        return b""
    finally:
        os.close(descriptor)
    return parts
