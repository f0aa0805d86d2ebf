"""Limits of bodies, headers for browsers, health, and the web UI's files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kumo import web_ui
from kumo.access import credentials
from kumo.access.gate import Presented
from kumo.middleware import BodyLimit, OpenStreams, Streams
from kumo.settings import MIB, Settings


async def _in_pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * MIB


async def test_a_stranger_s_body_is_small(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.post("/auth/login", content=b" " * 70_000)
    assert answer.status_code == 413
    assert answer.json()["error"]["message"] == "The request is larger than 64 KiB, the most that is accepted here."


async def test_a_body_that_does_not_say_its_length_is_counted(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.post("/auth/login", content=_in_pieces(1))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"


@pytest.mark.parametrize(
    ("path", "accepted"),
    [("/api/v1/projects", 3), ("/api/v1/projects/7/archive", 3), ("/api/v1/projects/7", 2), ("/api/v1/tasks", 2)],
)
async def test_an_upload_may_be_larger_than_what_is_typed(path: str, accepted: int, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, upload_max_bytes=2 * MIB, file_max_bytes=MIB // 2, _env_file=None)

    async def count(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    transport = httpx.ASGITransport(BodyLimit(count, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://kumo.test") as client:
        for size, status in ((accepted, 200), (accepted + 1, 413)):
            assert (await client.post(path, content=b" " * size * MIB)).status_code == status
            assert (await client.post(path, content=_in_pieces(size))).status_code == status


async def test_pages_and_data_carry_careful_headers(stranger: httpx.AsyncClient) -> None:
    data = await stranger.get("/setup")
    page = await stranger.get("http://kumo.test/tasks/7")
    for answer in (data, page):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "sandbox" in data.headers["content-security-policy"]
    assert data.headers["cache-control"] == "no-store"
    assert "script-src" not in page.headers["content-security-policy"]
    assert "default-src 'self'" in page.headers["content-security-policy"]


async def test_health_tells_a_stranger_nothing_more(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/health")).json() == {"status": "ok"}


async def test_health_tells_the_signed_in_how_the_parts_do(client: httpx.AsyncClient) -> None:
    health = (await client.get("/health")).json()
    assert health["database"] in ("sqlite", "postgresql")
    assert {loop["name"] for loop in health["loops"]} >= {"supervisor", "scheduler", "builder", "access"}
    assert health["pool"]["size"] >= 2
    assert health["disk_free_bytes"] > 0


async def test_version_and_info_describe_the_installation(client: httpx.AsyncClient, settings: Settings) -> None:
    version = (await client.get("/version")).json()
    info = (await client.get("/system/info")).json()
    assert version.items() <= info.items()
    assert info["home"] == str(settings.home)


# --- the web UI's files ----------------------------------------------------------------------------------------------


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A web UI that is built, somewhere else than in the package."""
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<title>Kumo</title>")
    (web / "assets" / "index-4f3a.js").write_text("plain")
    (web / "assets" / "index-4f3a.js.gz").write_bytes(b"gzipped")
    (tmp_path / "secret").write_text("secret")
    monkeypatch.setattr(web_ui, "WEB_DIRECTORY", web)
    return web


async def test_every_path_of_the_page_s_own_router_is_the_page(stranger: httpx.AsyncClient, built: Path) -> None:
    for path in ("/", "/tasks", "/runs/7", "/setup?token=x", "/apiary"):
        answer = await stranger.get(f"http://kumo.test{path}")
        assert answer.text == "<title>Kumo</title>"
        assert answer.headers["cache-control"] == "no-cache"


async def test_files_with_a_hash_are_kept_for_ever_and_sent_compressed(
    stranger: httpx.AsyncClient, built: Path
) -> None:
    url = "http://kumo.test/assets/index-4f3a.js"
    plain = await stranger.get(url, headers={"Accept-Encoding": "identity"})
    assert plain.text == "plain"
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["vary"] == "Accept-Encoding"
    async with stranger.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        assert "javascript" in packed.headers["content-type"]
        assert b"".join([chunk async for chunk in packed.aiter_raw()]) == b"gzipped"


async def test_no_path_leads_out_of_the_web_ui(stranger: httpx.AsyncClient, built: Path) -> None:
    for path in ("/../secret", "/assets/../../secret", "/%2e%2e/secret", "/..%2fsecret", "//etc/passwd", "/a%00b"):
        url = httpx.URL("http://kumo.test").copy_with(raw_path=path.encode())
        answer = await stranger.send(httpx.Request("GET", url))
        assert "secret" not in answer.text, path
        assert "root:" not in answer.text, path
        assert answer.status_code in (200, 404), path


async def test_a_missing_file_is_not_the_page(stranger: httpx.AsyncClient, built: Path) -> None:
    answer = await stranger.get("http://kumo.test/assets/index-gone.js")
    assert answer.status_code == 404


async def test_without_a_built_ui_the_page_says_what_to_do(
    stranger: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_ui, "WEB_DIRECTORY", tmp_path / "nothing")
    answer = await stranger.get("http://kumo.test/")
    assert answer.status_code == 404
    assert "make web" in answer.text


# --- event streams ---------------------------------------------------------------------------------------------------


async def test_a_stream_that_is_ended_ends_properly() -> None:
    streams = OpenStreams()
    sent: list[dict[str, Any]] = []
    opened = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b": hello\n\n", "more_body": True})
        opened.set()
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    answering = asyncio.create_task(Streams(endless, streams)(scope, _nothing, send))
    await opened.wait()
    streams.end_all()
    await answering
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_an_answer_that_is_no_stream_is_left_alone() -> None:
    streams = OpenStreams()
    may_end, began = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        began.set()
        await may_end.wait()

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    answering = asyncio.create_task(Streams(slow, streams)(scope, _nothing, _ignore))
    await began.wait()
    streams.end_all()
    may_end.set()
    await answering


async def test_a_revoked_token_ends_its_streams(app: FastAPI, client: httpx.AsyncClient) -> None:
    made = (await client.post("/tokens", json={"name": "viewer"})).json()
    messages: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    headers = [(b"authorization", f"Bearer {made['token']}".encode())]
    path = "/api/v1/events"
    # httpx would wait for the end of the answer before it shows any of it.
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "query_string": b"", "headers": headers}
    listening = asyncio.create_task(app(scope, _nothing, messages.put))
    assert (await messages.get())["status"] == 200
    assert b"reset" in (await messages.get())["body"]

    await client.delete(f"/tokens/{made['id']}")
    await asyncio.wait_for(listening, 5)
    assert not messages.get_nowait()["more_body"]
    assert await app.state.authenticator.identify(Presented(secret=made["token"], by_cookie=False)) is None


async def test_events_tell_which_rows_have_changed(app: FastAPI, client: httpx.AsyncClient) -> None:
    from kumo.db.changes import announce  # noqa: PLC0415
    from kumo.system.api import _events  # noqa: PLC0415

    events = _events(app.state.database)
    assert b"reset" in await anext(events)
    async with app.state.database.write() as session:
        await credentials.renew_setup_token(session, app.state.loops.clock())
        announce(session, "task", 7)
        announce(session, "queue", 8)
    assert await anext(events) == b'event: task\ndata: {"id": 7}\n\n'
    await events.aclose()  # type: ignore[attr-defined]


async def _nothing() -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


async def _ignore(_message: Any) -> None:
    pass
