"""The names of all packages of an index, by the simple API, as JSON or as its HTML.

Only an index that is small enough is read: a private one has hundreds of names, a public one hundreds of thousands.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from kumo.environments.indexes.access import IndexAccess

if TYPE_CHECKING:
    import httpx

_LARGEST_BYTES = 4 << 20
_TIMEOUT_SECONDS = 10
_KEPT_SECONDS = 600.0
_REMEMBERED = 100
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


@dataclass(frozen=True, kw_only=True)
class _Listing:
    names: tuple[str, ...] | None
    read_at: float


class IndexListing:
    """Lists indexes, and remembers for ten minutes what came of it, also that one cannot be listed."""

    def __init__(self) -> None:
        self._known: dict[IndexAccess, _Listing] = {}
        self._reading = asyncio.Lock()

    async def names(self, access: IndexAccess) -> tuple[str, ...] | None:
        """The names that the main index has, in their normal form; None when it is not known, too large, or silent."""
        if access.index_url is None or not access.use_index:
            return None
        async with self._reading:
            listing = self._known.get(access)
            if listing is None or monotonic() - listing.read_at >= _KEPT_SECONDS:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                listing = _Listing(names=await _read(access.index_url, access), read_at=monotonic())
                self._known[access] = listing
        return listing.names


async def _read(url: str, access: IndexAccess) -> tuple[str, ...] | None:
    # Loaded with the first search: a server whose people never search saves ten megabytes and a slower start.
    await asyncio.to_thread(import_module, "httpx")
    import httpx  # noqa: PLC0415

    credential = access.credential_for(url)
    auth = None if credential is None else httpx.BasicAuth(credential.username, credential.password)
    try:
        async with (
            asyncio.timeout(_TIMEOUT_SECONDS),
            httpx.AsyncClient(proxy=access.proxy_with_password(), follow_redirects=True, max_redirects=3) as client,
            client.stream("GET", f"{url.rstrip('/')}/", headers={"Accept": _ACCEPT}, auth=auth) as answer,
        ):
            content = await _content(answer)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError):
        return None
    if content is None:
        return None
    found = _names_in(content, is_json="json" in answer.headers.get("Content-Type", ""))
    return tuple(sorted({canonicalize_name(name) for name in found}))


async def _content(answer: httpx.Response) -> bytes | None:
    if not answer.is_success or int(answer.headers.get("Content-Length") or 0) > _LARGEST_BYTES:
        return None
    content = bytearray()
    async for part in answer.aiter_bytes():
        content += part
        if len(content) > _LARGEST_BYTES:
            return None
    return bytes(content)


def _names_in(content: bytes, *, is_json: bool) -> list[str]:
    if not is_json:
        reader = _Anchors()
        reader.feed(content.decode("utf-8", "replace"))
        return reader.names
    try:
        projects = json.loads(content)["projects"]
        return [str(project["name"]) for project in projects]
    except (ValueError, KeyError, TypeError):
        return []


class _Anchors(HTMLParser):
    """The text of each link: what the simple API says is a package's name."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self._within = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's own
        """A link begins a name."""
        self._within = tag == "a"

    def handle_endtag(self, tag: str) -> None:
        """And ends it."""
        if tag == "a":
            self._within = False

    def handle_data(self, data: str) -> None:
        """The name itself."""
        if self._within and data.strip():
            self.names.append(data.strip().rstrip("/"))
