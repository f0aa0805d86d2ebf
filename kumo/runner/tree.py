"""The tree of processes below a runner: who is in it, what it uses, and its end.

The runner is a subreaper (prctl(2)), so a process whose parent has died, a daemon that called setsid included, becomes
the runner's child and stays in the tree.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from dataclasses import dataclass

_PR_SET_CHILD_SUBREAPER = 36
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_KILL_SECONDS = 5.0

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the whole tree uses at one moment."""

    memory_bytes: int  # resident, summed over the processes; shared pages count once for each
    cpu_seconds: float  # of the processes alive now
    processes: int


def become_subreaper() -> None:
    """Adopt every descendant whose parent dies, from now on."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def process_start(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when it is gone."""
    fields = _stat_fields(pid)
    return int(fields[19]) if fields else 0


def boot_id() -> str:
    """Which boot of the machine this is."""
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:  # noqa: PTH123 - pathlib costs the runner 10 ms
        return file.read().decode().strip()


def descendants(root: int) -> list[int]:
    """All living processes below `root`, zombies left out.

    By the parents of all processes on the machine, in one pass: the kernel's own `children` files may miss some
    while processes come and go.
    """
    children: dict[int, list[int]] = {}
    zombies: set[int] = set()
    for pid in _all_pids():
        fields = _stat_fields(pid)
        if fields:
            children.setdefault(int(fields[1]), []).append(pid)
            if fields[0] == b"Z":
                zombies.add(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.extend(below)
        waiting.extend(below)
    return [pid for pid in found if pid not in zombies]


def sample(root: int) -> Sample:
    """Measure the tree below `root`."""
    memory = 0
    ticks = 0
    pids = descendants(root)
    for pid in pids:
        fields = _stat_fields(pid)
        if fields:
            ticks += int(fields[11]) + int(fields[12])
            memory += int(fields[21]) * _PAGE_BYTES
    return Sample(memory_bytes=memory, cpu_seconds=ticks / _TICKS_PER_SECOND, processes=len(pids))


def signal_tree(root: int, number: int) -> int:
    """Send a signal to everybody below `root`, and say to how many."""
    sent = 0
    for pid in descendants(root):
        try:
            os.kill(pid, number)
            sent += 1
        except ProcessLookupError:
            continue
    return sent


def kill_tree(root: int) -> bool:
    """Kill everybody below `root` until nobody is left; False when somebody cannot be killed (uninterruptible I/O).

    Stopped first, then killed: a process that forks faster than it is killed never gets the chance.
    """
    deadline = time.monotonic() + _KILL_SECONDS
    while descendants(root):
        signal_tree(root, signal.SIGSTOP)
        signal_tree(root, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


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
    own = str(os.getpid()).encode()
    for pid in _all_pids():
        fields = _stat_fields(pid)
        if fields and fields[0] == b"Z" and fields[1] == own and pid != but_not:
            os.waitpid(pid, os.WNOHANG)


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - pathlib is slow to load


def _stat_fields(pid: int) -> list[bytes]:
    """/proc/<pid>/stat after the name, from the state on; empty when the process is gone. See proc(5)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            raw = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return []
    # The name is in parentheses and may hold anything, parentheses and spaces too.
    return raw[raw.rindex(b")") + 2 :].split()
