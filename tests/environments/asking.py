"""What tests ask of the routes of environments."""

from __future__ import annotations

from typing import Any

import httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from kumo.access.credentials import Caller
from kumo.access.permissions import Actor, Role


class SignedIn:
    """Stands where the gate stands: everybody is Ada."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["kumo.caller"] = Caller(actor=Actor(user_id=1, username="ada", role=Role.ADMIN), token_id=1)
        await self._app(scope, receive, send)


async def create(http: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await http.post("/environments", json={"name": "etl"} | fields)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def error(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()["error"]
    return body
