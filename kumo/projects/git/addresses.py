"""Which repository a project follows, and what of it: checked before git sees a word of it. Pure.

An address or a reference that git could read as an option, as another transport, or as a command is refused here, and
not only by how git is called.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from kumo.errors import InvalidInput

Scheme = Literal["https", "ssh", "file"]
RefKind = Literal["branch", "tag", "commit"]

LONGEST_URL = 2000
LONGEST_REF = 250
_SHOWN = 120

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/]*)@)?(?P<place>[^/@]*)(?P<path>/.*)?")
_PLACE = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]{1,5}))?")
_SHORT = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^\]]*\]|[^:/@]+):(?P<path>(?!/{2}).+)")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NOT_IN_A_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_PORTS = {"https": 443, "ssh": 22, "file": 0}


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a repository is."""

    url: str  # as git is given it
    scheme: Scheme
    host: str  # "" for a directory
    port: int

    @property
    def host_name(self) -> str:
        """The host as files of known hosts write it."""
        return known_host_name(self.host, self.port)

    @property
    def origin(self) -> str:
        """Scheme, host and port: all that a password may be sent to."""
        return f"{self.scheme}://{self.host}" + (f":{self.port}" if self.port != _PORTS[self.scheme] else "")


@dataclass(frozen=True, kw_only=True)
class Ref:
    """What of a repository is followed: a branch, a tag, a commit; no name means its main branch."""

    kind: RefKind = "branch"
    name: str | None = None

    def __str__(self) -> str:
        """In words."""
        if self.name is None:
            return "the main branch"
        return f"{self.kind} {self.name if self.kind != 'commit' else self.name[:12]}"


def known_host_name(host: str, port: int) -> str:
    """A host as files of known hosts write it: with its port where that is not the usual one."""
    bare = host.strip("[]").lower()
    return bare if port == _PORTS["ssh"] else f"[{bare}]:{port}"


def read_address(raw: str, *, allow_local: bool, field: str = "git.url") -> Address:
    """The address of a repository: https://…, ssh://…, or user@host:path; `InvalidInput` for everything else."""
    url = raw.strip()
    _refuse_unsafe(url, field)
    if "::" in url and "[" not in url:
        raise _wrong(field, url, "“::” names a helper program; give an address that begins with https:// or ssh://")
    if match := _URL.fullmatch(url):
        return _from_url(url, match, allow_local=allow_local, field=field)
    if url.startswith("/"):
        return _local(url, url, allow_local=allow_local, field=field)
    if match := _SHORT.fullmatch(url):
        host, port = _host(match["host"], None, "ssh", url, field)
        _check_user(match["user"], url, field)
        if match["path"].startswith("-"):
            raise _wrong(field, url, "its path begins with “-”, which programs take for an option")
        return Address(url=url, scheme="ssh", host=host, port=port)
    raise _wrong(field, url, "write it as https://host/path, ssh://user@host/path or user@host:path")


def read_ref(*, branch: str | None, tag: str | None, commit: str | None) -> Ref:
    """What is followed, from the one of three fields that is given; none means the main branch."""
    fields: tuple[tuple[RefKind, str | None], ...] = (("branch", branch), ("tag", tag), ("commit", commit))
    given = [(kind, name) for kind, name in fields if name is not None]
    if len(given) > 1:
        raise InvalidInput.at(f"git.{given[1][0]}", "Give a branch, a tag or a commit: one of them.")
    if not given:
        return Ref()
    kind, name = given[0]
    if kind == "commit":
        return Ref(kind=kind, name=_commit(name))
    return Ref(kind=kind, name=_ref_name(name, field=f"git.{kind}", kind=kind))


def is_commit(text: str) -> bool:
    """Whether this is the whole id of a commit."""
    return _COMMIT.fullmatch(text) is not None


def _refuse_unsafe(url: str, field: str) -> None:
    if not url:
        raise InvalidInput.at(field, "The address of the repository is empty.")
    if len(url) > LONGEST_URL:
        raise InvalidInput.at(field, f"The address of the repository is longer than {LONGEST_URL:,} characters.")
    if not url.isprintable() or any(char.isspace() for char in url):
        raise InvalidInput.at(field, "The address of the repository has white space or a control character in it.")
    if url.startswith("-"):
        raise _wrong(field, url, "it begins with “-”, which programs take for an option")


