"""Addresses that people give: of package indexes, of proxies, of directories with wheels. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import SplitResult, urlsplit

from kumo.errors import InvalidInput

_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_NO_PROXY = "Write the proxy's address, as http://proxy.example:3128 or socks5://proxy.example:1080."
_GIVE_BOTH_APART = "The address must not hold a user name or password; give them as index_credentials."


def check_index_url(url: str, *, field: str = "index_url") -> str:
    """Accept the address of a package index; one with a password in it is refused, because it would be shown."""
    url = url.strip()
    parts = _parts(url)
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname or not _is_plain(url):
        raise InvalidInput.at(field, "The address of a package index starts with https:// or http://.")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput.at(field, _GIVE_BOTH_APART)
    return url


def check_proxy(proxy: str, *, instead: str, field: str = "proxy") -> str:
    """Accept a proxy's address; `instead` is the sentence that says where its password belongs."""
    proxy = proxy.strip()
    parts = _parts(proxy)
    if parts is None or parts.scheme not in _PROXY_SCHEMES or not parts.hostname or not _is_plain(proxy):
        raise InvalidInput.at(field, _NO_PROXY)
    if parts.username is not None or parts.password is not None:
        raise InvalidInput.at(field, f"The address holds a user or a password. {instead}")
    return proxy


def check_wheel_folder(path: str, *, field: str = "wheel_folder") -> str:
    """Accept the path of a directory on the server; whether it is there, a build finds out."""
    path = path.strip()
    if not path.startswith("/") or "," in path or not path.isprintable() or ".." in PurePosixPath(path).parts:
        message = "Write the whole path of a directory on the server, such as /srv/wheels, without commas in it."
        raise InvalidInput.at(field, message)
    return path


def begins_with(address: str, beginning: str) -> bool:
    """Whether an address lies at or below another one: the same server, and a path within its path."""
    whole, part = _parts(address), _parts(beginning)
    if whole is None or part is None or _server(whole) != _server(part):
        return False
    inner, outer = PurePosixPath(whole.path or "/"), PurePosixPath(part.path or "/")
    return inner == outer or outer in inner.parents


def _parts(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    return None if port == 0 else parts


def _server(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _is_plain(address: str) -> bool:
    return address.isprintable() and " " not in address
