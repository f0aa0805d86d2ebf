from __future__ import annotations

import os
import signal
from pathlib import Path

from kumo.runner.contract import VARIABLES, read_started
from kumo.runner.variables import remove_variables
from tests.runner.conftest import Attempts

LONG = "héllo\n" * 50_000


async def test_a_script_finds_each_variable_in_a_file_of_its_own(attempts: Attempts) -> None:
    spec = attempts.spec("sh", "-c", 'cd "$D"; stat -c "%n %a" . *; cat B', variable_files={"A": "", "B": LONG})
    spec.environment["D"] = f"{spec.directory}/{VARIABLES}"
    await attempts.dispatcher.launch(spec)
    result = await attempts.end(spec)
    assert result.exit_code == 0
    assert (Path(spec.directory) / "log").read_text() == ". 700\nA 600\nB 600\n" + LONG
    assert not (Path(spec.directory) / VARIABLES).exists()


async def test_variables_are_removed_with_whatever_lies_beside_them_when_the_script_fails(attempts: Attempts) -> None:
    spec = attempts.spec("sh", "-c", 'mkdir "$D/deep"; touch "$D/deep/x"; kill -9 $$', variable_files={"A": "1"})
    spec.environment["D"] = f"{spec.directory}/{VARIABLES}"
    await attempts.dispatcher.launch(spec)
    assert (await attempts.end(spec)).exit_code == -signal.SIGKILL
    assert not (Path(spec.directory) / VARIABLES).exists()


async def test_variables_are_removed_when_the_script_cannot_be_started(attempts: Attempts) -> None:
    spec = attempts.spec("no-such-command", variable_files={"A": "1"})
    await attempts.dispatcher.launch(spec)
    assert (await attempts.end(spec)).exit_code == 127
    assert not (Path(spec.directory) / VARIABLES).exists()


async def test_a_variable_that_cannot_be_a_file_keeps_the_script_from_starting(attempts: Attempts) -> None:
    result, log = await attempts.run("echo", "started", variable_files={"../A": "secret"})
    assert (result.exit_code, result.reason) == (
        126,
        "Its variables could not be written to files: it would lie outside of their directory.",
    )
    assert log == f"[kumo] {result.reason}\n".encode()


async def test_what_a_killed_runner_left_can_be_removed(attempts: Attempts) -> None:
    spec = await attempts.begin(attempts.spec("sleep", "2", variable_files={"A": "secret"}))
    started = read_started(Path(spec.directory))
    assert started is not None
    os.kill(started.pid, signal.SIGKILL)
    assert (Path(spec.directory) / VARIABLES / "A").read_text() == "secret"
    remove_variables(spec.directory)
    remove_variables(spec.directory)
    assert not (Path(spec.directory) / VARIABLES).exists()
