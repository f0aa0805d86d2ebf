"""What makes builds of one kind: the interface that all backends stand behind. `by_name` lists them.

A backend resolves what is asked for into a lock, installs a lock into a directory, and says what lies there. Choosing
the directory, sharing it between equal locks, trying its imports and publishing it are the same for all: see
`building.assembly`.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from kumo.environments.builds.installed import Installed
from kumo.environments.builds.log import BuildLog
from kumo.environments.indexes.access import IndexAccess
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.errors import KumoError


class BuildFailed(KumoError):
    """The build cannot be made; the message is one line that says why, `output` the end of what the tool printed."""

    code = "conflict"

    def __init__(self, message: str, *, output: str | None = None) -> None:
        super().__init__(message)
        self.output = output


@dataclass(frozen=True, kw_only=True)
class BuildOrder:
    """What is to be built, how packages are reached, and where it is told how that goes."""

    spec: EnvironmentSpec
    access: IndexAccess
    lock: str | None = None  # where one is known already, the build is made from it
    lock_python: str | None = None  # the version of Python that the lock is for
    now: datetime
    log: BuildLog


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """The Python that a lock is for."""

    version: str
    implementation: str
    architecture: str
    path: Path | None = None  # None where Python is a package of the build itself


@dataclass(frozen=True, kw_only=True)
class Locked:
    """What a wish came to: a text from which the same can be made again, and the Python that it is for."""

    text: str
    python: Foundation


class Backend(Protocol):
    """One way to make builds. Each method may raise `BuildFailed`, or `ToolFailed` for what a tool could not do.

    A call that is cancelled leaves no process behind. `folder` is a directory to work in, and is removed at the end.
    """

    @property
    def is_movable(self) -> bool:
        """Whether what was installed works under another name; otherwise it is installed where it stays."""

    async def resolve(self, order: BuildOrder, folder: Path) -> Locked:
        """The lock of what is asked for; the order's own where that still fits."""

    async def install(self, order: BuildOrder, locked: Locked, target: Path, folder: Path) -> None:
        """Put exactly what the lock names into `target`, so that `bin/python` in it starts its Python."""

    def installed(self, order: BuildOrder, locked: Locked, target: Path) -> Installed:
        """What lies in a directory that `install` has filled; blocks."""

    async def variables(self, target: Path, folder: Path) -> Mapping[str, str]:
        """What runs find in their environment because they run in a directory that `install` has filled."""

    def direct_names(self, spec: EnvironmentSpec) -> AbstractSet[str]:
        """The packages that are asked for by name, as `builds.installed` calls them."""
