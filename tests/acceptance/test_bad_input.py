"""What is wrong, impossible or in the way: each time one sentence that says so, and nothing half-made."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.api import (
    assert_sentence,
    bring_project,
    built,
    ended,
    error_of,
    log_of,
    make_task,
    outputs_of,
    request_run,
    run_to_end,
    show_run,
    until,
    zip_of,
)
from tests.environments.package_index import PackageIndex, serve_packages
from tests.projects.packing import tar_info, tar_of
from tests.rights import close, mounted
from tests.server import KumoServer

pytestmark = pytest.mark.acceptance

MIB = 1 << 20
GOOD = zip_of({"main.py": "print('fine')\n"})


@pytest.fixture(scope="module")
def package_index() -> Iterator[PackageIndex]:
    """An index with one package."""
    with serve_packages() as index:
        index.add_wheel("water", "1.0")
        yield index


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_index: PackageIndex) -> Iterator[KumoServer]:
    """A server that builds from the test's index."""
    home = tmp_path_factory.mktemp("bad") / "home"
    with KumoServer(home, KUMO_PACKAGE_INDEX_URL=package_index.url, UV_NO_CONFIG="1") as started:
        yield started


@pytest.fixture(scope="module")
def project_id(server: KumoServer) -> int:
    """A project whose scripts are of no interest."""
    return bring_project(server, "ordinary", {"main.py": "print('fine')\n"})


# --- archives --------------------------------------------------------------------------------------------------------

ARCHIVES = {
    "a text that is called zip": ("a.zip", b"this is no archive\n" * 20),
    "an empty file": ("a.zip", b""),
    "a zip cut in the middle": ("a.zip", zip_of({"main.py": random.Random(1).randbytes(5000)})[:3000]),  # noqa: S311 - the same each time
    "a tar cut in the middle": ("a.tar.gz", tar_of(("main.py", random.Random(1).randbytes(5000)))[:3000]),  # noqa: S311
    "a zip that leads upwards": ("a.zip", zip_of({"main.py": "", "../../evil.py": "x"})),
    "a zip with an absolute path": ("a.zip", zip_of({"/tmp/kumo-evil.py": "x"})),  # noqa: S108 - must not be written
    "a tar with a link to the outside": (
        "a.tar.gz",
        tar_of((tar_info("passwd", tarfile.SYMTYPE, target="/etc/passwd"), b""), ("main.py", b"")),
    ),
    "a tar with a device": ("a.tar", tar_of((tar_info("null", tarfile.CHRTYPE), b""), ("main.py", b""), mode="w")),
    "a zip bomb": ("a.zip", zip_of({"zeros": bytes(64 * MIB)})),
    "a zip with no files": ("a.zip", zip_of({})),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_broken_or_hostile_archive_is_refused_and_leaves_nothing(server: KumoServer, kind: str) -> None:
    before = sorted(server.home.glob("store/**/*"))
    answer = server.client.post("/projects", files={"file": ARCHIVES[kind]}, data={"name": "evil"})
    error_of(answer, 422, "validation_error")
    assert server.client.get("/projects", params={"q": "evil"}).json()["items"] == []
    assert sorted(server.home.glob("store/**/*")) == before
    assert not list(server.home.parent.glob("**/evil.py"))
    assert not Path("/tmp/kumo-evil.py").exists()  # noqa: S108


def test_a_name_can_be_taken_once_only(server: KumoServer, project_id: int) -> None:
    again = server.client.post("/projects", files={"file": ("a.zip", GOOD)}, data={"name": "ordinary"})
    assert "ordinary" in error_of(again, 409, "conflict")
    task = {"name": "taken", "project_id": project_id, "command": "python main.py"}
    assert server.client.post("/tasks", json=task).status_code == 201
    assert "taken" in error_of(server.client.post("/tasks", json=task), 409, "conflict")
    environment = {"name": "taken", "packages": ["water"]}
    assert server.client.post("/environments", json=environment).status_code == 201
    assert "taken" in error_of(server.client.post("/environments", json=environment), 409, "conflict")


# --- environments that cannot be -------------------------------------------------------------------------------------


@pytest.mark.parametrize("python", ["3.99", ">=3.98", "snake", "2.7"])
def test_a_python_that_is_not_here_is_refused_at_once(server: KumoServer, python: str) -> None:
    answer = server.client.post("/environments", json={"name": "future", "python": python, "packages": []})
    assert python in error_of(answer, 422, "validation_error")
    assert answer.json()["error"]["details"][0]["field"] == "python"
    assert server.client.get("/environments", params={"q": "future"}).json()["items"] == []


def test_a_package_that_does_not_exist_is_named_by_the_build_and_by_the_run(
    server: KumoServer, project_id: int
) -> None:
    answer = server.client.post("/environments", json={"name": "fire", "packages": ["water", "fire"]})
    environment_id = answer.json()["id"]
    build = built(server, environment_id)
    assert build["state"] == "failed"
    assert build["error"] == "No package named “fire” is on the package index."
    log = server.client.get(f"/environments/{environment_id}/builds/{build['id']}/log").text
    assert build["error"] in log

    run = run_to_end(server, make_task(server, project_id, "python main.py", name="b", environment_id=environment_id))
    assert run["state"] == "failed"
    assert run["reason"] == f"Its environment could not be built: {build['error']}"
    assert run["attempts"] == []


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"requirements.txt": "fire\n"}, "No package named “fire”"),
        ({"requirements.txt": "water==9\n"}, "“water” has no version that fits ==9"),
        ({"requirements.txt": "water ==== 1\n"}, "line 1"),
        ({"pyproject.toml": "[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.99'\n"}, "3.99"),
        ({"pyproject.toml": "[project\n"}, "pyproject.toml"),
    ],
)
def test_what_a_project_declares_in_vain_is_said_by_its_run(
    server: KumoServer, files: dict[str, str | bytes], what: str
) -> None:
    number = len(server.client.get("/projects", params={"limit": 500}).json()["items"])
    project_id = bring_project(server, f"in vain {number}", {"main.py": "print('fine')\n", **files})
    run = run_to_end(server, make_task(server, project_id, "python main.py"))
    assert run["state"] == "failed"
    assert run["reason"].startswith("Its environment c")
    assert what in run["reason"]
    assert_sentence(run["reason"])


