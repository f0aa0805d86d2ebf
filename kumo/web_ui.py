"""The built web UI, served from the package: files with a hash in their name for ever, the page itself never cached."""

from __future__ import annotations

import mimetypes
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

WEB_DIRECTORY = Path(str(files("kumo"))) / "web"

_ASSETS = "/assets/"
_FOR_EVER = "public, max-age=31536000, immutable"
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))


def serve_web_ui(request: Request) -> Response:
    """The file of this path, or the page for every other path: the router in the page knows the rest."""
    if request.method not in ("GET", "HEAD"):
        return PlainTextResponse("Only reading is possible here.\n", status_code=405)
    path = _file_of(request.url.path)
    if path is None and request.url.path.startswith(_ASSETS):
        return PlainTextResponse("There is no such file. Load the page again.\n", status_code=404)
    if path is None:
        index = WEB_DIRECTORY / "index.html"
        if not index.is_file():
            return PlainTextResponse("The web UI has not been built. Run: make web\n", status_code=404)
        return FileResponse(index, headers={"Cache-Control": "no-cache"})
    return _encoded(request, path)


def _file_of(url_path: str) -> Path | None:
    if "\x00" in url_path:
        return None
    wanted = (WEB_DIRECTORY / url_path.lstrip("/")).resolve()
    return wanted if wanted.is_file() and wanted.is_relative_to(WEB_DIRECTORY.resolve()) else None


def _encoded(request: Request, path: Path) -> Response:
    """The file, or its compressed twin where the browser takes it."""
    cached = _FOR_EVER if path.parent.name == "assets" else "no-cache"
    headers = {"Cache-Control": cached, "Vary": "Accept-Encoding"}
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    accepted = request.headers.get("accept-encoding", "")
    for encoding, suffix in _ENCODINGS:
        twin = path.with_name(path.name + suffix)
        if encoding in accepted and twin.is_file():
            return FileResponse(twin, media_type=media_type, headers=headers | {"Content-Encoding": encoding})
    return FileResponse(path, media_type=media_type, headers=headers)
