"""Projects, tasks and variables over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

Set = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def project_id(client: httpx.AsyncClient) -> int:
    """A project without files."""
    return int((await client.post("/projects", json={"name": "etl"})).json()["id"])


@pytest.fixture
async def task_id(client: httpx.AsyncClient, project_id: int) -> int:
    """A task of it."""
    wanted = {"name": "nightly", "project_id": project_id, "command": "true"}
    return int((await client.post("/tasks", json=wanted)).json()["id"])


@pytest.fixture
def set_variable(client: httpx.AsyncClient) -> Set:
    """Set a variable by its fields, and give it as it is answered."""

    async def call(name: str, value: str, **fields: Any) -> dict[str, Any]:
        answer = await client.post("/variables", json={"name": name, "value": value} | fields)
        assert answer.status_code == 201, answer.text
        variable: dict[str, Any] = answer.json()
        return variable

    return call
