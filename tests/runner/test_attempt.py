from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from kumo.runner.contract import (
    INDEX_ENTRY,
    Started,
    claim,
    read_result,
    read_started,
    request_stop,
    runner_is_alive,
)
from tests.runner.conftest import Attempts


def processes_with(word: str) -> list[psutil.Process]:
    """Every living process that has the word among its arguments."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE and word in (process.info["cmdline"] or [])
    ]


async def test_the_exit_code_and_every_byte_of_both_streams_are_kept(attempts: Attempts) -> None:
    result, log = await attempts.run("sh", "-c", "printf 'out\\n'; printf 'err\\n' >&2; printf '\\000\\377'; exit 3")

    assert (result.outcome, result.exit_code) == ("exited", 3)
    assert log == b"out\nerr\n\x00\xff"
    assert result.log_bytes == len(log)


async def test_a_script_that_a_signal_ends_has_its_number(attempts: Attempts) -> None:
    result, _log = await attempts.run("sh", "-c", "kill -SEGV $$")
    assert (result.outcome, result.exit_code) == ("exited", -signal.SIGSEGV)


async def test_a_command_that_does_not_exist_says_so_in_result_and_log(attempts: Attempts) -> None:
    result, log = await attempts.run("no-such-command")
    assert result.exit_code == 127
    assert result.reason == "The command 'no-such-command' was not found, neither in the environment nor on PATH."
    assert result.reason.encode() in log


async def test_a_working_directory_that_is_gone_is_named(attempts: Attempts) -> None:
    result, _log = await attempts.run("true", working_directory="/nowhere/at/all")
    assert result.exit_code == 127
    assert result.reason == "The working directory /nowhere/at/all does not exist."


async def test_a_file_that_cannot_be_executed_says_why(attempts: Attempts) -> None:
    script = attempts.home / "broken"
    script.write_text("no shebang, no binary")
    script.chmod(0o755)
    result, _log = await attempts.run(str(script))
    assert result.exit_code == 126
    assert result.reason is not None
    assert "cannot be started" in result.reason


async def test_the_script_sees_only_the_environment_it_is_given(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUMO_SECRET_KEY", "must not be seen")
    spec = attempts.spec("env", environment={"PATH": "/usr/bin:/bin", "GREETING": "ni hao 你好"})
    await attempts.begin(spec)
    await attempts.end(spec)
    seen = set((Path(spec.directory) / "log").read_text("utf-8").splitlines())
    assert seen == {"PATH=/usr/bin:/bin", "GREETING=ni hao 你好", f"KUMO_ATTEMPT_DIRECTORY={spec.directory}"}


async def test_standard_input_is_empty(attempts: Attempts) -> None:
    result, log = await attempts.run("cat")
    assert (result.exit_code, log) == (0, b"")


async def test_signals_are_as_a_program_expects_them(attempts: Attempts) -> None:
    _result, log = await attempts.run("grep", "-E", "SigIgn|SigBlk", "/proc/self/status")
    reserved = 0b11 << 31  # signals 32 and 33 are the C library's own
    assert [int(line.split()[1], 16) & ~reserved for line in log.decode().splitlines()] == [0, 0]


async def test_a_million_lines_arrive_whole_and_indexed(attempts: Attempts) -> None:
    spec = attempts.spec("seq", "1", "1000000")
    await attempts.dispatcher.launch(spec)
    result = await attempts.end(spec)

    expected = "".join(f"{n}\n" for n in range(1, 1_000_001)).encode()
    log = (Path(spec.directory) / "log").read_bytes()
    assert result.exit_code == 0
    assert log == expected
    entries = list(INDEX_ENTRY.iter_unpack((Path(spec.directory) / "log.index").read_bytes()))
    assert len(entries) > 5
    assert all(expected.count(b"\n", 0, offset) == line for offset, _milliseconds, line in entries)


async def test_the_timeout_ends_a_script_that_ignores_the_request(attempts: Attempts) -> None:
    began = time.monotonic()
    result, log = await attempts.run(
        "sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 100731; done", timeout_seconds=0.5
    )
    assert (result.outcome, result.exit_code, log) == ("timed_out", -signal.SIGKILL, b"deaf\n")
    assert 1.4 < time.monotonic() - began < 4
    assert not processes_with("100731")


async def test_a_script_may_use_its_grace_to_tidy_up(attempts: Attempts) -> None:
    tidy = "trap 'echo tidied; exit 5' TERM; echo up; while :; do sleep 0.05; done"
    result, log = await attempts.run("sh", "-c", tidy, timeout_seconds=0.5)
    assert (result.outcome, result.exit_code) == ("timed_out", 5)
    assert log.endswith(b"tidied\n")  # the shell may remark on its own child before


async def test_a_stop_ends_the_whole_tree_daemons_included(attempts: Attempts) -> None:
    daemons = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "100732"])
        os._exit(0)
print("up", flush=True)
time.sleep(1000)
"""
    spec = attempts.spec(sys.executable, "-c", daemons)
    await attempts.begin(spec)
    async with asyncio.timeout(10):
        while len(processes_with("100732")) < 3:
            await asyncio.sleep(0.02)
    began = time.monotonic()
    attempts.dispatcher.stop(Path(spec.directory))
    result = await attempts.end(spec)

    assert result.outcome == "stopped"
    assert time.monotonic() - began < 1 + 2
    assert not processes_with("100732")


