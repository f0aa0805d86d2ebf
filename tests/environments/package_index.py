"""A package index on the loopback interface, with wheels that the test makes up: builds need no network for it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit


class PackageIndex:
    """An index by the simple HTML protocol; counts what it is asked for."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self.files: dict[str, dict[str, bytes]] = {}  # package → file name → content
        self.requires_python: dict[str, str] = {}  # file name → specifier
        self.yanked: dict[str, str] = {}  # file name → why
        self.folder: Path | None = None  # whose files are offered at /channel, as a channel of conda
        self.requests: list[str] = []
        self.lists_as_json = False
        self.status: int | None = None  # answered instead of anything else
        self.user: str | None = None  # "name:password", without which nothing is answered
        self.proxied: list[tuple[str, str | None]] = []  # what was asked for through it as a proxy, and by which user
        self.asked = threading.Event()  # set by the first request that `holds` names
        self.held = threading.Event()  # until it is set, nothing is answered whose path contains `holds`
        self.held.set()
        self.holds = ""

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def leave(self) -> str:
        """Stop to answer, for good; gives the host and port where nobody listens any more."""
        self._server.shutdown()
        self._server.server_close()
        return f"127.0.0.1:{self._server.server_port}"

    def add_wheel(
        self,
        name: str,
        version: str,
        *,
        requires: Sequence[str] = (),
        requires_python: str | None = None,
        code: str = "",
    ) -> None:
        """Offer one version of a package: a module of that name with `VERSION`, `code`, and a console script."""
        file_name = f"{name}-{version}-py3-none-any.whl"
        self.files.setdefault(name, {})[file_name] = wheel(name, version, requires, requires_python, code)
        if requires_python:
            self.requires_python[file_name] = requires_python

    def add_source(self, name: str, version: str, content: bytes) -> None:
        """Offer a version as a source archive alone."""
        self.files.setdefault(name, {})[f"{name}-{version}.zip"] = content

    def hash_of(self, name: str, version: str) -> str:
        """The SHA-256 of a wheel."""
        return hashlib.sha256(self.files[name][f"{name}-{version}-py3-none-any.whl"]).hexdigest()


def wheel(
    name: str, version: str, requires: Sequence[str] = (), requires_python: str | None = None, code: str = ""
) -> bytes:
    """A small wheel."""
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    metadata += [f"Requires-Python: {requires_python}"] if requires_python else []
    info = f"{name}-{version}.dist-info"
    script = f"VERSION = '{version}'\n\n\ndef main():\n    print('{name}', VERSION)\n{code}"
    files = {
        f"{name}/__init__.py": script,
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-tool = {name}:main\n",
    }
    files[f"{info}/RECORD"] = "".join(_record(path, text) for path, text in files.items()) + f"{info}/RECORD,,\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in files.items():
            # A fixed time: the same wheel has the same hash in every test.
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return packed.getvalue()


@contextmanager
def serve_packages() -> Iterator[PackageIndex]:
    """Run an index until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    index = PackageIndex(server)
    _Handler.indexes[server.server_port] = index
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        index.held.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    indexes: ClassVar[dict[int, PackageIndex]] = {}

    def do_GET(self) -> None:
        assert isinstance(self.server, ThreadingHTTPServer)
        index = self.indexes[self.server.server_port]
        index.requests.append(self.path)
        if "://" in self.path:
            index.proxied.append((self.path, _user_in(self.headers["Proxy-Authorization"])))
            self.path = urlsplit(self.path).path
        if index.holds in self.path:
            index.asked.set()
            index.held.wait()
        parts = self.path.split("#")[0].strip("/").split("/")
        files = index.files.get(parts[1], {}) if len(parts) > 1 else {}
        if index.user is not None and _user_in(self.headers["Authorization"]) != index.user:
            self._answer(401, b"no", challenge=True)
        elif index.status is not None:
            self._answer(index.status, b"no")
        elif parts[0] == "channel":
            self._offer(index.folder, "/".join(parts[1:]))
        elif parts == ["simple"]:
            self._list(index)
        elif len(parts) == 2 and files:
            links = "".join(_link(index, name, content) for name, content in files.items())
            self._answer(200, f"<html><body>{links}</body></html>".encode(), "text/html")
        elif len(parts) == 3 and parts[2] in files:
            self._answer(200, files[parts[2]], "application/zip")
        else:
            self._answer(404, b"not found")

    def _offer(self, folder: Path | None, path: str) -> None:
        file = None if folder is None else folder / path
        if file is not None and file.is_file():
            self._answer(200, file.read_bytes(), "application/octet-stream")
        else:
            self._answer(404, b"not found")

    def _list(self, index: PackageIndex) -> None:
        if index.lists_as_json:
            listed = json.dumps({"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in index.files]})
            self._answer(200, listed.encode(), "application/vnd.pypi.simple.v1+json")
        else:
            links = "".join(f'<a href="/simple/{name}/">{name}</a><br/>' for name in index.files)
            self._answer(200, f"<html><body>{links}</body></html>".encode(), "text/html")

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        """Say nothing."""

    def _answer(self, status: int, body: bytes, kind: str = "text/plain", *, challenge: bool = False) -> None:
        # Who asked may be gone: tests kill them.
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if challenge:
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)


def _user_in(header: str | None) -> str | None:
    return None if header is None else base64.b64decode(header.removeprefix("Basic ")).decode()


def _link(index: PackageIndex, name: str, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    python = index.requires_python.get(name, "").replace("<", "&lt;").replace(">", "&gt;")
    asks = f' data-requires-python="{python}"' if python else ""
    yanked = f' data-yanked="{index.yanked[name]}"' if name in index.yanked else ""
    return f'<a href="{name}#sha256={digest}"{asks}{yanked}>{name}</a>'


def _record(path: str, text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(text)}\n"
