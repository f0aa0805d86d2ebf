"""Limits by sampling, on real processes."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from kumo.runner.contract import read_started
from tests.runner.conftest import Attempts
from tests.runner.test_attempt import processes_with

MIB = 1 << 20
BUSY = "import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"


async def test_a_script_that_uses_too_much_memory_is_ended_at_once_with_all_it_started(attempts: Attempts) -> None:
    eat = (
        "import signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen(['sleep', '100741'])\n"
        "blocks = []\n"
        "while True: blocks.append(b'x' * 5_000_000); time.sleep(0.01)\n"
    )
    began = time.monotonic()
    result, log = await attempts.run(sys.executable, "-c", eat, memory_bytes=100 * MIB, stop_grace_seconds=60.0)
    assert (result.outcome, result.exit_code, result.limits_by) == ("limit", -signal.SIGKILL, "sampling")
    assert result.reason is not None
    used = re.fullmatch(r"Ended because it used (\d+) MiB of 100 MiB of memory\.", result.reason)
    assert used is not None
    assert 100 < int(used[1]) < 250
    assert log == f"[kumo] {result.reason}\n".encode()
    assert time.monotonic() - began < 10
    assert not processes_with("100741")


async def test_memory_is_that_of_all_processes_together(attempts: Attempts) -> None:
    eat = "b = b'x' * 50_000_000; import time; time.sleep(60)"
    script = f'for i in 1 2 3; do {sys.executable} -c "{eat}" & done; wait'
    result, _log = await attempts.run("sh", "-c", script, memory_bytes=120 * MIB)
    assert result.outcome == "limit"


async def test_memory_that_forked_processes_share_counts_once(attempts: Attempts) -> None:
    share = (
        "import os, time\n"
        "block = b'x' * 60_000_000\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(1)\n"
        "        os._exit(0)\n"
        "for _ in range(5): os.wait()\n"
    )
    result, _log = await attempts.run(sys.executable, "-c", share, memory_bytes=150 * MIB)
    assert (result.outcome, result.exit_code) == ("exited", 0)
    assert result.peak_memory_bytes > 150 * MIB  # the plain sum, in which shared pages count for each


async def test_a_script_keeps_to_its_part_of_the_cpu(attempts: Attempts) -> None:
    result, _log = await attempts.run(sys.executable, "-c", BUSY.format(seconds=3), cpu_percent=30)
    assert (result.outcome, result.exit_code, result.limits_by) == ("exited", 0, "sampling")
    percent = 100 * result.cpu_seconds / (result.ended_at - result.started_at)
    assert 10 < percent < 36


async def test_all_processes_share_one_part_of_the_cpu(attempts: Attempts) -> None:
    busy = "import subprocess, sys\nps = [subprocess.Popen([sys.executable, '-c', sys.argv[1]]) for _ in range(3)]\n"
    busy += "for p in ps: p.wait()"
    result, _log = await attempts.run(sys.executable, "-c", busy, BUSY.format(seconds=3), cpu_percent=40)
    percent = 100 * result.cpu_seconds / (result.ended_at - result.started_at)
    assert 15 < percent < 50


async def test_a_script_that_is_held_back_can_be_asked_to_stop(attempts: Attempts) -> None:
    tidy = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('tidied'), sys.exit(5)))\n"
        "print('up', flush=True)\n"
        "while True: pass\n"
    )
    spec = attempts.spec(sys.executable, "-c", tidy, cpu_percent=2, stop_grace_seconds=20.0)
    await attempts.begin(spec)
    async with asyncio.timeout(20):
        while not (Path(spec.directory) / "log").stat().st_size:
            await asyncio.sleep(0.02)
    await until_stopped(spec.directory)
    began = time.monotonic()
    attempts.dispatcher.stop(Path(spec.directory))
    result = await attempts.end(spec)
    assert (result.outcome, result.exit_code) == ("stopped", 5)
    assert (Path(spec.directory) / "log").read_bytes() == b"up\ntidied\n"
    assert time.monotonic() - began < 5


async def test_a_script_that_is_held_back_still_has_its_timeout(attempts: Attempts) -> None:
    result, _log = await attempts.run(sys.executable, "-c", BUSY.format(seconds=60), cpu_percent=1, timeout_seconds=1)
    assert (result.outcome, result.exit_code) == ("timed_out", -signal.SIGTERM)
    assert result.ended_at - result.started_at < 2.5


async def test_too_many_processes_end_the_script(attempts: Attempts) -> None:
    script = "for i in 1 2 3 4 5 6; do sleep 100742 & done; wait"
    result, _log = await attempts.run("sh", "-c", script, processes=6)
    assert (result.outcome, result.limits_by) == ("limit", "sampling")
    assert result.reason == "Ended because it started 7 of 6 processes allowed."
    assert not processes_with("100742")


async def test_as_many_processes_as_are_allowed_may_be_started(attempts: Attempts) -> None:
    result, _log = await attempts.run("sh", "-c", "for i in 1 2 3 4; do sleep 0.5 & done; wait", processes=5)
    assert (result.outcome, result.exit_code) == ("exited", 0)


# Each process starts two more and ends, so that nobody to kill stays for long; the first is gone at once. Should the
# runner fail to end it, it ends at a thousand processes.
BOMB = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _generation in range(10):
    if os.fork() and os.fork():
        time.sleep(0.02)
        os._exit(0)
    {change_group}
time.sleep(15)
"""


@pytest.mark.parametrize("change_group", ["pass", "os.setsid()"])
async def test_a_fork_bomb_is_ended(attempts: Attempts, change_group: str) -> None:
    bomb = BOMB.format(change_group=change_group)
    began = time.monotonic()
    result, _log = await attempts.run(sys.executable, "-c", bomb, "bomb-100743", processes=30)
    assert time.monotonic() - began < 10
    assert result.outcome == "limit"
    assert not processes_with("bomb-100743")


async def test_a_daemon_that_starts_itself_anew_all_the_time_is_ended_too(attempts: Attempts) -> None:
    chain = """
import os, time
end = time.monotonic() + 15
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
"""
    began = time.monotonic()
    result, _log = await attempts.run(sys.executable, "-c", chain, "chain-100744", stop_grace_seconds=0.1)
    assert time.monotonic() - began < 8
    assert (result.outcome, result.exit_code) == ("exited", 0)
    assert not processes_with("chain-100744")


async def test_without_limits_nothing_holds_the_script(attempts: Attempts) -> None:
    result, _log = await attempts.run("true", log_bytes=1 << 20)
    assert result.limits_by is None


async def until_stopped(directory: str) -> None:
    """Wait until the attempt's script has been sent SIGSTOP."""
    async with asyncio.timeout(10):
        while True:
            for process in psutil.process_iter(["status", "ppid", "pid"]):
                if process.info["status"] == psutil.STATUS_STOPPED and _runner_of(directory) == process.info["ppid"]:
                    return
            await asyncio.sleep(0.005)


def _runner_of(directory: str) -> int:
    started = read_started(Path(directory))
    assert started is not None
    return started.pid
