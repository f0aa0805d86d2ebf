"""Pulls that nobody has asked for: by webhooks, by a schedule, after a crash."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
from fastapi import FastAPI
from sqlalchemy import select, update

from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.projects.git.models import GitSource
from kumo.projects.git.puller import Puller
from tests.databases import on_one_database
from tests.projects.git.conftest import Asking
from tests.projects.git.far_sides import HttpsGit, Repository
from tests.server import KumoServer

MAIN = json.dumps({"ref": "refs/heads/main"}).encode()


@on_one_database
async def test_a_push_pulls_what_it_concerns(
    ask: Asking, stranger: httpx.AsyncClient, repository: Repository, app: FastAPI
) -> None:
    project = await ask.create(str(repository.bare))
    await ask.end_of(project)
    made = (await ask.client.post(f"/projects/{project['id']}/webhook", json={"secret": "s3cret wörd"})).json()
    address = made["url_path"].removeprefix("/api/v1")
    assert (await ask.show(project))["git"]["webhook_secret"] is True
    repository.commit({"main.py": "print('pushed')\n"})

    def proof(body: bytes) -> str:
        return hmac.new("s3cret wörd".encode(), body, hashlib.sha256).hexdigest()

    async def call(body: bytes, **headers: str) -> httpx.Response:
        return await stranger.post(address, content=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    for wrong in ({}, {"X_Hub_Signature_256": "sha256=0"}, {"X_Gitlab_Token": "guess"}, {"X_Gitea_Signature": "0"}):
        assert (await call(MAIN, **wrong)).status_code == 403
    ping = await call(b"{}", X_Hub_Signature_256=f"sha256={proof(b'{}')}", X_GitHub_Event="ping")
    assert (ping.status_code, ping.json()["pull_id"]) == (202, None)
    other = json.dumps({"ref": "refs/heads/else"}).encode()
    assert (await call(other, X_Gitea_Signature=proof(other))).json()["pull_id"] is None
    pulled = await call(MAIN, X_Hub_Signature_256=f"sha256={proof(MAIN)}")
    assert (await ask.end_of(project, pulled.json()["pull_id"]))["cause"] == "webhook"
    assert (await ask.files(project))["main.py"] == "print('pushed')\n"
    form = await stranger.post(
        address, data={"payload": MAIN.decode()}, headers={b"X-Gitlab-Token": "s3cret wörd".encode()}
    )
    assert form.json()["pull_id"] is not None

    # Without a secret the address alone opens, and a call without a body is enough.
    plain = (await ask.client.post(f"/projects/{project['id']}/webhook")).json()
    assert (await call(MAIN)).status_code == 404
    again = plain["url_path"].removeprefix("/api/v1")
    assert (await stranger.post(again)).json()["pull_id"] is not None
    assert (await stranger.post(again, content=b"x")).status_code == 422
    assert (await ask.client.delete(f"/projects/{project['id']}/webhook")).status_code == 204
    assert (await stranger.post(again)).status_code == 404
    assert plain["url_path"].rpartition("/")[2] not in str(await _rows(app.state.database))


async def _rows(database: Database) -> list[dict[str, Any]]:
    async with database.read() as session:
        return [vars(source) for source in await session.scalars(select(GitSource))]


async def test_a_schedule_pulls_when_it_is_due(ask: Asking, repository: Repository, app: FastAPI) -> None:
    project = await ask.create(str(repository.bare), pull_every_seconds=60)
    await ask.end_of(project)
    repository.commit({"main.py": "print('later')\n"})
    database: Database = app.state.database
    puller = Puller(database, app.state.settings, utc_now, app.state.vault)
    assert await puller.step(utc_now()) == 0
    async with database.write() as session:
        await session.execute(update(GitSource).values(next_pull_at=utc_now() - timedelta(seconds=1)))
    await puller.step(utc_now())
    assert (await ask.end_of(project))["cause"] == "schedule"
    shown = await ask.show(project)
    assert shown["git"]["pulled"]["subject"] == "Change it"
    assert shown["git"]["next_pull_at"] > shown["git"]["last_pull"]["queued_at"]


@on_one_database
async def test_a_pull_that_takes_too_long_is_ended_with_all_that_it_started(
    ask: Asking, repository: Repository, https: HttpsGit, app: FastAPI
) -> None:
    project = await ask.create(https.url(), credential_id=await ask.credential())
    await ask.end_of(project)
    await app.state.loops.stop()
    https.held.set()
    await ask.client.post(f"/projects/{project['id']}/sync")
    hasty = app.state.settings.model_copy(update={"git_timeout_seconds": 0.5})
    await Puller(app.state.database, hasty, utc_now, app.state.vault).step(utc_now())
    ended = await ask.end_of(project)
    assert (ended["problem"], "KUMO_GIT_TIMEOUT_SECONDS" in ended["message"]) == ("timeout", True)
    assert _gits(app.state.settings.home) == []


def _gits(home: Path) -> list[psutil.Process]:
    return [each for each in psutil.process_iter() if _works_in(each, home / "pulls")]


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_a_pull_that_a_kill_has_cut_short_is_carried_out_at_the_next_start(
    repository: Repository, https: HttpsGit, tmp_path: Path
) -> None:
    https.password = None
    https.held.set()
    with KumoServer(tmp_path / "served", KUMO_GIT_CA_FILE=str(https.authority)) as server:
        asked = server.client.post("/projects", json={"name": "quotes", "git": {"url": https.url()}}).json()
        path = f"/projects/{asked['id']}/pulls"
        _until(lambda: server.client.get(path).json()["items"][0]["state"] == "running" and _gits(server.home))
        left = {git.pid for git in _gits(server.home)}
        server.kill()
        server.start()
        _until(lambda: (now := {git.pid for git in _gits(server.home)}) and not now & left)
        https.held.clear()
        _until(lambda: server.client.get(path).json()["items"][0]["state"] == "succeeded")
        assert len(server.client.get(path).json()["items"]) == 1
        assert len(server.client.get(f"/projects/{asked['id']}/snapshots").json()["items"]) == 2
        assert _gits(server.home) == []
        pulled = server.run_command("project", "pull", "quotes")
        assert (pulled.returncode, "is here already" in pulled.stdout) == (0, True), pulled.stderr
        made = server.run_command("project", "create", "copy", "--git", https.url(), "--branch", "main", "--json")
        assert (made.returncode, json.loads(made.stdout)["file_count"]) == (0, 1), made.stderr
        none = server.run_command("project", "create", "none", "--git", https.url("none.git"))
        assert (none.returncode, "no repository" in none.stderr) == (1, True)
        assert server.run_command("project", "rm", "none", "--yes").returncode == 0


def _until(is_so: Any) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
