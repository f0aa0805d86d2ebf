"""Runs of projects whose declaration changes: each in the build of what is declared now, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kumo.runs.preparation import WAITS_FOR_BUILD
from tests.acceptance.api import (
    bring_project,
    built,
    ended,
    log_of,
    make_task,
    request_run,
    run_to_end,
    show_run,
    until,
)
from tests.environments.package_index import PackageIndex, serve_packages
from tests.server import KumoServer

pytestmark = pytest.mark.acceptance

SCRIPT = "import os, water\nprint(water.VERSION)\n"


@pytest.fixture(scope="module")
def index() -> Iterator[PackageIndex]:
    """An index that answers when the test lets it."""
    with serve_packages() as served:
        served.add_wheel("water", "1.0")
        served.add_wheel("water", "2.0")
        yield served


@pytest.fixture(scope="module")
def server(index: PackageIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KumoServer]:
    """A server that builds from the test's index."""
    home = tmp_path_factory.mktemp("following") / "home"
    with KumoServer(home, KUMO_PACKAGE_INDEX_URL=index.url, UV_NO_CONFIG="1") as started:
        yield started


def save(server: KumoServer, project_id: int, requirements: str) -> None:
    body = {"content": requirements}
    server.client.put(f"/projects/{project_id}/files/requirements.txt", json=body).raise_for_status()


@pytest.fixture(params=["its own", "a named one"])
def task(request: pytest.FixtureRequest, server: KumoServer) -> dict[str, int]:
    """A project and a task of it, in the environment that it declares, or in one that follows it under a name."""
    name = request.node.name
    project_id = bring_project(server, name, {"main.py": SCRIPT, "requirements.txt": "water==1.0\n"})
    environment_id = None
    if request.param == "a named one":
        body = {"name": name, "source": "project", "project_id": project_id}
        environment_id = server.client.post("/environments", json=body).raise_for_status().json()["id"]
        assert built(server, environment_id)["state"] == "ready"
    return {
        "project_id": project_id,
        "id": make_task(server, project_id, "python main.py", name=name, environment_id=environment_id),
    }


def printed(server: KumoServer, run: dict[str, Any]) -> tuple[str, bytes]:
    return run["state"], log_of(server, run["id"])


def test_a_run_right_after_an_edit_waits_for_what_is_declared_now(
    server: KumoServer, index: PackageIndex, task: dict[str, int]
) -> None:
    assert printed(server, run_to_end(server, task["id"])) == ("succeeded", b"1.0\n")
    index.held.clear()
    save(server, task["project_id"], "water==2.0\n# held back\n")
    run_id = request_run(server, task["id"])
    until(lambda: show_run(server, run_id)["reason"] == WAITS_FOR_BUILD, what="that the run says what it waits for")
    index.held.set()
    assert printed(server, ended(server, run_id)) == ("succeeded", b"2.0\n")


def test_a_build_that_fails_is_the_runs_reason_and_none_of_its_code_runs(
    server: KumoServer, task: dict[str, int]
) -> None:
    assert printed(server, run_to_end(server, task["id"])) == ("succeeded", b"1.0\n")
    save(server, task["project_id"], "water==1.0\nfire\n")
    run = run_to_end(server, task["id"])
    assert (run["state"], run["started_at"]) == ("failed", None)
    assert run["reason"] == "Its environment could not be built: No package named “fire” is on the package index."
    save(server, task["project_id"], "water==1.0\n-e .\n")
    refused = run_to_end(server, task["id"])
    assert refused["state"] == "failed"
    assert "requirements.txt, line 2: “-e .”" in refused["reason"]
    save(server, task["project_id"], "water==2.0\n")
    assert printed(server, run_to_end(server, task["id"])) == ("succeeded", b"2.0\n")
