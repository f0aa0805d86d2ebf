"""Pythons of this machine: found, added by path, installed, used, forgotten."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from packaging.version import Version

from kumo.environments.building.builder import BuilderLoop
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.interpreters.probe import probe
from kumo.environments.tools.uv import Uv
from kumo.errors import InvalidInput
from kumo.settings import Settings
from tests.environments.asking import create, error
from tests.environments.conftest import Projects
from tests.environments.package_index import PackageIndex
from tests.fakes import ManualClock

REAL = os.path.realpath(sys.executable)
VERSION = ".".join(str(part) for part in sys.version_info[:3])


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def wrapper(path: Path) -> Path:
    """A Python of its own path that is really the one of these tests."""
    return script(path, f'exec "{REAL}" "$@"')


async def listed(http: httpx.AsyncClient, path: Path) -> dict[str, Any] | None:
    items: list[dict[str, Any]] = (await http.get("/interpreters", params={"refresh": True})).json()["items"]
    return next((item for item in items if item["path"] == str(path)), None)


# --- found -----------------------------------------------------------------------------------------------------------


async def test_a_conda_environment_that_conda_has_noted_is_found(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tmp_path / "conda" / "envs" / "science"
    (prefix / "conda-meta").mkdir(parents=True)
    python = wrapper(prefix / "bin" / "python3")
    (tmp_path / "person" / ".conda").mkdir(parents=True)
    (tmp_path / "person" / ".conda" / "environments.txt").write_text(f"{prefix}\n/gone/away\n")
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    found = {one.path: one for one in await Interpreters(Uv(settings)).list()}
    assert (found[python].source, found[python].version) == ("conda", VERSION)


async def test_an_interpreter_keeps_its_number(http: httpx.AsyncClient) -> None:
    first, second = [(await http.get("/interpreters")).json()["items"] for _ in range(2)]
    assert first == second
    assert len({item["id"] for item in first}) == len(first)


async def test_numbers_are_given_once_also_to_many_who_ask_at_once(http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(http.get("/interpreters") for _ in range(5)))
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].status_code == 200


# --- added -----------------------------------------------------------------------------------------------------------


async def test_an_interpreter_is_added_by_its_path_and_forgotten(http: httpx.AsyncClient, tmp_path: Path) -> None:
    path = wrapper(tmp_path / "own" / "python3.own")
    added = await http.post("/interpreters", json={"path": f" {path} "})
    assert added.status_code == 201, added.text
    assert (added.json()["version"], added.json()["source"]) == (VERSION, "added")
    assert added.json()["supported"] is True
    again = error(await http.post("/interpreters", json={"path": str(path)}), 409)
    assert f"is known already, as interpreter {added.json()['id']}" in again["message"]
    assert await listed(http, path) == added.json()

    assert (await http.delete(f"/interpreters/{added.json()['id']}")).status_code == 204
    assert await listed(http, path) is None
    assert path.exists()
    back = (await http.post("/interpreters", json={"path": str(path)})).json()
    assert back["id"] == added.json()["id"]


async def test_one_that_was_added_and_does_not_work_any_more_says_why(http: httpx.AsyncClient, tmp_path: Path) -> None:
    path = wrapper(tmp_path / "own" / "python3")
    await http.post("/interpreters", json={"path": str(path)})
    path.unlink()
    broken = await listed(http, path)
    assert broken is not None
    assert (broken["problem"], broken["supported"]) == (f"{path} does not exist on the server.", False)


def not_executable(path: Path) -> Path:
    script(path, "true").chmod(0o644)
    return path


PYTHON_36 = """echo '{"version": "3.6.15", "architecture": "x86_64", "implementation": "cpython"}'"""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.name, "Write the whole path of the executable"),
        (lambda path: path, "does not exist on the server"),
        (lambda path: path.parent, "is a directory; name the executable in it"),
        (lambda path: script(path.with_name("reboot"), "touch ran"), "does not look like a Python"),
        (not_executable, "is not executable for the account that Kumo runs under"),
        (lambda path: script(path, "echo hello"), "is no Python: asked for its version, it answered something else."),
        (lambda path: script(path, "exit 7"), "it ended with exit code 7."),
        (lambda path: script(path, "kill -9 $$"), "it ended with exit code -9."),
        (lambda path: script(path, "echo 'Unknown option: -I' >&2; exit 2"), "is too old: it is a Python 2"),
        (lambda path: script(path, PYTHON_36), "is too old: it is Python 3.6.15. Kumo needs 3.8 or newer."),
        (lambda path: script(path.parent / "file", "") / path.name, "does not exist on the server"),
        (lambda path: f"{path}\0", "cannot be looked at"),
    ],
)
async def test_what_is_no_python_is_refused_with_the_reason(
    tmp_path: Path, make: Callable[[Path], Path | str], words: str
) -> None:
    path = make(tmp_path / "own" / "python3")
    (tmp_path / "own").mkdir(exist_ok=True)
    with pytest.raises(InvalidInput) as caught:
        await probe(Path(path))
    assert caught.value.details[0].field == "path"
    assert words in caught.value.message
    assert not (tmp_path / "own" / "ran").exists()


async def test_what_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kumo.environments.interpreters.probe._TIMEOUT_SECONDS", 0.2)
    with pytest.raises(InvalidInput, match="did not answer within"):
        await probe(script(tmp_path / "python3", "sleep 600"))


async def test_a_refusal_names_the_field(http: httpx.AsyncClient, tmp_path: Path) -> None:
    refused = error(await http.post("/interpreters", json={"path": str(tmp_path / "python3")}), 422)
    assert refused["details"] == [
        {"field": "path", "message": f"{tmp_path}/python3 does not exist on the server."},
    ]


# --- used ------------------------------------------------------------------------------------------------------------


async def test_what_stands_on_an_interpreter_is_told_and_protects_it(
    app: FastAPI, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    path = wrapper(tmp_path / "own" / "python3")
    added = (await client.post("/interpreters", json={"path": str(path)})).json()
    project_id = (await client.post("/projects", json={"name": "etl"})).json()["id"]
    environment = (await client.post("/environments", json={"name": "night", "packages": []})).json()
    task = {"name": "nightly", "project_id": project_id, "command": "true", "environment_id": environment["id"]}
    task_id = (await client.post("/tasks", json=task)).json()["id"]
    async with asyncio.timeout(30):
        while (await client.get(f"/environments/{environment['id']}")).json()["active_build"] is None:
            await asyncio.sleep(0.05)
    built = (await client.get(f"/environments/{environment['id']}")).json()["active_build"]
    items = (await client.get("/interpreters")).json()["items"]
    used = next(item for item in items if item["path"] == built["interpreter_path"])
    assert (used["environments"], used["task_count"]) == ([{"id": environment["id"], "name": "night"}], 1)
    assert (await client.get(f"/interpreters/{used['id']}/usage")).json() == {
        "interpreter_id": used["id"],
        "environments": [{"id": environment["id"], "name": "night"}],
        "tasks": [{"id": task_id, "name": "nightly"}],
    }
    usage = (await client.get(f"/environments/{environment['id']}/usage")).json()
    assert (usage["tasks"], usage["ready_builds"]) == ([{"id": task_id, "name": "nightly"}], 1)

    if used["source"] != "added":
        foreign = error(await client.delete(f"/interpreters/{used['id']}"), 409)
        assert "was found on this machine, not put there by Kumo" in foreign["message"]
        assert Path(used["path"]).exists()
    assert (await client.delete(f"/interpreters/{added['id']}")).status_code == 204


async def test_an_interpreter_that_is_in_use_is_not_forgotten(
    http: httpx.AsyncClient,
    builder: BuilderLoop,
    clock: ManualClock,
    projects: Projects,
    interpreters: Interpreters,
    tmp_path: Path,
) -> None:
    path = wrapper(tmp_path / "own" / "python3")
    added = (await http.post("/interpreters", json={"path": str(path)})).json()
    # The only one that there is.
    interpreters._found = tuple(replace(one, is_default=True) for one in await interpreters.list() if one.path == path)
    await create(http, name="night", packages=[])
    await builder.step(clock())
    refused = error(await http.delete(f"/interpreters/{added['id']}"), 409)
    assert refused["message"] == f"{path} is used by the environment 'night'. Give them another Python first."
    assert refused["details"] == [{"field": "environment", "message": "night"}]


# --- installed -------------------------------------------------------------------------------------------------------


@pytest.fixture
def python_mirror(tmp_path: Path, package_index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> str:
    """A server with one Python to download: a script that is really the one of these tests."""
    minor = ".".join(VERSION.split(".")[:2])
    root = tmp_path / "tar" / "python"
    wrapper(root / "bin" / f"python{minor}")
    library = root / "lib" / f"python{minor}"
    library.mkdir(parents=True)
    (library / "_sysconfigdata__linux_x86_64-linux-gnu.py").write_text(
        "# system configuration generated and used by the sysconfig module\nbuild_time_vars = {}\n"
    )
    (library / "ballast").write_bytes(os.urandom(1_500_000))
    packed = tmp_path / "python.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(root, "python")
    content = packed.read_bytes()
    package_index.files["python"] = {"python.tar.gz": content}
    major, minor_number, patch = VERSION.split(".")
    described = {
        f"cpython-{VERSION}-linux-x86_64-gnu": {
            "name": "cpython",
            "arch": {"family": os.uname().machine, "variant": None},
            "os": "linux",
            "libc": "gnu",
            "major": int(major),
            "minor": int(minor_number),
            "patch": int(patch),
            "prerelease": "",
            "url": f"{package_index.url}/python/python.tar.gz",
            "sha256": hashlib.sha256(content).hexdigest(),
            "variant": None,
            "build": "20260101",
        }
    }
    catalogue = tmp_path / "pythons.json"
    catalogue.write_text(json.dumps(described))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", f"file://{catalogue}")
    return package_index.url


async def test_a_python_is_installed_with_progress_and_can_be_removed(
    http: httpx.AsyncClient,
    python_mirror: str,
    build_settings: Settings,
    interpreters: Interpreters,
    builder: BuilderLoop,
    clock: ManualClock,
) -> None:
    asked = await http.post("/interpreters/install", json={"version": VERSION})
    assert asked.status_code == 202
    install = asked.json()
    assert (await http.post("/interpreters/install", json={"version": VERSION})).json()["id"] == install["id"]
    async with asyncio.timeout(60):
        streamed = (await http.get(f"/interpreters/installs/{install['id']}/stream")).text
    states = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: ")]
    assert states[0]["state"] == "running"
    # Known from the line “Downloading … (1.4MiB)”, which itself is passed over where the next one comes at once.
    assert states[-1]["total_bytes"] > 1_000_000
    assert (states[-1]["state"], states[-1]["message"]) == ("done", f"Python {VERSION} is installed.")
    assert (await http.get("/interpreters/installs")).json()["items"] == [states[-1]]
    assert (await http.get(f"/interpreters/installs/{install['id']}")).json() == states[-1]

    own = [item for item in (await http.get("/interpreters")).json()["items"] if item["source"] == "kumo"]
    assert [item["version"] for item in own] == [VERSION]
    assert Path(own[0]["path"]).is_relative_to(build_settings.home / "pythons")
    assert list((build_settings.home / "cache").glob("python-*")) == []
    assert (await http.delete(f"/interpreters/{own[0]['id']}")).status_code == 204
    left = {entry.name for entry in (build_settings.home / "pythons").iterdir()}
    assert not any(name.startswith("cpython") for name in left)
    assert await listed(http, Path(own[0]["path"])) is None


async def test_a_server_out_of_reach_is_named_with_what_to_do(
    database: Any, build_settings: Settings, interpreters: Interpreters, http: httpx.AsyncClient
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    interpreters._uv._settings = build_settings.model_copy(update={"python_mirror_url": f"http://127.0.0.1:{port}/x"})
    failed = await installed(http, "3.13")
    assert failed["state"] == "failed"
    assert failed["message"].startswith(f"This machine cannot reach the server at 127.0.0.1:{port}, where Python is")
    assert "KUMO_PYTHON_MIRROR_URL" in failed["message"]


async def test_a_mirror_without_that_python_says_so(
    build_settings: Settings, interpreters: Interpreters, http: httpx.AsyncClient, package_index: PackageIndex
) -> None:
    interpreters._uv._settings = build_settings.model_copy(update={"python_mirror_url": package_index.url})
    failed = await installed(http, "3.13")
    assert "gives no Python 3.13 (HTTP 404)" in failed["message"]


async def test_a_python_that_nobody_offers_and_an_offline_machine_are_told_apart(
    build_settings: Settings, interpreters: Interpreters, http: httpx.AsyncClient
) -> None:
    assert (await installed(http, "3.99"))["message"] == "There is no Python 3.99 to download for this machine."
    interpreters._uv._settings = build_settings.model_copy(update={"package_index_offline": True})
    failed = await installed(http, "3.13")
    assert failed["message"] == "Kumo is set to work without the network: nothing can be downloaded."


@pytest.mark.parametrize("version", ["", "newest", "2.7", ">=3.10", "3.13 --help", "-h", "3.13.1rc1"])
async def test_only_a_plain_version_can_be_installed(http: httpx.AsyncClient, version: str) -> None:
    refused = error(await http.post("/interpreters/install", json={"version": version}), 422)
    assert refused["details"][0]["field"] == "version"


async def test_an_installation_that_is_not_known_is_not_found(http: httpx.AsyncClient) -> None:
    for path in ("/interpreters/installs/7", "/interpreters/installs/7/stream"):
        assert "Installation 7 is not known" in error(await http.get(path), 404)["message"]


async def installed(http: httpx.AsyncClient, version: str) -> dict[str, Any]:
    """An installation once it has ended."""
    install = (await http.post("/interpreters/install", json={"version": version})).json()
    async with asyncio.timeout(60):
        await http.get(f"/interpreters/installs/{install['id']}/stream")
    state: dict[str, Any] = (await http.get(f"/interpreters/installs/{install['id']}")).json()
    return state


# --- looked for again ------------------------------------------------------------------------------------------------


@pytest.fixture
def known(interpreters: Interpreters, settings: Settings) -> Interpreters:
    """What was found long ago, on a machine where nobody can look again."""
    found = Interpreters(Uv(settings))
    found._found = interpreters._found
    found._uv._binary = "/nonexistent/uv"
    return found


async def test_a_run_does_not_wait_until_interpreters_are_looked_for_again(known: Interpreters) -> None:
    default = await known.default()
    assert default.is_default
    with pytest.raises(FileNotFoundError):
        await known.list()


async def test_a_default_interpreter_that_is_gone_is_looked_for(known: Interpreters, tmp_path: Path) -> None:
    known._found = tuple(replace(one, path=tmp_path / "gone") for one in known._found)
    with pytest.raises(FileNotFoundError):
        await known.default()


# --- as it is --------------------------------------------------------------------------------------------------------


async def test_an_interpreter_can_be_an_environment_as_it_is(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock, tmp_path: Path
) -> None:
    path = wrapper(tmp_path / "own" / "python3")
    added = (await http.post("/interpreters", json={"path": str(path)})).json()
    made = await create(http, source="interpreter", interpreter_id=added["id"])
    assert (made["source"], made["interpreter_id"], made["packages"]) == ("interpreter", added["id"], None)
    await builder.step(clock())
    shown = (await http.get(f"/environments/{made['id']}")).json()
    assert (shown["active_build"]["state"], shown["active_build"]["interpreter_path"]) == ("ready", str(path))
    packages = (await http.get(f"/environments/{made['id']}/packages")).json()["items"]
    assert "pip" in {package["name"] for package in packages}
    assert "pip==" in (await http.get(f"/builds/{shown['active_build']['id']}/lock")).text
    in_use = error(await http.delete(f"/interpreters/{added['id']}"), 409)
    assert "is used by the environment 'etl'" in in_use["message"]
    chosen = error(await http.patch(f"/environments/{made['id']}", json={"python": "3"}), 422)
    assert chosen["details"][0]["field"] == "python"
    other = (await http.patch(f"/environments/{made['id']}", json={"packages": ["water"]})).json()
    assert (other["source"], other["interpreter_id"]) == ("packages", None)


async def test_an_environment_may_take_a_range_of_pythons(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock
) -> None:
    made = await create(http, python=f">=3.8,<={VERSION}")
    await builder.step(clock())
    found = (await http.get(f"/environments/{made['id']}")).json()["active_build"]["python_version"]
    able = [item["version"] for item in (await http.get("/interpreters")).json()["items"] if item["supported"]]
    assert found == max((one for one in able if Version(one) <= Version(VERSION)), key=Version)
