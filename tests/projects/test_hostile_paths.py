"""No route of a project that takes a path reads, writes or deletes anything outside, whatever the path."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import httpx
from fastapi import FastAPI

from kumo.app import create_app
from kumo.runs.scratch_api import router as scratch_router
from kumo.settings import Settings
from tests.databases import on_one_database
from tests.projects.hostile import HOSTILE_PATHS, PAYLOADS

SECRET = "the secret that lies outside"
# Names of parameters, of fields in JSON and of parts of forms that are paths, or come to be parts of one.
PATHS = {"path", "source", "target", "folder", "include", "file"}
Question = tuple[str, str, dict[str, Any]]


def in_address(payload: str) -> str:
    # The dots too: a client would take “..” out of the address itself.
    return quote(payload.encode("utf-8", "surrogatepass"), safe="").replace(".", "%2E")


def in_query(url: str, name: str, payload: str) -> str:
    return f"{url}?{name}={in_address(payload)}"


def as_json(values: dict[str, str]) -> dict[str, Any]:
    # Half characters too, as escapes: there is no other way for them to come.
    return {"content": json.dumps(values), "headers": {"content-type": "application/json"}}


def form(payload: str, **fields: str) -> dict[str, Any]:
    """A form with one file, written out: a client would mend the file's name."""
    name = payload.encode("utf-8", "surrogatepass").replace(b'"', b"%22").replace(b"\r", b"").replace(b"\n", b"")
    parts = [b'form-data; name="file"; filename="%s"\r\n\r\nx' % name]
    parts += [
        b'form-data; name="%s"\r\n\r\n%s' % (key.encode(), value.encode("utf-8", "surrogatepass"))
        for key, value in fields.items()
    ]
    content = b"".join(b"--b\r\ncontent-disposition: %s\r\n" % part for part in parts) + b"--b--\r\n"
    return {"content": content, "headers": {"content-type": "multipart/form-data; boundary=b"}}


# How each route is asked.
ROUTES: dict[tuple[str, str], list[Callable[[str], Question]]] = {
    ("get", "/tree"): [lambda p: ("GET", in_query("/tree", "path", p), {})],
    ("get", "/files/{path}"): [lambda p: ("GET", f"/files/{in_address(p)}?raw=true", {})],
    ("get", "/images/{path}"): [lambda p: ("GET", f"/images/{in_address(p)}", {})],
    ("put", "/files/{path}"): [lambda p: ("PUT", f"/files/{in_address(p)}", as_json({"content": "x"}))],
    ("delete", "/files/{path}"): [lambda p: ("DELETE", f"/files/{in_address(p)}", {})],
    ("post", "/files/move"): [
        lambda p: ("POST", "/files/move", as_json({"source": p, "target": "new.py"})),
        lambda p: ("POST", "/files/move", as_json({"source": "main.py", "target": p})),
    ],
    ("post", "/folders"): [lambda p: ("POST", "/folders", as_json({"path": p}))],
    ("post", "/files"): [
        lambda p: ("POST", "/files", form(p)),
        lambda p: ("POST", "/files", form("x.py", folder=p)),
    ],
    ("get", "/search"): [lambda p: ("GET", in_query("/search", "include", p) + "&q=secret", {})],
    # The first state of the first project.
    ("get", "/snapshots/{snapshot_id}/diff"): [lambda p: ("GET", in_query("/snapshots/1/diff", "path", p), {})],
    ("get", "/outputs"): [lambda p: ("GET", in_query("/outputs", "path", p), {})],
    ("delete", "/outputs"): [lambda p: ("DELETE", in_query("/outputs", "path", p), {})],
    **{
        ("get", f"/outputs/{what}"): [lambda p, what=what: ("GET", in_query(f"/outputs/{what}", "path", p), {})]  # type: ignore[misc]
        for what in ("file", "image", "preview", "sizes", "archive")
    },
    ("post", "/scratch"): [lambda p: ("POST", "/scratch", as_json({"path": p}))],
}
# The archive's name is shown and never opened; what is in it has a corpus of its own.
NO_PATHS = {("post", "/archive")}


