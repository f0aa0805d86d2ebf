"""Builds that are a Python of somebody else with what it holds: it is asked, and nothing is installed."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from pathlib import Path

from packaging.utils import canonicalize_name

from kumo.environments.backends.interface import BuildFailed, BuildOrder, Foundation, Locked
from kumo.environments.builds.installed import Installed, InstalledPackage
from kumo.environments.interpreters.probe import installed_packages, probe
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.errors import InvalidInput


class ExistingBackend:
    """Makes directories with nothing in them but a `python` that starts the one that is there."""

    is_movable = True

    async def resolve(self, order: BuildOrder, folder: Path) -> Locked:  # noqa: ARG002 - of the interface
        """What the Python holds now; an older list of it cannot be had again."""
        assert order.spec.interpreter is not None, "the definition names it"
        path = Path(order.spec.interpreter)
        try:
            facts, found = await probe(path), await installed_packages(path)
        except InvalidInput as error:
            raise BuildFailed(error.message) from None
        order.log.line(f"Python {facts.version} at {path}, as it is")
        versions = {canonicalize_name(name): version for name, version in found.items()}
        lines = [f"# {path}", *(f"{name}=={version}" for name, version in sorted(versions.items()))]
        text = "".join(f"{line}\n" for line in lines)
        return Locked(text=text, python=Foundation(**asdict(facts), path=path))

    async def install(self, order: BuildOrder, locked: Locked, target: Path, folder: Path) -> None:  # noqa: ARG002
        """Write the starters."""
        assert locked.python.path is not None, "it is a Python that is there"
        await asyncio.to_thread(_write_starters, target / "bin", locked.python.path)

    def installed(self, order: BuildOrder, locked: Locked, target: Path) -> Installed:  # noqa: ARG002
        """What the lock says: nothing lies in the directory itself."""
        lines = [line.split("==") for line in locked.text.splitlines() if not line.startswith("#")]
        found = [InstalledPackage(name=name, version=version, size_bytes=0) for name, version in lines]
        return Installed(packages={one.name: one for one in found})

    async def variables(self, target: Path, folder: Path) -> Mapping[str, str]:  # noqa: ARG002 - of the interface
        """None: where its Python lies says all."""
        return {}

    def direct_names(self, spec: EnvironmentSpec) -> AbstractSet[str]:  # noqa: ARG002
        """None: nothing was asked for."""
        return frozenset()


def _write_starters(programs: Path, interpreter: Path) -> None:
    programs.mkdir(parents=True)
    # Not a link: Python would look for its library beside it.
    starter = f'#!/bin/sh\nexec {shlex.quote(str(interpreter))} "$@"\n'
    for name in ("python", "python3"):
        (programs / name).write_text(starter, "utf-8")
        (programs / name).chmod(0o755)