async def test_a_stop_asked_for_by_file_alone_is_obeyed(attempts: Attempts) -> None:
    spec = await attempts.begin(attempts.spec("sleep", "100733"))
    request_stop(Path(spec.directory))
    assert (await attempts.end(spec)).outcome == "stopped"


async def test_a_stop_that_comes_before_the_start_prevents_it(attempts: Attempts) -> None:
    spec = attempts.spec("sh", "-c", "echo never")
    request_stop(Path(spec.directory))
    await attempts.dispatcher.launch(spec)
    result = await attempts.end(spec)
    assert (result.outcome, result.exit_code) == ("stopped", None)
    assert (Path(spec.directory) / "log").read_bytes() == b""


async def test_what_a_script_leaves_behind_ends_with_it(attempts: Attempts) -> None:
    result, log = await attempts.run("sh", "-c", "setsid sleep 100734 & echo done")
    assert (result.outcome, result.exit_code) == ("exited", 0)
    assert log == b"done\n[kumo] The script left 1 process behind, which are ended now.\n"
    assert not processes_with("100734")


async def test_an_attempt_launched_twice_starts_once(attempts: Attempts) -> None:
    spec = attempts.spec("sh", "-c", "echo started >> starts; sleep 0.3")
    for _ in range(5):
        await attempts.dispatcher.launch(spec)
    await attempts.end(spec)
    await attempts.dispatcher.launch(spec)
    # A further attempt ends after the runners that came too late have left.
    await attempts.run("true")
    assert (attempts.home / "starts").read_text() == "started\n"


async def test_a_marker_is_taken_by_one_only(tmp_path: Path) -> None:
    started = Started(pid=os.getpid(), process_start=1, boot_id="b", started_at=1.0)
    first = claim(str(tmp_path), started)
    second = claim(str(tmp_path), started)
    assert first is not None
    assert second is None
    assert runner_is_alive(tmp_path)
    os.close(first)
    assert not runner_is_alive(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["started.json"]


async def test_runners_go_on_when_the_zygote_and_its_server_are_gone(attempts: Attempts) -> None:
    spec = await attempts.begin(attempts.spec("sh", "-c", "sleep 1; echo still here; exit 4"))
    await attempts.dispatcher.close()
    async with asyncio.timeout(10):
        while read_result(Path(spec.directory)) is None:
            await asyncio.sleep(0.05)
    result = read_result(Path(spec.directory))
    assert result is not None
    assert (result.exit_code, (Path(spec.directory) / "log").read_bytes()) == (4, b"still here\n")


async def test_a_new_zygote_takes_over_when_one_was_killed(attempts: Attempts) -> None:
    await attempts.run("true")
    process = attempts.dispatcher._zygote._process
    assert process is not None
    process.kill()
    await process.wait()
    result, _log = await attempts.run("sh", "-c", "exit 6")
    assert result.exit_code == 6


async def test_a_killed_runner_leaves_a_marker_that_nobody_holds(attempts: Attempts) -> None:
    spec = await attempts.begin(attempts.spec("sleep", "100735"))
    directory = Path(spec.directory)
    started = read_started(directory)
    assert started is not None
    assert runner_is_alive(directory)
    os.kill(started.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        while runner_is_alive(directory):
            await asyncio.sleep(0.02)
    assert read_result(directory) is None
    for left in processes_with("100735"):
        left.kill()


async def test_peaks_and_cpu_time_are_those_of_the_tree(attempts: Attempts) -> None:
    eat = (
        "import time\n"
        "block = b'x' * 150_000_000\n"
        "end = time.process_time() + 0.5\n"
        "while time.process_time() < end: pass"
    )
    result, _log = await attempts.run(sys.executable, "-c", eat)
    assert result.peak_memory_bytes > 150_000_000
    assert 0.5 <= result.cpu_seconds < 2
    assert result.peak_cpu_percent > 20
