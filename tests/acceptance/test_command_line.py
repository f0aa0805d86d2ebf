"""`kumo run`, `logs`, `stop` and their kin against a server on the same machine, without any address or token."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import kumo
from tests.postgres import PostgresServer
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


def test_run_passes_parameters_on(shared_server: KumoServer) -> None:
    _make_task(shared_server, "parameters", "import os\nprint(os.environ['KUMO_PARAMETERS'])\n")
    given = ("--parameter", "n=5", "-p", "word=a=b", "-p", 'text="5"')
    told = shared_server.run_command("run", "parameters", *given, "--follow")
    assert json.loads(told.stdout) == {"n": 5, "word": "a=b", "text": "5"}
    wrong = shared_server.run_command("run", "parameters", "-p", "n")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "write it as NAME=VALUE" in wrong.stderr


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


def test_status_tells_what_the_server_does(server: KumoServer) -> None:
    _make_task(server, "endless", ENDLESS)
    quiet = server.run_command("status")
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert quiet.stdout.splitlines() == [
        f"Kumo {kumo.__version__} runs at {server.url} (process {server.pid}).",
        f"Runs: 0 going, 0 queued; at most {server.client.get('/system/info').json()['max_parallel_runs']} go at once.",
        "Next due: nothing.",
        "Background duties: all well since the start.",
    ]
    task_id = server.client.get("/tasks").json()["items"][0]["id"]
    trigger = {"type": "date", "at": "2120-01-01T00:00:00Z"}
    fields = {"triggers": [trigger], "overlap": "queue", "max_parallel": 1}
    assert server.client.patch(f"/tasks/{task_id}", json=fields).is_success
    for _ in range(3):
        server.client.post(f"/tasks/{task_id}/run")
    while server.client.get("/dashboard").json()["running"] == 0:
        time.sleep(0.05)
    busy = server.run_command("status", "--json")
    assert (busy.returncode, busy.stderr) == (0, "")
    told = json.loads(busy.stdout)
    assert (told["running"], told["url"], told["pid"], told["health"]) == (True, server.url, server.pid, "ok")
    assert (told["version"], told["home"]) == (kumo.__version__, str(server.home))
    assert (told["running_runs"], told["queued_runs"]) == (1, 2)
    assert {loop["name"] for loop in told["loops"]} >= {"supervisor", "scheduler", "builder", "access"}
    assert told["next_due"] == {"task_id": task_id, "task_name": "endless", "due_at": "2120-01-01T00:00:00.000Z"}
    assert "Next due: 'endless' at 2120-01-01T00:00:00.000Z." in server.run_command("status").stdout

    server.kill()
    assert server.run_command("status").returncode == 1
    server.start()
    server.stop()
    stopped = server.run_command("status")
    assert (stopped.returncode, stopped.stdout) == (1, "")
    assert stopped.stderr.startswith(f"kumo: No Kumo is running on {server.home}.")


def test_status_of_a_server_without_an_account(tmp_path: Path) -> None:
    with KumoServer(tmp_path / "home", account=False) as server:
        told = server.run_command("status")
        assert (told.returncode, told.stderr) == (0, "")
        assert told.stdout.splitlines() == [
            f"Kumo runs at {server.url} (process {server.pid}).",
            "Kumo has no account yet. Open its setup link, or use: kumo user create NAME",
        ]
        for_programs = json.loads(server.run_command("status", "--json").stdout)
        assert (for_programs["running"], for_programs["health"], for_programs["version"]) == (True, "ok", None)


def test_status_tells_what_has_failed(postgres: PostgresServer, tmp_path: Path) -> None:
    name = postgres.create_database()
    with KumoServer(tmp_path / "home", KUMO_DATABASE_URL=postgres.url(name)) as server:
        assert server.run_command("status").returncode == 0
        postgres.refuse_connections(name)
        while "the database does not answer" not in server.log():
            time.sleep(0.05)
        away = server.run_command("status")
        assert (away.returncode, away.stdout, away.stderr.count("\n")) == (1, "", 1)
        assert "The database does not answer just now." in away.stderr
        postgres.accept_connections(name)
        while server.client.get("/health").status_code != 200:
            time.sleep(0.05)
        told = server.run_command("status")
        assert told.returncode == 0
        assert "The supervisor has failed" in told.stdout
        assert "The database does not answer: " in told.stdout
    postgres.drop_database(name)


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
