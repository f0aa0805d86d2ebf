"""Triggers by events, with a real server and real scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.api import bring_project, ended, make_task, run_to_end, until
from tests.server import KumoServer

pytestmark = pytest.mark.acceptance

RECORD = """
import os, sys
with open(os.path.join(os.environ["OUTPUT_DIR"], "record"), "a") as record:
    record.write(sys.argv[1] + "\\n")
body = os.environ.get("KUMO_WEBHOOK_BODY")
if body:
    print(open(body).read())
sys.exit(int(sys.argv[2]))
"""


def record_of(server: KumoServer, project_id: int) -> list[str]:
    path: Path = server.home / "outputs" / str(project_id) / "record"
    return path.read_text().split() if path.exists() else []


def slots_of(server: KumoServer, task_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.client.get(f"/tasks/{task_id}/slots").raise_for_status().json()["items"]
    return found


def test_a_chain_of_tasks_goes_on_by_itself(server: KumoServer) -> None:
    project = bring_project(server, "chain", {"main.py": RECORD})
    first = make_task(server, project, "python main.py first 0")
    second = make_task(server, project, "python main.py second 1", triggers=[{"type": "after", "task_id": first}])
    make_task(server, project, "python main.py unmoved 0", triggers=[{"type": "after", "task_id": second}])
    failure = {"type": "after", "task_id": second, "on": "failure"}
    third = make_task(server, project, "python main.py third 0", triggers=[failure])
    run_to_end(server, first)
    until(lambda: "third" in record_of(server, project), what="the third task")
    assert record_of(server, project) == ["first", "second", "third"]
    (slot,) = slots_of(server, third)
    assert ended(server, slot["run_id"])["cause"]["type"] == "after"
    # An end that was stored is followed once, whatever happens to the server later.
    server.kill()
    server.start()
    assert len(slots_of(server, second)) == len(slots_of(server, third)) == 1


def test_a_chain_goes_on_after_the_server_was_killed(server: KumoServer) -> None:
    slow = "import os, time\nwhile not os.path.exists(os.environ['OUTPUT_DIR'] + '/go'): time.sleep(0.02)\n" + RECORD
    project = bring_project(server, "chain", {"slow.py": slow, "main.py": RECORD})
    first = make_task(server, project, "python slow.py first 0")
    second = make_task(server, project, "python main.py second 0", triggers=[{"type": "after", "task_id": first}])
    run_id = server.client.post(f"/tasks/{first}/run", json={}).json()["id"]
    until(lambda: server.client.get(f"/runs/{run_id}").json()["state"] == "running", what="the first task's start")
    server.kill()
    outputs = server.home / "outputs" / str(project)
    outputs.mkdir(parents=True, exist_ok=True)
    (outputs / "go").touch()
    until(lambda: record_of(server, project) == ["first"], what="the first task's end, without a server")
    server.start()
    until(lambda: record_of(server, project) == ["first", "second"], what="the second task")
    assert [slot["outcome"] for slot in slots_of(server, second)] == ["run"]


def test_a_call_of_a_webhook_hands_its_body_to_the_script(server: KumoServer) -> None:
    project = bring_project(server, "hook", {"main.py": RECORD})
    body = {
        "name": "hooked",
        "project_id": project,
        "command": "python main.py called 0",
        "triggers": [{"type": "webhook"}],
    }
    path = server.client.post("/tasks", json=body).raise_for_status().json()["triggers"][0]["url_path"]
    answer = httpx.post(server.url + path, content=b'{"ref": "refs/heads/main"}', trust_env=False)
    assert answer.status_code == 202
    run = ended(server, answer.json()["run_id"])
    assert (run["state"], run["cause"]["type"]) == ("succeeded", "webhook")
    log = server.client.get(f"/runs/{run['id']}/log/download").content
    assert b'{"ref": "refs/heads/main"}' in log
    assert path.rpartition("/")[2] not in server.log()
