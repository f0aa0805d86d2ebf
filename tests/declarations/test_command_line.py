"""`kumo apply` and `kumo task export` against a running server."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.server import KumoServer

pytestmark = pytest.mark.acceptance

FILE = '[tasks."by command"]\ncommand = "true"\ntimeout_seconds = "2h"\n'


def test_a_file_is_shown_asked_about_applied_and_exported(shared_server: KumoServer, tmp_path: Path) -> None:
    project_id = shared_server.client.post("/projects", json={"name": "commanded"}).json()["id"]
    file = tmp_path / "commanded" / "kumo.toml"
    file.parent.mkdir()
    file.write_text(FILE)
    # Somebody at a terminal is asked, and may say no.
    keyboard, terminal = pty.openpty()
    os.write(keyboard, b"n\n")
    refused = subprocess.run(
        [*shared_server._command, "apply", str(file)],
        env=shared_server.environment() | {"KUMO_HOME": str(shared_server.home)},
        stdin=terminal,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(terminal)
    os.close(keyboard)
    assert refused.returncode == 1
    assert refused.stdout.startswith(
        '+ task by command\n    command: "true"\n    timeout_seconds: 7200\nApply this? [y/N]:'
    )
    assert shared_server.client.get("/tasks", params={"project_id": project_id}).json()["items"] == []

    done = shared_server.run_command("apply", str(file), "--json", stdin="")
    assert json.loads(done.stdout)["applied"]
    again = shared_server.run_command("apply", str(file), "--dry-run")
    assert again.returncode == 0
    assert again.stdout == "Nothing to do: everything is as the file says.\n"
    assert shared_server.run_command("task", "export", "by command").stdout == FILE

    file.write_text('[tasks.one]\ncommand = "a | b"\n[tasks.two]\npool = 3\n')
    wrong = shared_server.run_command("apply", str(file), "--project", str(project_id), "--yes")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert [line.split(":")[0].strip() for line in wrong.stderr.splitlines()[1:]] == [
        "tasks.one.command",
        "tasks.two.command",
        "tasks.two.pool",
    ]
    assert "Nothing was changed." in wrong.stderr
