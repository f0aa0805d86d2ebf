"""What the acceptance tests do over HTTP: bring a project, run a task, wait for its end, read its log."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tests.server import KumoServer

Found = TypeVar("Found")

WAIT_SECONDS = 60.0
_OPEN = {"queued", "starting", "running"}


def until(condition: Callable[[], Found | None], *, seconds: float = WAIT_SECONDS, what: str = "") -> Found:
    """Look again and again, and answer the first thing found that is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it did not come within {seconds} s: {what or condition}"
        time.sleep(0.02)
    return found


def zip_of(files: Mapping[str, str | bytes]) -> bytes:
    """The files as a zip archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def bring_project(server: KumoServer, name: str, files: Mapping[str, str | bytes]) -> int:
    """Upload the files as a new project; its id."""
    answer = server.client.post("/projects", files={"file": (f"{name}.zip", zip_of(files))}, data={"name": name})
    assert answer.status_code == 201, answer.text
    project_id: int = answer.json()["id"]
    return project_id


def make_task(server: KumoServer, project_id: int, command: str, **fields: Any) -> int:
    """Create a task, named like its command where no other name is given; its id."""
    body = {"name": f"{command} of {project_id}", "project_id": project_id, "command": command, **fields}
    answer = server.client.post("/tasks", json=body)
    assert answer.status_code == 201, answer.text
    task_id: int = answer.json()["id"]
    return task_id


def request_run(server: KumoServer, task_id: int) -> int:
    """Ask for a run of a task; the run's id."""
    answer = server.client.post(f"/tasks/{task_id}/run", json={})
    assert answer.status_code == 202, answer.text
    run_id: int = answer.json()["id"]
    return run_id


def run_to_end(server: KumoServer, task_id: int) -> dict[str, Any]:
    """Run a task once, and answer the run as it has ended."""
    return ended(server, request_run(server, task_id))


def show_run(server: KumoServer, run_id: int) -> dict[str, Any]:
    """A run as it is now."""
    run: dict[str, Any] = server.client.get(f"/runs/{run_id}").raise_for_status().json()
    return run


def ended(server: KumoServer, run_id: int) -> dict[str, Any]:
    """A run once it has ended."""

    def over() -> dict[str, Any] | None:
        run = show_run(server, run_id)
        return None if run["state"] in _OPEN else run

    return until(over, what=f"the end of run {run_id}")


def log_of(server: KumoServer, run_id: int) -> bytes:
    """Everything that a run has printed."""
    return server.client.get(f"/runs/{run_id}/log/download").raise_for_status().content


def built(server: KumoServer, environment_id: int) -> dict[str, Any]:
    """The latest build of an environment once it is made, or has failed."""

    def made() -> dict[str, Any] | None:
        environment = server.client.get(f"/environments/{environment_id}").raise_for_status().json()
        build: dict[str, Any] = environment["latest_build"]
        return build if build["state"] in {"ready", "failed"} else None

    return until(made, what=f"the build of environment {environment_id}")


def error_of(answer: Any, status: int, code: str) -> str:
    """The sentence of an error answer, which must have this status and code, and be a sentence."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    message: str = error["message"]
    assert_sentence(message)
    return message


def assert_sentence(message: str) -> None:
    """One line that ends as sentences end, without anything of the program's inside."""
    assert message.strip() == message
    assert message.endswith("."), message
    assert not message.endswith(("..", "?.", ":.")), message
    assert "\n" not in message, message
    assert "Traceback" not in message, message
    assert "Errno" not in message, message


def outputs_of(server: KumoServer, project_id: int) -> Path:
    """The directory that a project's scripts find as OUTPUT_DIR."""
    return server.home / "outputs" / str(project_id)
