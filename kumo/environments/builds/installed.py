"""What an environment's directory holds: its packages, as the metadata in it tells."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

# Directories that many packages carry by mistake, and that nobody imports.
_NOT_IMPORTED = frozenset({"benchmarks", "conftest", "docs", "examples", "setup", "test", "testing", "tests"})


@dataclass(frozen=True, kw_only=True)
class InstalledPackage:
    """One distribution."""

    name: str  # in its normal form
    version: str
    size_bytes: int
    requires: tuple[str, ...] = ()  # names of others here that it needs
    is_direct: bool = False  # asked for by name, not only needed by others
    modules: tuple[str, ...] = ()  # what can be imported of it, at the top
    digest: str = ""  # of its list of files with their hashes: equal ones are the same files
    wishes: tuple[Requirement, ...] = field(default=(), repr=False)  # all that its metadata asks for


@dataclass(frozen=True, kw_only=True)
class Installed:
    """All packages of an environment, by name."""

    packages: Mapping[str, InstalledPackage]

    def closure(self, name: str) -> list[InstalledPackage]:
        """A package and all that it needs, sorted by name."""
        found: dict[str, InstalledPackage] = {}
        waiting = [name]
        while waiting:
            one = self.packages[waiting.pop()]
            if one.name not in found:
                found[one.name] = one
                waiting += one.requires
        return [found[each] for each in sorted(found)]


def read_installed(
    environment: Path, *, direct: Iterable[Requirement], python_version: str, implementation: str
) -> Installed:
    """The packages of an environment; `direct` is what was asked for, which decides about extras."""
    found: dict[str, InstalledPackage] = {}
    for metadata in environment.glob("lib/python*/site-packages/*.dist-info"):
        if (one := read_distribution(metadata)) is not None:
            found[one.name] = one
    markers = _markers(python_version, implementation)
    asked = [one for one in direct if one.marker is None or one.marker.evaluate(markers)]
    return Installed(packages=_connected(found, asked, markers))


def read_distribution(metadata: Path) -> InstalledPackage | None:
    """One package by the directory of its metadata; None when that says nothing."""
    try:
        headers = headers_of(metadata / "METADATA")
        record = (metadata / "RECORD").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    rows = [row for row in csv.reader(record.splitlines()) if row]
    name, _, version = metadata.name.removesuffix(".dist-info").rpartition("-")
    return InstalledPackage(
        name=canonicalize_name(name),
        version=version,
        size_bytes=sum(int(row[2]) for row in rows if len(row) > 2 and row[2].isdigit()),  # noqa: PLR2004 - its columns
        modules=modules_of([row[0] for row in rows]),
        digest=hashlib.sha256(record.encode()).hexdigest(),
        wishes=tuple(_requirements(value for header, value in headers if header == "requires-dist")),
    )


def headers_of(path: Path) -> list[tuple[str, str]]:
    """The headers of a file with metadata, their names in small letters."""
    found = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.strip():
                break
            header, _colon, value = line.partition(":")
            found.append((header.strip().lower(), value.strip()))
    return found


def _requirements(lines: Iterable[str]) -> Iterable[Requirement]:
    for line in lines:
        try:
            yield Requirement(line)
        except InvalidRequirement:  # of an old package; it was installed all the same
            continue


def modules_of(files: Sequence[str]) -> tuple[str, ...]:
    """What can be imported of files in `site-packages`, at the top."""
    found = set()
    for file in files:
        parts = PurePosixPath(file).parts
        name = parts[0].partition(".")[0] if parts else ""
        is_package = len(parts) == 2 and parts[1] == "__init__.py"  # noqa: PLR2004 - a directory and a file
        is_module = len(parts) == 1 and parts[0].endswith((".py", ".so"))
        if (is_package or is_module) and name.isidentifier() and name not in _NOT_IMPORTED and name[0] != "_":
            found.add(name)
    return tuple(sorted(found))


def _markers(python_version: str, implementation: str) -> dict[str, str]:
    name = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}.get(implementation, implementation)
    own = {key: str(value) for key, value in default_environment().items()}
    return own | {
        "python_version": ".".join(python_version.split(".")[:2]),
        "python_full_version": python_version,
        "implementation_name": implementation,
        "implementation_version": python_version,
        "platform_python_implementation": name,
        "extra": "",
    }


def _connected(
    found: Mapping[str, InstalledPackage], asked: Sequence[Requirement], markers: Mapping[str, str]
) -> dict[str, InstalledPackage]:
    """The packages with what each needs, going from what was asked for to what that needs, extras included."""
    direct = {canonicalize_name(one.name) for one in asked}
    edges: dict[str, set[str]] = {name: set() for name in found}
    looked: set[tuple[str, str]] = set()
    waiting: list[tuple[str, str]] = [(name, "") for name in found]
    waiting += [(canonicalize_name(one.name), extra) for one in asked for extra in one.extras]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in looked or name not in found:
            continue
        looked.add((name, extra))
        for wish in found[name].wishes:
            needed = canonicalize_name(wish.name)
            if needed in found and (wish.marker is None or wish.marker.evaluate({**markers, "extra": extra})):
                edges[name].add(needed)
                waiting += [(needed, each) for each in ("", *wish.extras)]
    return {
        name: replace(one, requires=tuple(sorted(edges[name] - {name})), is_direct=name in direct)
        for name, one in sorted(found.items())
    }
