"""Builds of conda packages, with those of a `pip:` section beside them."""

from __future__ import annotations

import asyncio
import platform
import zipfile
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from packaging.utils import canonicalize_name

from kumo.environments.backends.conda.activation import activated
from kumo.environments.backends.conda.lock import CondaLock, named, spec_name
from kumo.environments.backends.conda.prefix import metadata_files, read_prefix
from kumo.environments.backends.conda.process import Conda
from kumo.environments.backends.interface import BuildFailed, BuildOrder, Foundation, Locked
from kumo.environments.builds.installed import Installed, headers_of
from kumo.environments.needs.declarations import direct_requirements
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.environments.tools.uv import Uv

_SUBDIRS = {"x86_64": "linux-64", "aarch64": "linux-aarch64", "ppc64le": "linux-ppc64le", "s390x": "linux-s390x"}


class CondaBackend:
    """Makes prefixes, whose files know the path that they lie at: installed where they stay."""

    is_movable = False

    def __init__(self, conda: Conda, uv: Uv) -> None:
        self._conda = conda
        self._uv = uv

    async def resolve(self, order: BuildOrder, folder: Path) -> Locked:
        """Choose packages for this machine, and what the `pip:` section comes to beside them."""
        for note in order.spec.notes:
            order.log.line(note)
        lock = _usable_lock(order)
        if lock is None:
            lock = await self._solve(order, folder)
        python = named(lock.packages, "python")
        if python is None:
            raise BuildFailed("None of the packages is a Python. Add “python” to the dependencies.")
        foundation = Foundation(version=python.version, implementation="cpython", architecture=platform.machine())
        return Locked(text=lock.to_text(), python=foundation)

    async def install(self, order: BuildOrder, locked: Locked, target: Path, folder: Path) -> None:
        """Link the packages from the cache, then add those of the `pip:` section."""
        lock = CondaLock.from_text(locked.text)
        order.log.line("Installing")
        await self._conda.install(target, lock, access=order.access, folder=folder, on_output=order.log.raw)
        if lock.requirements.strip():
            lock_file = folder / "install.txt"
            await asyncio.to_thread(lock_file.write_text, lock.requirements, "utf-8")
            await self._uv.install(target, lock_file, access=order.access, is_addition=True, on_output=order.log.raw)

    def installed(self, order: BuildOrder, locked: Locked, target: Path) -> Installed:  # noqa: ARG002 - of the interface
        """What the prefix says of itself."""
        return read_prefix(target, self.direct_names(order.spec))

    async def variables(self, target: Path, folder: Path) -> Mapping[str, str]:
        """What activating the prefix sets."""
        return await activated(target, folder=folder)

    def direct_names(self, spec: EnvironmentSpec) -> AbstractSet[str]:
        """The names among the dependencies, and those of the `pip:` section."""
        return {spec_name(text) for text in spec.conda_packages} | {
            canonicalize_name(one.name) for one in direct_requirements(spec)
        }

    async def _solve(self, order: BuildOrder, folder: Path) -> CondaLock:
        spec, log = order.spec, order.log
        python = [] if spec.python_request is None else [f"python {spec.python_request.specifier}"]
        lock = await self._conda.solve(
            spec.channels,
            [*spec.conda_packages, *python],
            access=order.access,
            folder=folder,
            on_output=log.raw,
        )
        log.line(f"Solved: {len(lock.packages)} packages")
        if not spec.requirements or named(lock.packages, "python") is None:
            return lock
        requirements = await self._resolve_pip(order, lock, folder)
        return CondaLock(platform=lock.platform, packages=lock.packages, requirements=requirements)

    async def _resolve_pip(self, order: BuildOrder, lock: CondaLock, folder: Path) -> str:
        """What the `pip:` section comes to, with what conda brings taken as given.

        1. The packages are installed aside, for their Python and their metadata. 2. What they have for Python is laid
        out as wheels without files, so that also versions which no index has count. 3. uv resolves with just these.
        """
        order.log.line("Resolving what pip: lists, beside the packages of conda")
        prefix, given = folder / "prefix", folder / "given"
        await self._conda.install(prefix, lock, access=order.access, folder=folder, on_output=order.log.raw)
        lines = "".join(f"{line}\n" for line in order.spec.requirements)
        await asyncio.to_thread((folder / "requirements.in").write_text, lines, "utf-8")
        provided = await asyncio.to_thread(_lay_out_given, prefix, given)
        constraints = "".join(f"{name}=={version}\n" for name, version in provided.items())
        await asyncio.to_thread((folder / "constraints.txt").write_text, constraints, "utf-8")
        await self._uv.compile(
            folder, prefix / "bin" / "python", access=order.access, given=given, provided=provided,
            on_output=order.log.raw,
        )  # fmt: skip
        return await asyncio.to_thread((folder / "lock.txt").read_text, "utf-8")


def _usable_lock(order: BuildOrder) -> CondaLock | None:
    """The known lock, if it is for such a machine: the data directory may come from another one."""
    if order.lock is None:
        return None
    lock = CondaLock.from_text(order.lock)
    if lock.platform == _SUBDIRS.get(platform.machine()):
        return lock
    order.log.line(f"The lock is for {lock.platform}, which this machine is not; solving anew")
    return None


def _lay_out_given(prefix: Path, given: Path) -> dict[str, str]:
    """The versions of what a prefix has for Python, each as a wheel with nothing but its metadata."""
    given.mkdir()
    found: dict[str, str] = {}
    for path in metadata_files(prefix):
        headers = dict(headers_of(path))
        name, version = canonicalize_name(headers.get("name", "")), headers.get("version", "")
        if not name or not version:
            continue
        found[name] = version
        stem = f"{name.replace('-', '_')}-{version}"
        with zipfile.ZipFile(given / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{stem}.dist-info/METADATA", path.read_bytes())
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return found
