"""Projects as people bring them, through the whole of Kumo: Scrapy, a lone script, another Python, much output."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.acceptance.api import (
    bring_project,
    built,
    ended,
    log_of,
    make_task,
    outputs_of,
    request_run,
    run_to_end,
    until,
)
from tests.crawling import PAGES, serve_quotes, spider
from tests.server import KumoServer

pytestmark = pytest.mark.acceptance

# --- Scrapy ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def site() -> Iterator[str]:
    """The address of a small site on loopback."""
    with serve_quotes() as address:
        yield address


def files_in(folder: Path) -> dict[str, str | bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_scrapy_project_crawls_on_its_schedule(shared_server: KumoServer, site: str) -> None:
    server = shared_server
    # Scrapy itself makes the project, in the build that Kumo made of the requirements.
    maker = bring_project(server, "maker", {"requirements.txt": "scrapy\n"})
    making = make_task(server, maker, "sh -c 'scrapy startproject crawler $OUTPUT_DIR/crawler'")
    made = run_to_end(server, making)
    assert made["state"] == "succeeded", made["reason"]
    files = files_in(outputs_of(server, maker) / "crawler")
    assert "scrapy.cfg" in files
    files |= {"requirements.txt": "scrapy\n", "crawler/spiders/quotes.py": spider(site)}

    project_id = bring_project(server, "crawler", files)
    detected = server.client.get(f"/projects/{project_id}/detection").json()
    assert detected["environment"]["source"] == "requirements.txt"
    assert "scrapy crawl quotes" in detected["commands"]
    trigger = {"type": "cron", "expression": "*/5 * * * * *"}
    task_id = make_task(server, project_id, "scrapy crawl quotes", triggers=[trigger])

    def slot_that_ran() -> dict[str, Any] | None:
        return next((slot for slot in slots_of(server, task_id) if slot["outcome"] == "run"), None)

    slot = until(slot_that_ran, what="a slot that ran")
    assert server.client.post(f"/tasks/{task_id}/pause").status_code == 200
    assert slot["due_at"].endswith(".000Z")
    assert int(slot["due_at"][17:19]) % 5 == 0

    run = ended(server, slot["run_id"])
    log = log_of(server, run["id"]).decode()
    assert run["state"] == "succeeded", log
    assert run["cause"]["type"] == "slot"
    assert run["cause"]["due_at"] == slot["due_at"]
    assert "Spider closed (finished)" in log
    assert "Yuki" in log
    answer = server.client.get(f"/projects/{project_id}/outputs/file", params={"path": "quotes.jsonl"})
    items = [json.loads(line) for line in answer.raise_for_status().content.decode().splitlines()]
    expected = [{"text": text, "author": author} for quotes in PAGES.values() for text, author in quotes]
    assert all(item in items for item in expected)


def slots_of(server: KumoServer, task_id: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = server.client.get(f"/tasks/{task_id}/slots").raise_for_status().json()["items"]
    return items


# --- what a project needs --------------------------------------------------------------------------------------------

LONE_SCRIPT = """
# /// script
# requires-python = ">=3.9"
# dependencies = ["rich", "tomli-w"]
# ///
import rich, tomli_w
rich.print("[bold]ready[/bold]")
print(tomli_w.dumps({"weather": {"clouds": 8}}))
"""


def test_a_lone_script_gets_the_packages_that_it_names(shared_server: KumoServer) -> None:
    project_id = bring_project(shared_server, "lone script", {"weather.py": LONE_SCRIPT})
    run = run_to_end(shared_server, make_task(shared_server, project_id, "python weather.py", environment_id=None))
    log = log_of(shared_server, run["id"]).decode()
    assert run["state"] == "succeeded", log
    assert run["build_id"] is not None
    assert log == "ready\n[weather]\nclouds = 8\n\n"


def test_a_project_runs_on_another_python_than_the_server(shared_server: KumoServer) -> None:
    own = shared_server.client.get("/version").json()["python"]
    listed = shared_server.client.get("/interpreters").json()["items"]
    others = [
        one["version"]
        for one in listed
        if one["supported"] and one["implementation"] == "cpython" and _minor(one["version"]) != _minor(own)
    ]
    others = [version for version in others if _minor(version) >= (3, 9)]
    assert others, (
        f"Kumo runs on Python {own}, and there is no other one here, 3.9 or newer, for this project to run on. Install "
        "one: `.venv/bin/uv python install 3.12`, or with pyenv, or from your distribution."
    )
    script = "import sys, tomli_w\nprint(sys.version.split()[0], tomli_w.__name__)\n"
    project_id = bring_project(shared_server, "another python", {"main.py": script, "requirements.txt": "tomli-w\n"})
    wanted = ".".join(map(str, _minor(others[0])))
    body = {"name": "another python", "python": wanted, "source": "project", "project_id": project_id}
    answer = shared_server.client.post("/environments", json=body)
    assert answer.status_code == 201, answer.text
    environment_id = answer.json()["id"]
    build = built(shared_server, environment_id)
    assert (build["state"], build["error"]) == ("ready", None)

    task_id = make_task(shared_server, project_id, "python main.py", environment_id=environment_id)
    run = run_to_end(shared_server, task_id)
    assert run["state"] == "succeeded"
    assert run["build_id"] == build["id"]
    assert log_of(shared_server, run["id"]).decode() == f"{build['python_version']} tomli_w\n"
    assert _minor(build["python_version"]) == _minor(wanted)


def _minor(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


# --- much output -----------------------------------------------------------------------------------------------------

LINES = 1_000_000
MUCH = f"""
import sys
for start in range(0, {LINES}, 1000):
    sys.stdout.write("".join(f"line {{number:07d}} ☁\\n" for number in range(start, start + 1000)))
