"""`kumo variable` against a running server."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import KumoServer

pytestmark = pytest.mark.acceptance


def test_a_variable_is_set_changed_listed_and_deleted(shared_server: KumoServer) -> None:
    made = shared_server.run_command("variable", "set", "CLI_COLOUR", stdin="red\n")
    assert (made.returncode, made.stdout, made.stderr) == (0, "CLI_COLOUR is set, for all runs.\n", "")
    changed = shared_server.run_command("variable", "set", "CLI_COLOUR", stdin="blue\n\n")
    assert changed.stdout == "CLI_COLOUR is changed, for all runs.\n"
    listed = json.loads(shared_server.run_command("variable", "list", "--json").stdout)
    [variable] = [item for item in listed if item["name"] == "CLI_COLOUR"]
    assert (variable["value"], variable["value_number"]) == ("blue\n", 2)
    assert "CLI_COLOUR" in (shown := shared_server.run_command("variable", "list").stdout)
    assert "blue\\n" in shown
    removed = shared_server.run_command("variable", "rm", "CLI_COLOUR")
    assert removed.stdout == "CLI_COLOUR is deleted, for all runs.\n"
    again = shared_server.run_command("variable", "rm", "CLI_COLOUR")
    assert (again.returncode, again.stderr) == (
        1,
        "kumo: There is no such variable 'CLI_COLOUR'. `kumo variable list` shows them.\n",
    )


def test_a_secret_of_a_task_is_shown_to_nobody(shared_server: KumoServer, tmp_path: Path) -> None:
    project = shared_server.client.post("/projects", json={"name": "cli secrets"}).json()["id"]
    wanted = {"name": "cli secrets", "project_id": project, "command": "true"}
    task = shared_server.client.post("/tasks", json=wanted).json()["id"]
    (tmp_path / "token").write_text("precious-token\n")
    given = ("variable", "set", "CLI_TOKEN", "--task", "cli secrets", "--secret", "--as-file", "--from-file")
    made = shared_server.run_command(*given, str(tmp_path / "token"))
    assert made.stdout == "CLI_TOKEN is set as a secret, for the task cli secrets.\n", made.stderr
    [found] = shared_server.client.get(f"/variables?task_id={task}").json()["items"]
    assert (found["secret"], found["given_as"], found["value"]) == (True, "file", None)
    kept = shared_server.run_command("variable", "set", "CLI_TOKEN", "--task", str(task), stdin="shorter")
    assert "as a secret" in kept.stdout
    assert "shorter than 8 characters" in kept.stderr
    listed = shared_server.run_command("variable", "list", "--task", "cli secrets").stdout
    assert "(secret)" in listed
    of_project = shared_server.run_command("variable", "list", "--project", "cli secrets", "--json")
    assert json.loads(of_project.stdout) == []
    assert not {"precious", "shorter\n"} & set((made.stdout + kept.stdout + listed).split())


def test_a_value_that_is_typed_does_not_show(shared_server: KumoServer) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "kumo", "variable", "set", "CLI_TYPED", "--secret"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=shared_server.environment() | {"KUMO_HOME": str(shared_server.home)},
        start_new_session=True,
    ) as typing:
        os.close(theirs)
        seen = b""
        while not seen.endswith(b": "):  # what is typed before the last character of the prompt is dropped
            seen += os.read(ours, 100)
        os.write(ours, b"precious-typed\n")
        while True:
            try:
                more = os.read(ours, 1000)
            except OSError:  # the terminal is gone with the last who had it open
                break
            seen += more
        assert typing.wait(30) == 0, seen
    os.close(ours)
    assert b"Value" in seen
    assert b"precious" not in seen
    found = shared_server.client.get("/variables?q=CLI_TYPED").json()["items"]
    assert [item["secret"] for item in found] == [True]


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (("set", "1A"), "x", "no digit in front"),
        (("set", "PATH"), "x", "set by Kumo itself"),
        (("set", "A" * 300), "x", "longer than 200"),
        (("set", "A", "--project", "nothing"), "x", "There is no project named 'nothing'"),
        (("set", "A", "--task", "9999"), "x", "Task 9999 does not exist"),
        (("set", "A", "--task", "1", "--project", "1"), "x", "not both"),
        (("set", "A", "--from-file", "/nonexistent"), "", "/nonexistent cannot be read"),
        (("set", "A"), "x" * ((1 << 20) + 2), "more than 1,048,576 bytes"),
        (("set", "A"), "a\0b", "NUL"),
        (("rm", "NOTHING"), "", "no such variable"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    shared_server: KumoServer, arguments: tuple[str, ...], stdin: str, words: str
) -> None:
    refused = shared_server.run_command("variable", *arguments, stdin=stdin)
    assert refused.returncode == 1
    assert words in refused.stderr
    assert len(refused.stderr.splitlines()) <= 2