def _from_url(url: str, match: re.Match[str], *, allow_local: bool, field: str) -> Address:
    scheme, path = match["scheme"].lower(), match["path"] or ""
    if scheme == "file":
        return _local(url, path, allow_local=allow_local, field=field)
    if scheme in {"http", "git"}:
        raise InvalidInput.at(
            field,
            f"{scheme}:// is not encrypted, so that anybody on the way could change the code. Use https:// or ssh://.",
        )
    if scheme not in {"https", "ssh"}:
        raise _wrong(field, _without_user(url), "only https:// and ssh:// are possible")
    if scheme == "https" and match["user"] is not None:
        raise InvalidInput.at(
            field, "The address has a user name or a password in it, which would be shown. Put them into a credential."
        )
    if scheme == "ssh":
        _check_user(match["user"], _without_user(url), field)
    if "?" in path or "#" in path:
        raise _wrong(field, url, "it has “?” or “#” in it; give the address that `git clone` takes")
    if path.strip("/") == "":
        raise _wrong(field, url, "the path of the repository is missing")
    place = _PLACE.fullmatch(match["place"])
    if place is None:
        raise _wrong(field, url, "its host or port is none")
    host, port = _host(place["host"], place["port"], scheme, url, field)
    return Address(
        url=f"{scheme}{url[len(scheme) :]}", scheme="https" if scheme == "https" else "ssh", host=host, port=port
    )


def _local(url: str, path: str, *, allow_local: bool, field: str) -> Address:
    if not allow_local:
        raise InvalidInput.at(
            field,
            "Repositories in directories of the server are not allowed. Use https:// or ssh://, or let an operator "
            "set KUMO_GIT_ALLOW_LOCAL.",
        )
    if not path.startswith("/") or ".." in path.split("/"):
        raise _wrong(field, url, "a directory is given by its whole path")
    return Address(url=f"file://{path}", scheme="file", host="", port=0)


def _host(host: str, port: str | None, scheme: str, url: str, field: str) -> tuple[str, int]:
    if not _HOST.fullmatch(host):
        raise _wrong(field, url, "its host is none")
    number = _PORTS[scheme] if port is None else int(port)
    if not 0 < number < 1 << 16:
        raise _wrong(field, url, "its port is none")
    return host.lower(), number


def _check_user(user: str | None, url: str, field: str) -> None:
    if user is not None and ":" in user:
        raise InvalidInput.at(field, "The address has a password in it, which would be shown. Use a credential.")
    if user is not None and not _USER.fullmatch(user):
        raise _wrong(field, url, "its user name has characters in it that no user name has")


def _without_user(url: str) -> str:
    """An address as it may stand in a sentence: whatever stands before the host may be a password."""
    return re.sub(r"//[^/]*@", "//…@", url)


def _commit(raw: str) -> str:
    name = raw.strip().lower()
    if not is_commit(name):
        raise InvalidInput.at(
            "git.commit", "A commit is given by its whole id: 40 hexadecimal digits, as `git rev-parse HEAD` prints it."
        )
    return name


def _ref_name(raw: str, *, field: str, kind: str) -> str:
    name = raw.strip()
    parts = name.split("/")
    if (
        not name
        or len(name) > LONGEST_REF
        or not name.isprintable()
        or _NOT_IN_A_REF.search(name)
        or name.startswith("-")
        or name in {"@", "HEAD"}
        or any(not part or part.startswith(".") or part.endswith((".", ".lock")) for part in parts)
    ):
        raise InvalidInput.at(
            field, f"This is no name that a {kind} of git can have. Give it as `git {kind}` shows it."
        )
    return name


def _wrong(field: str, url: str, why: str) -> InvalidInput:
    shown = _without_user(url)
    shown = f"{shown[:_SHOWN]}…" if len(shown) > _SHOWN else shown
    return InvalidInput.at(field, f"The address “{shown}” cannot be used: {why}.")