def fields_of(schema: Any, components: dict[str, Any]) -> set[str]:
    """The names of all fields of a schema, at any depth."""
    if isinstance(schema, list):
        return set().union(*(fields_of(each, components) for each in schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    if "$ref" in schema:
        return fields_of(components[schema["$ref"].rpartition("/")[2]], components)
    found = set(schema.get("properties", {}))
    return found.union(*(fields_of(value, components) for value in schema.values()))


def routes_with_paths(document: dict[str, Any]) -> set[tuple[str, str]]:
    components = document["components"]["schemas"]
    found = set()
    for path, operations in document["paths"].items():
        below = path.removeprefix("/api/v1/projects/{project_id}")
        for method, operation in operations.items():
            names = {parameter["name"] for parameter in operation.get("parameters", [])}
            names |= fields_of(operation.get("requestBody", {}).get("content", {}), components)
            if below != path and names & PATHS:
                found.add((method, below))
    return found - NO_PATHS


@on_one_database
async def test_no_route_gets_outside_whatever_the_path(
    browser: httpx.AsyncClient, app: FastAPI, stored_settings: Settings
) -> None:
    document = create_app(stored_settings).openapi()
    assert routes_with_paths(document) == set(ROUTES), "each route that takes a path is asked with all of them"
    app.include_router(scratch_router, prefix="/api/v1")
    assert len(PAYLOADS) >= 500
    project = (await browser.post("/projects", json={"name": "quotes"})).json()
    url = f"/projects/{project['id']}"
    request = browser.build_request("GET", url)
    caller = Caller(app=app, url=request.url.path, headers=[(k.lower(), v) for k, v in request.headers.raw])
    await browser.put(f"{url}/files/main.py", json={"content": "print(1)\n"})
    (stored_settings.home / "secret").write_text(SECRET)
    outside = stored_settings.home.parent
    before = {path for path in outside.rglob("*") if "store" not in path.parts}
    for route, askers in ROUTES.items():
        for ask in askers:
            for payload in PAYLOADS:
                await _ask(caller, route[1], payload, ask)
    after = {path for path in outside.rglob("*") if "store" not in path.parts}
    assert {path.name for path in after - before} <= {"kumo.db-wal", "kumo.db-shm", "uploads"}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Calls the program as a server does: a client takes longer for a question than the program for its answer."""

    app: FastAPI
    url: str
    headers: list[tuple[bytes, bytes]]

    async def call(self, method: str, address: str, content: dict[str, Any]) -> tuple[int, str]:
        """The status and the text of an answer."""
        path, _, query = f"{self.url}{address}".partition("?")
        own = [(name.encode(), value.encode()) for name, value in content.get("headers", {}).items()]
        body = content.get("content", b"")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [*self.headers, *own],
            "client": ("127.0.0.1", 1),
            "server": ("kumo.test", 80),
        }
        sent: list[Any] = []
        asked = iter([{"type": "http.request", "body": body.encode() if isinstance(body, str) else body}])

        async def receive() -> Any:
            found = next(asked, None)
            # Whoever looks whether the client is still there waits, until the answer has been sent.
            return found if found is not None else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return sent[0]["status"], b"".join(each.get("body", b"") for each in sent).decode("utf-8", "replace")


async def _ask(caller: Caller, route: str, payload: str, ask: Callable[[str], Question]) -> None:
    method, address, content = ask(payload)
    status, text = await caller.call(method, address, content)
    shown = (method, route, payload, status, text[:300])
    assert SECRET not in text, shown
    assert status < 500, shown
    if payload in HOSTILE_PATHS and not _is_harmless(method, route, payload, content):
        assert status in {404, 405, 409, 422}, shown


def _is_harmless(method: str, route: str, payload: str, content: dict[str, Any]) -> bool:
    if route == "/search":
        return True  # a pattern that fits nothing finds nothing
    if payload == "":
        return route in {"/tree", "/outputs", "/outputs/sizes", "/outputs/archive", "/files"}  # the top
    # Half a character comes as a sign that stands for it, but in JSON; no end of a line comes in a form, and of a
    # Windows path the last name alone.
    is_form = "multipart" in str(content)
    is_in_json = "json" in str(content) and "{path}" not in route
    is_changed = any("\ud800" <= char <= "\udfff" for char in payload) and not is_in_json
    return is_changed or (
        is_form and (bool({"\r", "\n"} & set(payload)) or payload[1:3] == ":\\" or payload[:2] == "\\\\")
    )
