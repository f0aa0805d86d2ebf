"""A secret stands nowhere but where a script reads it."""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from psycopg import sql

from kumo.settings import Settings
from tests.server import KumoServer
from tests.variables.conftest import Set

CANARY = "Zx9-canary+/=ü-7Qp"
LONG_CANARY = CANARY + "long " * 40_000


def forms(secret: str) -> Iterator[bytes]:
    """The secret as it stands, and as others write it down."""
    raw = secret.encode()
    yield from (raw, raw.hex().encode(), quote(secret).encode(), json.dumps(secret)[1:-1].encode())
    for shift in range(3):
        # Without the characters that depend on what stands beside it.
        yield base64.b64encode(b"x" * shift + raw)[4:-4]


def assert_clean(place: object, content: bytes) -> None:
    for form in forms(CANARY):
        assert form not in content, f"the secret stands in {place}"


async def test_a_secret_is_in_no_table_no_log_and_no_answer(
    client: httpx.AsyncClient,
    set_variable: Set,
    project_id: int,
    task_id: int,
    stored_settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    answers: list[Any] = [
        await set_variable("TOKEN", CANARY, secret=True, scope="project", scope_id=project_id),
        await set_variable("CERT", LONG_CANARY, secret=True),
    ]
    url = f"/variables/{answers[0]['id']}"
    refused = {"name": "TOKEN", "value": CANARY, "scope": "project", "scope_id": project_id}
    answers += [
        answer.text
        for answer in (
            await client.patch(url, json={"value": CANARY + "2"}),
            await client.post("/variables", json=refused),
            await client.patch(url, json={"value": CANARY + "\0"}),
            await client.patch(url, json={"value": [CANARY]}),
            await client.get(url),
            await client.get("/variables"),
            await client.get(f"{url}/versions"),
            await client.get(f"/variables/effective?task_id={task_id}"),
        )
    ]
    assert_clean("an answer", json.dumps(answers, ensure_ascii=False).encode())
    assert_clean("the log", caplog.text.encode())
    assert_clean("the database", dump(stored_settings))
    assert b"TOKEN" in dump(stored_settings)


def dump(settings: Settings) -> bytes:
    """Everything that is in the database, as bytes."""
    if settings.database_url is None:
        with closing(sqlite3.connect(settings.home / "kumo.db")) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return b"".join(path.read_bytes() for path in settings.home.glob("kumo.db*"))
    with psycopg.connect(settings.database_url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows: list[Any] = []
        for (table,) in tables:
            columns = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))).fetchall()
            rows += [value if isinstance(value, bytes) else str(value).encode() for row in columns for value in row]
    return b"\n".join(rows)


@pytest.mark.acceptance
def test_a_script_gets_its_secrets_and_nobody_else(tmp_path: Path) -> None:
    """The script says with its exit code whether it got them; afterwards every file of Kumo is searched."""
    script = f"""
import os, pathlib
assert os.environ["TOKEN"] == {CANARY[:9]!r} + {CANARY[9:]!r}
path = pathlib.Path(os.environ["CERT_FILE"])
assert path.read_text().startswith({CANARY[:9]!r} + {CANARY[9:]!r})
assert path.parent == pathlib.Path(os.environ["KUMO_VARIABLES_DIR"])
assert path.stat().st_mode & 0o077 == 0
assert "KUMO_SECRET_KEY" not in os.environ
"""
    with KumoServer(tmp_path / "home", KUMO_LOG_LEVEL="debug") as server:
        client = server.client
        project = client.post("/projects", json={"name": "canary"}).raise_for_status().json()["id"]
        client.put(f"/projects/{project}/files/main.py", json={"content": script}).raise_for_status()
        wanted = {"name": "canary", "project_id": project, "command": "python main.py"}
        task = client.post("/tasks", json=wanted).raise_for_status().json()["id"]
        for name, value in (("TOKEN", CANARY), ("CERT", LONG_CANARY)):
            client.post("/variables", json={"name": name, "value": value, "secret": True}).raise_for_status()
        run = client.post(f"/tasks/{task}/run", json={}).raise_for_status().json()["id"]
        deadline = time.monotonic() + 60
        while (seen := client.get(f"/runs/{run}").json())["state"] in ("queued", "starting", "running"):
            assert time.monotonic() < deadline, seen
            time.sleep(0.05)
        assert seen["state"] == "succeeded", client.get(f"/runs/{run}/log").text
        assert seen["variable_versions"].keys() == {"TOKEN", "CERT"}
        assert_clean("the run", json.dumps(seen, ensure_ascii=False).encode())
    for path in server.home.rglob("*"):
        if path.is_file():
            assert_clean(path, path.read_bytes())
    assert_clean("standard error", server.log().encode())
