"""What is left of an attempt whose runner was killed: processes, files with secrets, the end of its log.

The runner would have ended, removed and moved all of that itself. A script without its runner has nobody who keeps its
output, its limits and its timeout, so it is not let go on.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from kumo.logs.store import LogFile
from kumo.runner.cgroups import find_group, group_name
from kumo.runner.contract import INDEX_ENTRY, LOG, MARK, Started, attempt_directory
from kumo.runner.tail import pieces_of_tail
from kumo.runner.variables import remove_variables

_KILL_SECONDS = 5.0
_PAUSE_SECONDS = 0.01


def clear_up(home: Path, run_id: int, attempt: int, started: Started) -> bool:
    """End what still runs of an attempt, and put its directory in order; False when something cannot be killed yet.

    Blocks, for some seconds at the most. Doing it twice, or after a crash in the middle, is harmless.
    """
    group = find_group(group_name(run_id, attempt, started))
    if group is not None:
        group.kill()
        group.remove()
    directory = attempt_directory(home, run_id, attempt)
    if not _end_processes(directory):
        return False
    remove_variables(str(directory))
    _complete_log(directory)
    return True


def _end_processes(directory: Path) -> bool:
    deadline = time.monotonic() + _KILL_SECONDS
    while left := _processes(directory):
        for pid in left:
            # Its whole group at one moment, so that nobody gets away by forking. The group is the script's own, since
            # the script has a session of its own.
            with suppress(ProcessLookupError, PermissionError):
                group = os.getpgid(pid)
                if group != os.getpgrp():
                    os.killpg(group, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def _processes(directory: Path) -> list[int]:
    """Living processes that were started with the mark of this attempt, wherever they have gone since."""
    mark = os.fsencode(f"{MARK}={directory}")
    pids = [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - a third of pathlib's time
    return [int(pid) for pid in pids if mark in _environment(pid)]


def _environment(pid: str) -> list[bytes]:
    try:
        return Path("/proc", pid, "environ").read_bytes().split(b"\0")
    except OSError:  # it has just ended, is a zombie, or belongs to somebody else
        return []


def _complete_log(directory: Path) -> None:
    """Append the newest part of an output that was longer than its log may be."""
    log = LogFile(directory / LOG)
    position = log.size
    lines = log.lines_before(position)
    with log.path.open("ab") as target, log.index.path.open("ab") as index:
        for piece in pieces_of_tail(str(directory), None):
            if piece.milliseconds is not None:
                index.write(INDEX_ENTRY.pack(position, piece.milliseconds, lines))
            target.write(piece.data)
            position += len(piece.data)
            lines += piece.data.count(b"\n")
