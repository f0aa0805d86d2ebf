"""A program of its own that solves and installs conda packages: the one module that knows rattler.

It is started for one task and ends with it (`process`): the solver's memory goes with it, and its crash is a failed
build. The task stands in standard input, as JSON; the answer is one line of standard output; what a person wants to
follow goes to standard error. Channels are asked with the passwords of the task, which no argument holds.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from rattler import (
    BuildString,
    Channel,
    ChannelConfig,
    Client,
    Gateway,
    InstallerReporter,
    MatchSpec,
    PackageRecord,
    RepoDataRecord,
    SourceConfig,
    Subdir,
    VirtualPackage,
    VirtualPackageOverrides,
    install,
    solve,
)
from rattler.exceptions import InvalidMatchSpecError
from rattler.networking import AddHeadersMiddleware, RetryMiddleware

from kumo.environments.needs.addresses import begins_with

# What installing needs to know of a package, and what tells which needs which.
_KNOWN = ("build_number", "depends", "noarch", "python_site_packages_path", "size")


def main() -> None:
    """Do what is asked for; exit code 1 with `error` in the answer when it cannot be done."""
    task = json.loads(sys.stdin.read())
    try:
        answer = asyncio.run(_solve(task) if task["do"] == "solve" else _install(task))
    except Exception as error:  # noqa: BLE001 - the library has no common class; each is told with its own words
        _say(str(error))
        _end({"error": type(error).__name__, "text": str(error)}, code=1)
    _end(answer, code=0)


def _end(answer: dict[str, Any], *, code: int) -> NoReturn:
    """Answer, and go at once: the library's threads crash when Python puts itself away before them."""
    sys.stdout.write(json.dumps(answer))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


async def _solve(task: dict[str, Any]) -> dict[str, Any]:
    config = ChannelConfig(task["channel_alias"]) if task["channel_alias"] else ChannelConfig()
    channels = [Channel(name, config) for name in task["channels"]]
    machine = [one.into_generic() for one in VirtualPackage.detect(VirtualPackageOverrides.from_env())]
    named = ", ".join(f"{one.name.normalized} {one.version} {one.build_string}" for one in machine)
    _say(f"Solving for {Subdir.current()}, which has {named}")
    gateway = Gateway(
        cache_dir=Path(task["cache"]) / "repodata",
        default_config=SourceConfig(cache_action="force-cache-only" if task["offline"] else "cache-or-fetch"),
        client=_client(task, [channel.base_url for channel in channels]),
    )
    records = await solve(
        channels,
        [_spec(text, config) for text in task["packages"]],
        gateway=gateway,
        virtual_packages=machine,
    )
    return {"platform": str(Subdir.current()), "packages": [_locked(record) for record in records]}


def _spec(text: str, config: ChannelConfig) -> MatchSpec:
    """A package as people write it; a channel before its name is looked for where the others are."""
    channel, _, rest = text.rpartition("::")
    try:
        return MatchSpec(f"{Channel(channel, config).base_url}::{rest}" if channel else text)
    except InvalidMatchSpecError as error:
        raise ValueError(f"“{text}” cannot be read as a package of conda: {error}") from None


def _locked(record: RepoDataRecord) -> dict[str, Any]:
    said = json.loads(record.to_json())
    digest = next((f"{kind}:{said[kind]}" for kind in ("sha256", "md5") if said.get(kind)), None)
    if digest is None:
        raise ValueError(f"{record.url} has no hash in its channel, and cannot be locked.")
    return {"url": record.url, "digest": digest, "known": {name: said[name] for name in _KNOWN if said.get(name)}}


async def _install(task: dict[str, Any]) -> dict[str, Any]:
    packages, cache = task["packages"], Path(task["cache"]) / "packages"
    if task["offline"]:
        _refuse_absent(packages, cache)
    await install(
        [_record(one) for one in packages],
        task["prefix"],
        cache_dir=cache,
        show_progress=False,
        reporter=_Reporter(),  # type: ignore[abstract] # what it does not say itself says nothing
        client=_client(task, [one["url"] for one in packages]),
        installed_packages=[],
    )
    return {}


def _refuse_absent(packages: list[dict[str, Any]], cache: Path) -> None:
    for one in packages:
        stem = _stem(one["url"])
        if not one["url"].startswith("file:") and not (cache / stem).exists():
            raise ValueError(f"“{stem}” is not in the cache, and Kumo is set to work without the network.")


def _record(locked: dict[str, Any]) -> RepoDataRecord:
    url, known = locked["url"], locked["known"]
    folder, _, file_name = url.rpartition("/")
    channel, _, subdir = folder.rpartition("/")
    name, version, build = _stem(url).rsplit("-", 2)
    kind, _, digest = locked["digest"].partition(":")
    record = PackageRecord(
        name,
        version,
        BuildString(build),
        known.get("build_number", 0),
        subdir,
        noarch=known.get("noarch"),
        depends=known.get("depends", []),
        python_site_packages_path=known.get("python_site_packages_path"),
        size=known.get("size"),
        sha256=bytes.fromhex(digest) if kind == "sha256" else None,
        md5=bytes.fromhex(digest) if kind == "md5" else None,
    )
    return RepoDataRecord(record, file_name, url, channel)


def _stem(url: str) -> str:
    return url.rpartition("/")[2].removesuffix(".conda").removesuffix(".tar.bz2")


def _client(task: dict[str, Any], urls: list[str]) -> Client:
    """Asks for what lies under the addresses of the task with the password that is for it."""
    allowed: list[tuple[str, str, str]] = []
    for url in urls:
        suitable = [one for one in task["credentials"] if begins_with(url, one["url"])]
        if suitable:
            one = max(suitable, key=lambda one: len(one["url"]))
            said = base64.b64encode(f"{one['username']}:{one['password']}".encode()).decode()
            where = urlsplit(url)
            allowed.append((where.hostname or "", where.path, f"Basic {said}"))

    def headers(host: str, path: str) -> dict[str, str] | None:
        for hostname, beginning, said in allowed:
            if host == hostname and path.startswith(beginning):
                return {"Authorization": said}
        return None

    return Client([RetryMiddleware(task["retries"]), AddHeadersMiddleware(headers)])


class _Reporter(InstallerReporter):
    """Says what is downloaded."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def on_populate_cache_start(self, operation: int, package_name: str) -> int:  # noqa: ARG002 - of the interface
        """Remember the name under a number."""
        self._names.append(package_name)
        return len(self._names) - 1

    def on_download_start(self, cache_entry: int) -> int:
        """Say the name."""
        _say(f"Downloading {self._names[cache_entry]}")
        return cache_entry


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
