"""`kill -9` of the server: what runs goes on, is found again, and was started once."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.api import (
    bring_project,
    ended,
    log_of,
    make_task,
    outputs_of,
    request_run,
    show_run,
    until,
)
from tests.server import KumoServer

pytestmark = pytest.mark.acceptance

# The witness is the script: it records its own start, and at its end what it has printed.
WITNESS = """
import hashlib, json, os, time

out, run = os.environ["OUTPUT_DIR"], os.environ["KUMO_RUN_ID"]

def record(name, **facts):
    line = json.dumps({"run": int(run), "pid": os.getpid(), "at": time.time(), **facts}) + "\\n"
    descriptor = os.open(os.path.join(out, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)
"""
NUMBERS = (
    WITNESS
    + """
record("starts")
digest, number = hashlib.sha256(), 0
while not os.path.exists(os.path.join(out, "enough-" + run)):
    number += 1
    line = f"run {run} line {number}: {'x' * (number % 70)}"
    digest.update(line.encode() + b"\\n")
    print(line)
    if number == 20:
        record("well-on-its-way")
    time.sleep(0.02)
record("ends", lines=number, sha256=digest.hexdigest())
"""
)
STUBBORN = (
    WITNESS
    + """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for kind in ("child", "daemon"):
    if os.fork() == 0:
        if kind == "daemon":
            os.setsid()
            if os.fork():
                os._exit(0)
        record("starts", kind=kind)
        while True:
            time.sleep(60)
record("starts", kind="script")
while True:
    time.sleep(60)
"""
)
FILES = {"numbers.py": NUMBERS, "stubborn.py": STUBBORN}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KumoServer]:
    """One server, which the tests kill and start again."""
    with KumoServer(tmp_path_factory.mktemp("killed") / "home") as started:
        yield started


def records(folder: Path, name: str) -> list[dict[str, Any]]:
    path = folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def survivors(processes: list[dict[str, Any]]) -> list[int]:
    return [one["pid"] for one in processes if psutil.pid_exists(one["pid"])]


def stubborn_processes(folder: Path) -> list[dict[str, Any]]:
    return until(lambda: found if len(found := records(folder, "starts")) == 3 else None, what="the script's processes")


def test_ten_runs_outlive_their_server_and_each_was_started_once(server: KumoServer) -> None:
    project_id = bring_project(server, "numbers", FILES)
    folder = outputs_of(server, project_id)
    task_id = make_task(server, project_id, "python numbers.py", overlap="allow")
    run_ids = [request_run(server, task_id) for _ in range(10)]
    until(lambda: len(records(folder, "well-on-its-way")) == 10, what="ten runs well on their way")

    server.kill()
    end_while_dead, end_afterwards = run_ids[:5], run_ids[5:]
    for run_id in end_while_dead:
        (folder / f"enough-{run_id}").touch()
    until(lambda: len(records(folder, "ends")) == 5, what="five ends while there is no server")
    server.start()

    for run_id in end_while_dead:
        assert ended(server, run_id)["state"] == "succeeded"
    assert [show_run(server, run_id)["state"] for run_id in end_afterwards] == ["running"] * 5
    for run_id in end_afterwards:
        (folder / f"enough-{run_id}").touch()
    for run_id in end_afterwards:
        run = ended(server, run_id)
        assert (run["state"], run["exit_code"], run["attempt"]) == ("succeeded", 0, 1)

    assert Counter(start["run"] for start in records(folder, "starts")) == Counter(run_ids)
    printed = {end["run"]: end for end in records(folder, "ends")}
    for run_id in run_ids:
        log = log_of(server, run_id)
        assert log.count(b"\n") == printed[run_id]["lines"]
        assert hashlib.sha256(log).hexdigest() == printed[run_id]["sha256"]


def test_runs_that_were_only_accepted_run_once_all_the_same(server: KumoServer) -> None:
    """Killed right after the answers, the server has queued runs, runs on their way to a runner, and running ones."""
    project_id = bring_project(server, "accepted", FILES)
    folder = outputs_of(server, project_id)
    one_by_one = make_task(server, project_id, "python numbers.py", overlap="queue", name="one by one")
    at_once = make_task(server, project_id, "python numbers.py", overlap="allow", name="at once")
    run_ids = []
    for task_id in [one_by_one, at_once] * 3:
        run_ids.append(request_run(server, task_id))
        (folder / f"enough-{run_ids[-1]}").touch()
    server.kill()
    server.start()
    assert {ended(server, run_id)["state"] for run_id in run_ids} == {"succeeded"}
    assert Counter(start["run"] for start in records(folder, "starts")) == Counter(run_ids)


def test_a_stop_asked_for_after_the_restart_ends_the_whole_tree_in_time(server: KumoServer) -> None:
    project_id = bring_project(server, "stopped", FILES)
    run_id = request_run(server, make_task(server, project_id, "python stubborn.py", stop_grace_seconds=1))
    processes = stubborn_processes(outputs_of(server, project_id))
    server.kill()
    server.start()
    assert survivors(processes) == [one["pid"] for one in processes]

    asked_at = time.monotonic()
    assert server.client.post(f"/runs/{run_id}/stop").status_code == 202
    until(lambda: not survivors(processes), what="the end of all processes")
    assert time.monotonic() - asked_at < 1 + 2
    assert ended(server, run_id)["state"] == "stopped"


def test_a_timeout_holds_while_there_is_no_server(server: KumoServer) -> None:
    project_id = bring_project(server, "timed out", FILES)
    task_id = make_task(server, project_id, "python stubborn.py", timeout_seconds=2, stop_grace_seconds=1)
    run_id = request_run(server, task_id)
    processes = stubborn_processes(outputs_of(server, project_id))
    server.kill()
    until(lambda: not survivors(processes), what="the end of all processes")
    assert time.time() - min(one["at"] for one in processes) < 2 + 1 + 2
    server.start()
    run = ended(server, run_id)
    assert run["state"] == "timed_out"
    assert "2 seconds" in run["reason"]
