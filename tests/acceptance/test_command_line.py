"""`kumo run`, `logs`, `stop` and their kin against a server on the same machine, without any address or token."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
import time

import pytest

from tests.server import KumoServer

pytestmark = pytest.mark.acceptance

GREETING = "import sys\nprint('hello', flush=True)\nsys.exit(3)\n"
ENDLESS = "import time\nprint('on and on', flush=True)\ntime.sleep(600)\n"


def _make_task(server: KumoServer, name: str, source: str) -> int:
    project = server.client.post("/projects", json={"name": name}).json()["id"]
    saved = server.client.put(f"/projects/{project}/files/main.py", json={"content": source})
    assert saved.is_success, saved.text
    made = server.client.post("/tasks", json={"name": name, "project_id": project, "command": "python main.py"})
    assert made.is_success, made.text
    return int(made.json()["id"])


def test_run_follow_prints_the_log_and_leaves_with_the_script_s_exit_code(shared_server: KumoServer) -> None:
    _make_task(shared_server, "greeting", GREETING)
    followed = shared_server.run_command("run", "greeting", "--follow")
    assert (followed.returncode, followed.stdout, followed.stderr) == (3, "hello\n", "")
    assert stat.S_IMODE((shared_server.home / "cli-token").stat().st_mode) == 0o600

    [run] = json.loads(shared_server.run_command("runs", "--task", "greeting", "--json").stdout)
    assert (run["state"], run["exit_code"]) == ("failed", 3)
    assert shared_server.run_command("logs", str(run["id"])).stdout == "hello\n"
    assert shared_server.run_command("logs", str(run["id"]), "-f").stdout == "hello\n"
    assert "greeting" in shared_server.run_command("task", "list").stdout


def test_run_wait_leaves_with_the_script_s_exit_code(shared_server: KumoServer) -> None:
    task_id = _make_task(shared_server, "waiting", GREETING)
    waited = shared_server.run_command("run", str(task_id), "--wait", "--json")
    assert waited.returncode == 3
    assert json.loads(waited.stdout)["state"] == "failed"


def test_stop_ends_a_run(shared_server: KumoServer) -> None:
    _make_task(shared_server, "endless", ENDLESS)
    run_id = json.loads(shared_server.run_command("run", "endless", "--json").stdout)["id"]
    stopped = shared_server.run_command("stop", str(run_id))
    assert (stopped.returncode, stopped.stdout) == (0, f"Run {run_id} is stopped.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "nothing"), "There is no task named 'nothing'"),
        (("run", "9999"), "Task 9999 does not exist"),
        (("logs", "9999"), "Run 9999 does not exist"),
        (("logs", "9999", "-f"), "Run 9999 does not exist"),
        (("stop", "9999"), "Run 9999 does not exist"),
    ],
)
def test_what_does_not_exist_is_one_sentence(shared_server: KumoServer, arguments: tuple[str, ...], words: str) -> None:
    refused = shared_server.run_command(*arguments)
    assert refused.returncode == 1
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_revoked_token_of_this_machine_is_made_anew(shared_server: KumoServer) -> None:
    shared_server.run_command("runs")
    for token in shared_server.client.get("/tokens").json()["items"]:
        if token["name"] == "command line on this machine":
            shared_server.client.delete(f"/tokens/{token['id']}")
    assert shared_server.run_command("runs").returncode == 0


def test_doctor_finds_the_running_server(shared_server: KumoServer) -> None:
    findings = json.loads(shared_server.run_command("doctor", "--json").stdout)
    assert {f"runs at {shared_server.url} (process {shared_server.pid})"} & {finding["found"] for finding in findings}


def test_following_outlasts_a_restart_of_the_server(server: KumoServer) -> None:
    _make_task(server, "patient", "import time\nprint('one', flush=True)\ntime.sleep(4)\nprint('two', flush=True)\n")
    following = subprocess.Popen(
        [sys.executable, "-m", "kumo", "run", "patient", "--follow"],
        env=server.environment() | {"KUMO_HOME": str(server.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    assert following.stdout.readline() == "one\n"
    port = server.port
    server.stop()
    server.start(port=port)
    rest, said = following.communicate(timeout=60)
    assert (rest, said, following.returncode) == ("two\n", "", 0)


def test_a_server_ends_at_once_though_somebody_watches(server: KumoServer) -> None:
    opened = threading.Event()
    heard: list[str] = []

    def watch() -> None:
        with server.client.stream("GET", "/events") as response:
            for line in response.iter_lines():
                heard.append(line)
                opened.set()

    watching = threading.Thread(target=watch)
    watching.start()
    assert opened.wait(10)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 4, "the server waited for the stream"
    watching.join(10)
    assert not watching.is_alive()
    assert "Traceback" not in server.log()
    assert not (server.home / "server.json").exists()