def test_a_package_index_out_of_reach_is_named(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        index_url = f"http://{address}/simple/"
        home = tmp_path / "home"
        with KumoServer(home, KUMO_PACKAGE_INDEX_URL=index_url, UV_HTTP_RETRIES="0", UV_NO_CONFIG="1") as server:
            answer = server.client.post("/environments", json={"name": "far", "packages": ["water"]})
            build = built(server, answer.json()["id"])
            assert build["state"] == "failed"
            sentence = f"The package index at {address} does not answer. Check its address and the network."
            assert build["error"] == sentence
            project_id = bring_project(server, "far", {"main.py": "", "requirements.txt": "water\n"})
            run = run_to_end(server, make_task(server, project_id, "python main.py"))
            assert run["reason"] == f"Its environment could not be built: {sentence}"
            # What needs no index goes on as ever.
            project_id = bring_project(server, "near", {"main.py": ""})
            assert run_to_end(server, make_task(server, project_id, "python main.py"))["state"] == "succeeded"


# --- tasks that cannot be --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trigger", "field"),
    [
        ({"type": "cron", "expression": "61 * * * *"}, "expression"),
        ({"type": "cron", "expression": "* * *"}, "expression"),
        ({"type": "cron", "expression": "0 0 31 2 *"}, "expression"),
        ({"type": "cron", "expression": ""}, "expression"),
        ({"type": "cron", "expression": "0 0 * * *", "timezone": "Europe/Atlantis"}, "timezone"),
        ({"type": "date", "at": "2020-01-01T00:00:00Z"}, "at"),
        ({"type": "date", "at": "2030-02-30T00:00:00Z"}, "at"),
        ({"type": "date", "at": "2030-01-01T00:00:00"}, "at"),
        ({"type": "interval", "seconds": 0}, "seconds"),
        ({"type": "interval", "seconds": -5}, "seconds"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused_by_field(
    server: KumoServer, project_id: int, trigger: dict[str, Any], field: str
) -> None:
    task = {"name": "never", "project_id": project_id, "command": "python main.py", "triggers": [trigger]}
    answer = server.client.post("/tasks", json=task)
    error_of(answer, 422, "validation_error")
    assert answer.json()["error"]["details"][0]["field"] == f"triggers.0.{field}"
    assert server.client.get("/tasks", params={"q": "never"}).json()["items"] == []


@pytest.mark.parametrize("command", ["", "   ", "python 'main.py", "python main.py | tee log", '""', "a\0b"])
def test_a_command_that_cannot_be_is_refused(server: KumoServer, project_id: int, command: str) -> None:
    answer = server.client.post("/tasks", json={"name": "never", "project_id": project_id, "command": command})
    error_of(answer, 422, "validation_error")
    assert answer.json()["error"]["details"][0]["field"] == "command"


def test_a_command_that_does_not_exist_fails_with_that_reason(server: KumoServer, project_id: int) -> None:
    run = run_to_end(server, make_task(server, project_id, "no-such-program --now"))
    assert (run["state"], run["exit_code"]) == ("failed", 127)
    assert "'no-such-program' was not found" in run["reason"]
    assert_sentence(run["reason"])
    assert run["reason"] in log_of(server, run["id"]).decode()


def test_output_of_any_bytes_is_kept_as_it_was_printed(server: KumoServer) -> None:
    printed = bytes(range(256)) * 300 + "ß ☁ 雲".encode("gb18030") + b"\xff\xfe\x00\x1b[31m\r\n no newline at the end"
    script = "import sys; sys.stdout.buffer.write(open('printed', 'rb').read())\n"
    project_id = bring_project(server, "bytes", {"main.py": script, "printed": printed})
    run = run_to_end(server, make_task(server, project_id, "python main.py"))
    assert run["state"] == "succeeded"
    assert log_of(server, run["id"]) == printed
    assert server.client.get(f"/runs/{run['id']}/log", params={"limit": 1 << 20}).content == printed
    streamed = server.client.get(f"/runs/{run['id']}/log/stream")
    assert streamed.status_code == 200
    assert "event: end" in streamed.content.decode("utf-8", "strict")


def test_what_is_in_use_is_not_deleted(server: KumoServer) -> None:
    project_id = bring_project(server, "in use", {"main.py": "import time\ntime.sleep(600)\n"})
    environment_id = server.client.post("/environments", json={"name": "in use", "packages": []}).json()["id"]
    task_id = make_task(server, project_id, "python main.py", name="user", environment_id=environment_id)
    run_id = request_run(server, task_id)
    until(lambda: show_run(server, run_id)["state"] == "running", what="a running script")

    of_project = error_of(server.client.delete(f"/projects/{project_id}"), 409, "conflict")
    of_environment = error_of(server.client.delete(f"/environments/{environment_id}"), 409, "conflict")
    of_task = error_of(server.client.delete(f"/tasks/{task_id}"), 409, "conflict")
    assert of_project == "Project 'in use' is used by the task 'user'. Delete it or move it first."
    it = "Environment 'in use' is used by the task 'user'."
    assert of_environment == f"{it} Delete it or give it another environment first."
    assert of_task == "Task 'user' has 1 run queued or going. Stop it first."
    assert show_run(server, run_id)["state"] == "running"

    server.client.post(f"/runs/{run_id}/stop")
    assert ended(server, run_id)["state"] == "stopped"
    for path in (f"/tasks/{task_id}", f"/environments/{environment_id}", f"/projects/{project_id}"):
        assert server.client.delete(path).status_code == 204


# --- starts that cannot be -------------------------------------------------------------------------------------------


def refused_start(
    home: Path, *options: str, prefix: tuple[str, ...] = (), variables: dict[str, str] | None = None
) -> str:
    """Start a server that must not start; its one sentence."""
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "kumo", "serve", "--home", str(home), *options],
        env=KumoServer(home).environment() | (variables or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    sentence: str
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("kumo: ")
    assert_sentence(sentence)
    return sentence


def test_a_port_in_use_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert f"127.0.0.1:{port}" in refused_start(tmp_path / "home", "--port", port)
    assert not (tmp_path / "home").exists()


def test_a_data_directory_without_rights_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    assert str(closed) in refused_start(closed, "--port", "0", prefix=close(closed))
    assert list(closed.iterdir()) == []


def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("my notes")
    assert str(home) in refused_start(home, "--port", "0")
    assert home.read_text() == "my notes"


def test_a_database_that_is_none_is_left_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "home" / "kumo.db"
    database.parent.mkdir()
    database.write_text("my notes")
    assert "not a database" in refused_start(database.parent, "--port", "0")
    assert database.read_text() == "my notes"


def test_a_database_server_out_of_reach_is_named(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = closed.getsockname()[1]
        variables = {"KUMO_DATABASE_URL": f"postgresql://ada:hidden@127.0.0.1:{port}/kumo"}
        sentence = refused_start(tmp_path / "home", "--port", "0", variables=variables)
    assert str(port) in sentence
    assert "hidden" not in sentence


def test_a_second_server_on_the_directory_leaves_the_first_alone(server: KumoServer) -> None:
    assert f"process {server.pid}" in refused_start(server.home, "--port", "0")
    assert server.client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"KUMO_PORT": "abc"}, "KUMO_PORT"),
        ({"KUMO_PORT": "70000"}, "KUMO_PORT"),
        ({"KUMO_LOG_LEVEL": "loud"}, "KUMO_LOG_LEVEL"),
        ({"KUMO_DATABASE_URL": "mysql://x"}, "KUMO_DATABASE_URL"),
        ({"KUMO_HOST": "256.0.0.1"}, "256.0.0.1"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_made(tmp_path: Path, variables: dict[str, str], named: str) -> None:
    assert named in refused_start(tmp_path / "home", variables=variables)
    assert not (tmp_path / "home").exists()


# --- a full disk -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    with mounted(tmp_path / "small", "24m") as disk:
        yield disk


def fill(disk: Path) -> Path:
    """Take all the space there is."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free_bytes(disk))
    assert free_bytes(disk) == 0
    return ballast


def free_bytes(disk: Path) -> int:
    state = os.statvfs(disk)
    return state.f_bavail * state.f_frsize


WAITS = """
import os, time
wait = os.path.join(os.environ["OUTPUT_DIR"], "wait")
print("waits")
with open(wait + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(wait + ".new", wait)
while os.path.exists(wait):
    time.sleep(0.02)
"""


def test_a_full_disk_is_said_and_survived(small_disk: Path) -> None:
    with KumoServer(small_disk / "home") as server:
        project_id = bring_project(server, "before", {"main.py": "print('fine')\n", "wait.py": WAITS})
        task_id = make_task(server, project_id, "python main.py")
        assert run_to_end(server, task_id)["state"] == "succeeded"
        going = request_run(server, make_task(server, project_id, "python wait.py"))
        signal = outputs_of(server, project_id) / "wait"
        until(signal.exists, what="a script that waits")
        pid = int(signal.read_text())
        until(lambda: show_run(server, going)["state"] == "running", what="a running script")
        large = zip_of({"main.py": "print('fine')\n", "data": random.Random(2).randbytes(2 * MIB)})  # noqa: S311
        ballast = fill(small_disk)
        taken = sorted(path for path in server.home.rglob("*") if path.is_file())

        for path in ("/projects", f"/projects/{project_id}/archive"):
            answer = server.client.post(path, files={"file": ("a.zip", large)}, data={"name": "large"})
            assert "full" in error_of(answer, 503, "unavailable")
        text = {"content": "x = 1\n" * 9999}
        answers = [
            server.client.put(f"/projects/{project_id}/files/new.py", json=text),
            server.client.post("/tasks", json={"name": "new", "project_id": project_id, "command": "python main.py"}),
            server.client.post(f"/tasks/{task_id}/run", json={}),
        ]
        for answer in answers:
            assert "full" in error_of(answer, 503, "unavailable")
        assert server.client.get(f"/projects/{project_id}/files/main.py").json()["content"] == "print('fine')\n"
        assert sorted(path for path in server.home.rglob("*") if path.is_file()) == taken

        # A script that ends now cannot leave its result yet; it is not lost.
        signal.unlink()
        until(lambda: not psutil.pid_exists(pid), what="the script's end")
        assert server.client.get("/projects").status_code == 200
        ballast.unlink()
        assert ended(server, going)["state"] == "succeeded"
        assert log_of(server, going) == b"waits\n"
        until(lambda: server.client.get("/health").json()["status"] == "ok", what="good health")
        answer = server.client.post("/projects", files={"file": ("a.zip", large)}, data={"name": "large"})
        assert answer.status_code == 201
        new_task_id = make_task(server, answer.json()["id"], "python main.py")
        for runnable in (task_id, new_task_id):
            run = run_to_end(server, runnable)
            assert run["state"] == "succeeded"
            assert log_of(server, run["id"]) == b"fine\n"
        assert outputs_of(server, project_id).is_dir()
        assert "Traceback" not in server.log()