"""


def test_a_million_lines_are_kept_and_seen_once(shared_server: KumoServer) -> None:
    server = shared_server
    expected = "".join(f"line {number:07d} ☁\n" for number in range(LINES)).encode()
    project_id = bring_project(server, "much", {"much.py": MUCH})
    run_id = request_run(server, make_task(server, project_id, "python much.py"))
    seen = b"".join(text.encode() for text in stream(server, run_id))
    assert len(seen) == len(expected)
    assert seen == expected

    assert ended(server, run_id)["state"] == "succeeded"
    whole = log_of(server, run_id)
    assert hashlib.sha256(whole).hexdigest() == hashlib.sha256(expected).hexdigest()
    tail = server.client.get(f"/runs/{run_id}/log", params={"tail": 3})
    assert tail.content == b"".join(expected.splitlines(keepends=True)[-3:])
    assert tail.headers["X-Log-Size"] == str(len(expected))
    assert tail.headers["X-Log-Offset"] == str(len(expected) - len(tail.content))
    assert tail.headers["X-Log-Final"] == "true"


def stream(server: KumoServer, run_id: int) -> Iterator[str]:
    """The text of the live stream, until it says that the run has ended."""
    event = ""
    with server.client.stream("GET", f"/runs/{run_id}/log/stream", timeout=httpx.Timeout(60)) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif line.startswith("data: ") and event == "log":
                yield json.loads(line.removeprefix("data: "))["text"]
            elif line.startswith("data: ") and event == "end":
                assert json.loads(line.removeprefix("data: ")) == {"state": "succeeded"}
                return
    raise AssertionError("the stream broke off without its end")


# --- a script that will not go ---------------------------------------------------------------------------------------

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)

def stay(kind):
    descriptor = os.open(os.path.join(os.environ["OUTPUT_DIR"], "pids"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{os.getpid()}\\n".encode())
    while True:
        time.sleep(60)

for _ in range(3):
    if os.fork() == 0:
        if os.fork() == 0:
            stay("grandchild")
        stay("child")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        stay("daemon")
    os._exit(0)
stay("script")
"""


def test_a_stopped_script_leaves_nobody_behind(shared_server: KumoServer) -> None:
    server = shared_server
    project_id = bring_project(server, "will not go", {"stay.py": STUBBORN})
    run_id = request_run(server, make_task(server, project_id, "python stay.py", stop_grace_seconds=0.5))
    recorded = outputs_of(server, project_id) / "pids"

    def everybody() -> list[int] | None:
        pids = recorded.read_text().split() if recorded.exists() else []
        return [int(pid) for pid in pids] if len(pids) == 8 else None

    pids = until(everybody, what="eight processes")
    asked_at = time.monotonic()
    assert server.client.post(f"/runs/{run_id}/stop").status_code == 202
    until(lambda: not any(map(psutil.pid_exists, pids)), what="the end of all processes")
    assert time.monotonic() - asked_at < 0.5 + 2
    assert ended(server, run_id)["state"] == "stopped"
