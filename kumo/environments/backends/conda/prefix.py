"""What lies in a prefix of conda: its own packages, as `conda-meta` tells, and those that uv has put beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from kumo.environments.backends.conda.lock import spec_name
from kumo.environments.builds.installed import Installed, InstalledPackage, modules_of, read_distribution

_SITE_PACKAGES = "/site-packages/"


@dataclass(frozen=True, kw_only=True)
class _CondaPackage:
    """One record of `conda-meta`."""

    name: str
    record: dict[str, Any]

    @property
    def files(self) -> list[str]:
        return [one["_path"] for one in self.record["paths_data"]["paths"]]

    @property
    def distributions(self) -> set[str]:
        """The directories with the metadata of what it has for Python."""
        return {file.rpartition("/")[0] for file in self.files if file.endswith(".dist-info/METADATA")}


def read_prefix(prefix: Path, direct: Iterable[str]) -> Installed:
    """All packages of a prefix; `direct` are the names that were asked for."""
    own = _records(prefix)
    owners = {folder: one.name for one in own for folder in one.distributions}
    beside = [one for folder, one in _distributions(prefix) if folder not in owners]
    # What a distribution asks for has another name in conda, at times.
    called = {_name_in(folder): name for folder, name in owners.items()} | {one.name: one.name for one in beside}
    found = {one.name: _described(one, own) for one in own}
    found |= {one.name: _connected(one, called) for one in beside}
    asked = frozenset(direct)
    return Installed(packages={name: replace(one, is_direct=name in asked) for name, one in sorted(found.items())})


def metadata_files(prefix: Path) -> list[Path]:
    """The metadata of all distributions for Python; those of the older kind are known to conda alone."""
    places = ("*.dist-info/METADATA", "*.egg-info/PKG-INFO", "*.egg-info")
    found = (path for place in places for path in prefix.glob(f"lib/python*/site-packages/{place}"))
    return sorted(path for path in found if path.is_file())


def _records(prefix: Path) -> list[_CondaPackage]:
    records = [json.loads(path.read_bytes()) for path in sorted((prefix / "conda-meta").glob("*.json"))]
    return [_CondaPackage(name=record["name"], record=record) for record in records]


def _distributions(prefix: Path) -> list[tuple[str, InstalledPackage]]:
    folders = (path.parent for path in metadata_files(prefix) if path.name == "METADATA")
    found = ((folder.relative_to(prefix).as_posix(), read_distribution(folder)) for folder in folders)
    return [(folder, one) for folder, one in found if one is not None]


def _name_in(folder: str) -> str:
    return canonicalize_name(folder.rpartition("/")[2].removesuffix(".dist-info").rpartition("-")[0])


def _described(one: _CondaPackage, all_of_them: Sequence[_CondaPackage]) -> InstalledPackage:
    names = {each.name for each in all_of_them}
    needs = {spec_name(wish) for wish in one.record.get("depends", [])}
    in_python = [file.partition(_SITE_PACKAGES)[2] for file in one.files if _SITE_PACKAGES in f"/{file}"]
    digest = one.record.get("sha256") or one.record.get("md5") or ""
    return InstalledPackage(
        name=one.name,
        version=one.record["version"],
        size_bytes=sum(each.get("size_in_bytes") or 0 for each in one.record["paths_data"]["paths"]),
        requires=tuple(sorted(needs & names - {one.name})),
        modules=modules_of(in_python),
        digest=hashlib.sha256(f"{one.record['url']}\0{digest}".encode()).hexdigest(),
    )


def _connected(one: InstalledPackage, called: dict[str, str]) -> InstalledPackage:
    needs = {called[name] for wish in one.wishes if (name := canonicalize_name(wish.name)) in called}
    return replace(one, requires=tuple(sorted(needs - {one.name})))
