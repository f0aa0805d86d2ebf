"""What a killed runner leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from kumo.runner.contract import INDEX_ENTRY, AttemptSpec, Started, read_started
from kumo.workers.leftovers import clear_up
from tests.runner.conftest import Attempts, tail_ends_with

# Whoever is killed one after the other forks on meanwhile; one daemon has a session of its own.
_STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    time.sleep(300)
    os._exit(0)
for _ in range(3):
    if os.fork() == 0:
        end = time.monotonic() + 300
        while time.monotonic() < end:
            time.sleep(0.01)
            if os.fork():
                os._exit(0)
        os._exit(0)
print("up", flush=True)
time.sleep(300)
"""


async def begin(attempts: Attempts, script: str, **changes: object) -> AttemptSpec:
    """Start a script, and return once it has printed something."""
    spec = await attempts.begin(attempts.spec(sys.executable, "-u", "-c", script, **changes))
    async with asyncio.timeout(20):
        while not (Path(spec.directory) / "log").stat().st_size:
            await asyncio.sleep(0.01)
    return spec


def kill_runner(spec: AttemptSpec) -> Started:
    started = read_started(Path(spec.directory))
    assert started is not None
    os.kill(started.pid, signal.SIGKILL)
    return started


def alive(spec: AttemptSpec) -> list[int]:
    """Processes of an attempt."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("KUMO_ATTEMPT_DIRECTORY") == spec.directory:
                found.append(process.pid)
    return found


async def test_a_tree_whose_runner_was_killed_is_ended(attempts: Attempts) -> None:
    spec = await begin(attempts, _STUBBORN)
    started = kill_runner(spec)
    assert alive(spec)
    assert await asyncio.to_thread(clear_up, attempts.home, spec.run_id, 1, started)
    assert alive(spec) == []
    assert clear_up(attempts.home, spec.run_id, 1, started)  # there is nothing left to do


async def test_other_attempts_go_on(attempts: Attempts) -> None:
    waits = "import time\nprint('up')\ntime.sleep(300)"
    first, second = await begin(attempts, waits), await begin(attempts, waits)
    assert await asyncio.to_thread(clear_up, attempts.home, first.run_id, 1, kill_runner(first))
    assert (len(alive(first)), len(alive(second))) == (0, 1)
    attempts.dispatcher.stop(Path(second.directory))
    await attempts.end(second)


async def test_values_in_files_are_removed(attempts: Attempts) -> None:
    waits = "import time\nprint('up')\ntime.sleep(300)"
    spec = await begin(attempts, waits, variable_files={"TOKEN": "s3cret"})
    assert (Path(spec.directory) / "variables" / "TOKEN").read_text() == "s3cret"
    clear_up(attempts.home, spec.run_id, 1, kill_runner(spec))
    assert not (Path(spec.directory) / "variables").exists()


async def test_the_newest_part_of_a_long_log_is_appended(attempts: Attempts) -> None:
    prints = "import time\nfor n in range(1, 100_001): print(n)\nprint('up')\ntime.sleep(300)"
    spec = await begin(attempts, prints, log_bytes=64 << 10)
    directory = Path(spec.directory)
    async with asyncio.timeout(30):
        while not tail_ends_with(directory, b"up\n"):
            await asyncio.sleep(0.02)
    clear_up(attempts.home, spec.run_id, 1, kill_runner(spec))
    log = (directory / "log").read_bytes()
    assert log.startswith(b"1\n2\n3\n")
    assert log.endswith(b"99999\n100000\nup\n")
    assert b"of output were left out here" in log
    assert not list(directory.glob("log.tail.*"))
    entries = list(INDEX_ENTRY.iter_unpack((directory / "log.index").read_bytes()))
    assert all(log.count(b"\n", 0, offset) == lines for offset, _milliseconds, lines in entries)
    assert entries == sorted(entries)
    assert clear_up(attempts.home, spec.run_id, 1, Started(pid=1, process_start=0, boot_id="", started_at=0.0))
    assert (directory / "log").read_bytes() == log
