"""The same few packages for every backend, so that one suite of tests can ask the same of all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from kumo.environments.needs.environment_yml import conda_spec
from kumo.environments.needs.spec import EnvironmentSpec
from tests.environments.conda_channel import CondaChannel, environment_yml, serve_channel
from tests.environments.package_index import PackageIndex, serve_packages


class Ground(Protocol):
    """Where one backend finds packages, and how it is asked for them."""

    server: PackageIndex
    slow_downloads: str  # part of the path of a file that is fetched when all has been resolved

    def offer(self, name: str, version: str, *, requires: Sequence[str] = (), code: str = "") -> None:
        """Offer a module with `VERSION` and a program that prints both; requirements are “water<2”."""

    def fields(self, *packages: str) -> dict[str, Any]:
        """What the API is told of an environment with these packages."""

    def spec(self, *packages: str) -> EnvironmentSpec:
        """The same as a spec."""


class UvGround:
    """A package index."""

    slow_downloads = "snow-1.0"

    def __init__(self, server: PackageIndex) -> None:
        self.server = server

    def offer(self, name: str, version: str, *, requires: Sequence[str] = (), code: str = "") -> None:
        """Offer a wheel."""
        self.server.add_wheel(name, version, requires=requires, code=code)

    def fields(self, *packages: str) -> dict[str, Any]:
        """A list of packages."""
        return {"packages": list(packages), "index_url": self.server.url}

    def spec(self, *packages: str) -> EnvironmentSpec:
        """Requirements."""
        return EnvironmentSpec(requirements=packages, index_url=self.server.url)


class CondaGround:
    """A channel over HTTP."""

    slow_downloads = "snow-1.0"

    def __init__(self, server: PackageIndex, channel: CondaChannel) -> None:
        self.server = server
        self._channel = channel

    @property
    def url(self) -> str:
        """The address of the channel."""
        return self.server.url.replace("/simple", "/channel")

    def offer(self, name: str, version: str, *, requires: Sequence[str] = (), code: str = "") -> None:
        """Offer a package, with a blank in what it needs, as conda wants it."""
        depends = [one.replace("<", " <").replace(">", " >") for one in requires]
        self._channel.add_module(name, version, depends=depends, code=code)

    def fields(self, *packages: str) -> dict[str, Any]:
        """An environment.yml."""
        return {"environment_yml": environment_yml("python", *packages, channels=[self.url])}

    def spec(self, *packages: str) -> EnvironmentSpec:
        """What it says."""
        return conda_spec(self.fields(*packages)["environment_yml"])


@contextmanager
def ground_of(backend: str, folder: Path) -> Iterator[Ground]:
    """The packages `water` 1.0 and 2.0, `snow`, which needs the former, and `steam`, which needs the latter."""
    ground: Ground
    if backend == "uv":
        with serve_packages() as index:
            ground = UvGround(index)
            _stock(ground)
            yield ground
    else:
        channel = CondaChannel(folder)
        channel.add_python()
        with serve_channel(channel) as server:
            ground = CondaGround(server, channel)
            _stock(ground)
            yield ground


def _stock(ground: Ground) -> None:
    ground.offer("water", "1.0")
    ground.offer("water", "2.0")
    ground.offer("snow", "1.0", requires=["water<2"])
    ground.offer("steam", "1.0", requires=["water>=2"])


def as_json(spec: EnvironmentSpec) -> str:
    """A spec for another process."""
    return json.dumps(spec.to_json())
