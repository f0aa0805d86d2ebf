from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kumo.app import create_app
from kumo.settings import Settings
from tests.projects.git.far_sides import PASSWORD, USER, HttpsGit, Repository, SshGit, new_key

Asked = dict[str, Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the far side keeps its repositories."""
    return tmp_path / "far"


@pytest.fixture
def repository(root: Path) -> Repository:
    """A repository with a first commit."""
    made = Repository(root)
    made.commit({"main.py": "print('one')\n"}, "Begin")
    return made


@pytest.fixture
def https(root: Path, tmp_path: Path) -> Iterator[HttpsGit]:
    """The repositories over https, for whoever has the password."""
    far = HttpsGit(root, tmp_path / "certificate")
    yield far
    far.close()


@pytest.fixture
def key(tmp_path: Path) -> tuple[str, str]:
    """A private key and its public one."""
    return new_key(tmp_path)


@pytest.fixture
def ssh(root: Path, key: tuple[str, str]) -> Iterator[SshGit]:
    """The repositories over ssh, for whoever has the key."""
    far = SshGit(root, key[1])
    yield far
    far.close()


@pytest.fixture
def settings(settings: Settings, https: HttpsGit) -> Settings:
    """Settings that trust the far side's certificate."""
    return settings.model_copy(update={"git_ca_file": https.authority, "git_allow_local": True})


@pytest.fixture
async def app(stored_settings: Settings) -> AsyncIterator[FastAPI]:
    """The whole program, which pulls in the background."""
    made = create_app(stored_settings)
    async with made.router.lifespan_context(made):
        yield made


class Asking:
    """What tests ask of the routes."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def credential(self, **fields: str) -> int:
        body = {"name": "deploy", "kind": "password", "username": USER, "secret": PASSWORD} | fields
        answer = await self.client.post("/git/credentials", json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    async def create(self, url: str, **git: Any) -> Asked:
        answer = await self.client.post("/projects", json={"name": "quotes", "git": {"url": url} | git})
        assert answer.status_code == 201, answer.text
        made: Asked = answer.json()
        return made

    async def pull(self, project: Asked, **wish: Any) -> Asked:
        """Ask for a pull, and wait for its end."""
        answer = await self.client.post(f"/projects/{project['id']}/sync", json=wish)
        assert answer.status_code == 202, answer.text
        return await self.end_of(project, answer.json()["id"])

    async def end_of(self, project: Asked, pull_id: int | None = None) -> Asked:
        """Wait for the end of a pull; of the newest one without an id."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            pulls = (await self.client.get(f"/projects/{project['id']}/pulls")).json()["items"]
            pull = next((each for each in pulls if pull_id in (None, each["id"])), None)
            if pull is not None and pull["state"] not in ("queued", "running"):
                ended: Asked = pull
                return ended
            await asyncio.sleep(0.02)
        raise AssertionError("the pull does not end")

    async def files(self, project: Asked) -> dict[str, str]:
        tree = (await self.client.get(f"/projects/{project['id']}/tree")).json()["entries"]
        return {
            each["path"]: (await self.client.get(f"/projects/{project['id']}/files/{each['path']}")).json()["content"]
            for each in tree
            if each["type"] == "file"
        }

    async def show(self, project: Asked) -> Asked:
        shown: Asked = (await self.client.get(f"/projects/{project['id']}")).json()
        return shown

    async def snapshots(self, project: Asked) -> list[Asked]:
        found: list[Asked] = (await self.client.get(f"/projects/{project['id']}/snapshots")).json()["items"]
        return found


@pytest.fixture
def ask(client: httpx.AsyncClient) -> Asking:
    return Asking(client)


@pytest.fixture
def command_lines() -> Iterator[Callable[[], str]]:
    """What any account of the machine sees of programs while the test runs: their arguments, and their environments."""
    seen: set[bytes] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    for file in ("cmdline", "environ"):
                        try:
                            seen.add((process / file).read_bytes())
                        except OSError:
                            continue
            ended.wait(0.002)

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    yield lambda: b"\n".join(seen).decode("utf-8", "replace")
    ended.set()
    watching.join()
