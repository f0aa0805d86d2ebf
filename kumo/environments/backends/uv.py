"""Builds that uv makes: packages of a package index on an interpreter of this machine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kumo.environments.backends.interface import BuildFailed, BuildOrder, Foundation, Locked
from kumo.environments.builds.installed import Installed, read_installed
from kumo.environments.interpreters.finding import Interpreter, Interpreters
from kumo.environments.needs.declarations import direct_requirements
from kumo.environments.needs.requirements import has_hashes
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.environments.tools.uv import Uv
from kumo.errors import InvalidInput, Unavailable

_LOCAL = re.compile(r"(?m)^(?:-e\s+|\S+ @ )?(?P<path>(?:\.{0,2}/|\.$|file:)\S*)")
_LOCKED_NAME = re.compile(r"(?m)^([A-Za-z0-9][A-Za-z0-9._-]*)")


class UvBackend:
    """Makes virtual environments; its locks are requirements files with hashes."""

    is_movable = True

    def __init__(self, uv: Uv, interpreters: Interpreters) -> None:
        self._uv = uv
        self._interpreters = interpreters

    async def resolve(self, order: BuildOrder, folder: Path) -> Locked:
        """Choose an interpreter, and versions that suit it."""
        interpreter = await self._interpreter(order)
        text = _usable_lock(order, interpreter)
        if text is None:
            text = await self._resolve(order, interpreter.path, folder)
        foundation = Foundation(
            version=interpreter.version,
            implementation=interpreter.implementation,
            architecture=interpreter.architecture,
            path=interpreter.path,
        )
        return Locked(text=text, python=foundation)

    async def install(self, order: BuildOrder, locked: Locked, target: Path, folder: Path) -> None:
        """Make an environment that can be moved, and fill it."""
        assert locked.python.path is not None, "it stands on an interpreter"
        lock_file = folder / "install.txt"
        await asyncio.to_thread(lock_file.write_text, locked.text, "utf-8")
        await self._uv.create(target, locked.python.path, on_output=order.log.raw)
        if not locked.text.strip():
            return
        order.log.line("Installing")
        await self._uv.install(target, lock_file, access=order.access, on_output=order.log.raw)

    def installed(self, order: BuildOrder, locked: Locked, target: Path) -> Installed:
        """What the metadata in the environment tells."""
        return read_installed(
            target,
            direct=direct_requirements(order.spec),
            python_version=locked.python.version,
            implementation=locked.python.implementation,
        )

    async def variables(self, target: Path, folder: Path) -> Mapping[str, str]:  # noqa: ARG002 - of the interface
        """None: where its Python lies says all."""
        return {}

    def direct_names(self, spec: EnvironmentSpec) -> AbstractSet[str]:
        """The names in the requirements, or in the project's list."""
        return {canonicalize_name(one.name) for one in direct_requirements(spec)}

    async def _interpreter(self, order: BuildOrder) -> Interpreter:
        try:
            interpreter = await self._interpreters.select(order.spec.python_request)
        except (InvalidInput, Unavailable) as error:
            raise BuildFailed(error.message) from None
        order.log.line(f"Python {interpreter.version} at {interpreter.path}")
        return interpreter

    async def _resolve(self, order: BuildOrder, interpreter: Path, folder: Path) -> str:
        spec, log = order.spec, order.log
        await asyncio.to_thread(_write_inputs, spec, folder)
        if spec.uv_lock is not None:
            log.line("Reading uv.lock")
            await self._uv.export(folder, interpreter, access=order.access, on_output=log.raw)
        elif not spec.requirements:
            return ""
        else:
            log.line(f"Resolving {_count(len(spec.requirements), 'requirement')}")
            await self._uv.compile(folder, interpreter, access=order.access, on_output=log.raw)
        text = await asyncio.to_thread((folder / "lock.txt").read_text, "utf-8")
        if local := _LOCAL.search(text):
            message = (
                f"The lock names “{local['path']}”, a directory; environments are made of packages of an index only."
            )
            raise BuildFailed(message)
        return _with_own_hashes(spec, text) if has_hashes(spec.requirements) else text


def _usable_lock(order: BuildOrder, interpreter: Interpreter) -> str | None:
    """The known lock, if it is for such a Python: it was removed from the machine since, perhaps."""
    if order.lock is None or order.lock_python is None:
        return order.lock
    minor = order.lock_python.split(".")[:2]
    if interpreter.version.split(".")[:2] == minor:
        return order.lock
    order.log.line(f"The lock is for Python {order.lock_python}, which is not taken; resolving anew")
    return None


def _write_inputs(spec: EnvironmentSpec, folder: Path) -> None:
    if spec.uv_lock is not None and spec.pyproject is not None:
        (folder / "pyproject.toml").write_text(spec.pyproject, "utf-8")
        (folder / "uv.lock").write_text(spec.uv_lock, "utf-8")
        return
    (folder / "requirements.in").write_text("".join(f"{line}\n" for line in spec.requirements), "utf-8")
    if spec.constraints:
        (folder / "constraints.txt").write_text("".join(f"{line}\n" for line in spec.constraints), "utf-8")


def _with_own_hashes(spec: EnvironmentSpec, resolved: str) -> str:
    """The requirements as the lock, because their author chose the hashes; every package must be among them."""
    listed = {canonicalize_name(Requirement(line.split(" --hash=")[0]).name) for line in spec.requirements}
    for name in _LOCKED_NAME.findall(resolved):
        if canonicalize_name(name) not in listed:
            message = (
                f"Where one requirement has a hash, all must have one, also those that others need: “{name}” has none."
            )
            raise BuildFailed(message)
    return "\n".join(sorted(spec.requirements)) + "\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
