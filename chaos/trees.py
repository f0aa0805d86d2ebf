"""Scripts that will not go, and the search for what is left of them."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

# Each records that it has begun once all that it starts is there. None has more than a dozen processes at once, and
# each ends by itself after five minutes, whatever becomes of the test.
_LIFE_SECONDS = 300
_STUBBORN = f"""
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
END = time.monotonic() + {_LIFE_SECONDS}

def linger():
    while time.monotonic() < END:
        time.sleep(0.05)
    os._exit(0)
"""
STUBBORN_SCRIPTS = {
    "ignores_term": _STUBBORN + "record('starts')\nlinger()\n",
    # A daemon as the textbook makes one: its own session, its parent gone, its standard streams closed.
    "daemonises": _STUBBORN
    + """
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.closerange(0, 3)
        linger()
record("starts")
linger()
""",
    # Never the same process for longer than 20 ms: whoever kills what he has listed kills the dead.
    "runs_away": _STUBBORN
    + """
for _ in range(4):
    if os.fork() == 0:
        while time.monotonic() < END:
            time.sleep(0.02)
            if os.fork():
                os._exit(0)
        os._exit(0)
record("starts")
linger()
""",
    "forks_on_and_on": _STUBBORN
    + """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
record("starts")
while time.monotonic() < END:
    if os.fork() == 0:
        os.setsid()
        time.sleep(0.1)
        os._exit(0)
    time.sleep(0.01)
""",
}


def survivors(outputs: Path) -> dict[int, int]:
    """The run of each living process that a script of this project is or has started.

    Found by what stands in its environment, which no process loses, wherever it goes.
    """
    place = b"OUTPUT_DIR=" + os.fsencode(outputs)
    found = ((int(path.name), _environment(path)) for path in Path("/proc").iterdir() if path.name.isdigit())
    return {pid: _run_of(variables) for pid, variables in found if place in variables}


def gone_at(outputs: Path, run_ids: Collection[int], *, patience_seconds: float) -> dict[int, float]:
    """When nothing of each run lived any more, by the monotonic clock; infinity for those that outlast the patience."""
    gone: dict[int, float] = {}
    give_up_at = time.monotonic() + patience_seconds
    while len(gone) < len(run_ids) and time.monotonic() < give_up_at:
        alive = set(survivors(outputs).values())
        gone |= {run_id: time.monotonic() for run_id in run_ids if run_id not in alive and run_id not in gone}
        time.sleep(0.02)
    return {run_id: gone.get(run_id, float("inf")) for run_id in run_ids}


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it has just gone, or is a zombie, which is no survivor
        return []


def _run_of(variables: list[bytes]) -> int:
    (run_id,) = [each.partition(b"=")[2] for each in variables if each.startswith(b"KUMO_RUN_ID=")]
    return int(run_id)
