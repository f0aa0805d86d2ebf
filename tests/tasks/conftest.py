"""A project to make tasks for, over HTTP."""

from __future__ import annotations

import httpx
import pytest


@pytest.fixture
async def project_id(client: httpx.AsyncClient) -> int:
    """A project without files, so that nothing of it can run."""
    answer = await client.post("/projects", json={"name": "etl"})
    return int(answer.json()["id"])
