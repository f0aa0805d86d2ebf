"""What new projects may begin with works as it is."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from kumo.projects.templates import NAMES, TemplateName, files_of
from tests.databases import on_one_database

EXPECTED: dict[TemplateName, tuple[str, set[str]]] = {
    "script": ("python main.py", {"script"}),
    "requests": ("python main.py", {"script"}),
    "scrapy": ("scrapy crawl quotes", {"scrapy"}),
    "browser": ("python main.py", {"playwright"}),
}


@on_one_database
async def test_a_project_begins_with_the_files_of_a_template(client: httpx.AsyncClient) -> None:
    assert set(EXPECTED) == set(NAMES)
    for name, (command, kinds) in EXPECTED.items():
        created = await client.post("/projects", json={"name": name, "template": name})
        assert created.status_code == 201, created.text
        project: dict[str, Any] = created.json()
        found = (await client.get(f"/projects/{project['id']}/detection")).json()
        assert found["commands"][0] == command
        assert {kind["name"] for kind in found["kinds"]} == kinds
        assert found["spiders"] == (["quotes"] if name == "scrapy" else [])
        assert found["environment"]["source"] == "requirements.txt"
    wrong = await client.post("/projects", json={"name": "x", "template": "../../etc"})
    assert (wrong.status_code, wrong.json()["error"]["details"][0]["field"]) == (422, "template")


def test_all_of_them_are_python() -> None:
    for name in NAMES:
        for path in files_of(name).rglob("*.py"):
            compile(path.read_text(), str(path), "exec")


@pytest.mark.parametrize("name", ["script", "requests"])
def test_what_needs_nothing_special_does_its_work(name: TemplateName, tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        environment = os.environ | {"OUTPUT_DIR": str(tmp_path), "TARGET_URL": address}
        requests = files_of(name) / "requirements.txt"
        uv = str(Path(sys.executable).with_name("uv"))
        command = [
            uv,
            "run",
            "--no-project",
            "-q",
            "--with-requirements",
            str(requests),
            str(files_of(name) / "main.py"),
        ]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    (left,) = tmp_path.iterdir()
    if name == "requests":
        assert json.loads(left.read_text()) == {"url": address, "status": 200, "bytes": 5}
        assert "200 http" in done.stdout
    else:
        assert left.name == "visits.csv"
        assert "Hello from run by hand" in done.stdout


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_args: object) -> None:
        """Say nothing."""
