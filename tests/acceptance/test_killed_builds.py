"""`kill -9` of the server while it builds: nothing half is ever used, and the build is made after all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kumo.runs.preparation import WAITS_FOR_BUILD
from tests.acceptance.api import bring_project, built, log_of, make_task, request_run, run_to_end, show_run, until
from tests.environments.building.test_building import processes_in
from tests.environments.conda_channel import CondaChannel, environment_yml
from tests.environments.package_index import PackageIndex, serve_packages
from tests.server import KumoServer

pytestmark = pytest.mark.acceptance


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    """An index that answers when the test lets it."""
    with serve_packages() as served:
        served.add_wheel("water", "1.0")
        yield served


@pytest.fixture
def server(tmp_path: Path, index: PackageIndex) -> Iterator[KumoServer]:
    """A server that builds from the test's index."""
    with KumoServer(tmp_path / "home", KUMO_PACKAGE_INDEX_URL=index.url, UV_NO_CONFIG="1") as started:
        yield started


def usable_builds(server: KumoServer) -> list[str]:
    return [path.name for path in (server.home / "builds").glob("[!.]*")]


def unfinished_builds(server: KumoServer) -> list[str]:
    return [path.name for path in (server.home / "builds").glob(".*")]


def kill_while_it_waits_for(server: KumoServer, index: PackageIndex) -> None:
    assert index.asked.wait(60)
    server.kill()
    index.asked.clear()
    assert usable_builds(server) == []
    assert len(unfinished_builds(server)) == 1
    # uv lives on, and waits for the index: the next server must end it.
    assert processes_in(server.home / "builds") != []


def test_a_build_that_was_killed_twice_is_made_by_the_third_server(server: KumoServer, index: PackageIndex) -> None:
    project_id = bring_project(server, "killed", {"main.py": "import water; print(water.VERSION)"})
    index.held.clear()
    index.holds = "/simple/water/"  # asks for versions
    environment_id = server.client.post("/environments", json={"name": "killed", "packages": ["water"]}).json()["id"]
    task_id = make_task(server, project_id, "python main.py", environment_id=environment_id)
    run_id = request_run(server, task_id)
    kill_while_it_waits_for(server, index)

    index.holds = ".whl"  # downloads
    server.start()
    until(lambda: show_run(server, run_id)["reason"] == WAITS_FOR_BUILD, what="that the run says what it waits for")
    kill_while_it_waits_for(server, index)

    server.start()
    index.held.set()
    build = built(server, environment_id)
    assert (build["state"], build["generation"]) == ("ready", 1)
    assert usable_builds(server) == [build["lock_hash"]]
    until(lambda: unfinished_builds(server) == [], what="that nothing unfinished is left")
    assert processes_in(server.home / "builds") == []
    run = until(lambda: found if (found := show_run(server, run_id))["state"] == "succeeded" else None)
    assert log_of(server, run["id"]) == b"1.0\n"
    assert run_to_end(server, task_id)["build_id"] == build["id"]


def test_a_build_of_conda_that_was_killed_twice_is_made_by_the_third_server(
    server: KumoServer, index: PackageIndex, tmp_path: Path
) -> None:
    channel = CondaChannel(tmp_path / "channel")
    channel.add_python()
    channel.add_module("water", "1.0")
    index.folder = channel.root
    address = index.url.replace("/simple", "/channel")
    text = environment_yml("python", "water", channels=[address])
    project_id = bring_project(
        server, "killed", {"main.py": "import water; print(water.VERSION)", "environment.yml": text}
    )
    index.held.clear()
    index.holds = "repodata"  # asks for packages
    created = server.client.post("/environments", json={"name": "killed", "project_id": project_id}).json()
    task_id = make_task(server, project_id, "python main.py", environment_id=created["id"])
    run_id = request_run(server, task_id)
    kill_while_it_waits_for(server, index)

    index.holds = "water-1.0"  # downloads into the place where it stays
    server.start()
    assert index.asked.wait(60)
    server.kill()
    assert usable_builds(server) == []
    assert {name.split("-")[0] for name in unfinished_builds(server)} == {".tmp", ".at"}

    server.start()
    index.held.set()
    build = built(server, created["id"])
    assert (build["state"], build["generation"]) == ("ready", 1)
    assert usable_builds(server) == [build["lock_hash"]]
    until(lambda: len(unfinished_builds(server)) == 1, what="that nothing is left but the place of the build")
    assert processes_in(server.home / "builds") == []
    run = until(lambda: found if (found := show_run(server, run_id))["state"] == "succeeded" else None)
    assert log_of(server, run["id"]) == b"1.0\n"
