"""What one build holds that another does not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version


@dataclass(frozen=True, kw_only=True)
class VersionChange:
    """One package in two versions."""

    name: str
    before: str
    after: str

    @property
    def is_upgrade(self) -> bool | None:
        """Whether the later one is newer; None when the versions cannot be compared."""
        try:
            return Version(self.after) > Version(self.before)
        except InvalidVersion:
            return None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """From one build to another; every list is sorted by name."""

    added: tuple[tuple[str, str], ...]  # name and version
    removed: tuple[tuple[str, str], ...]
    changed: tuple[VersionChange, ...]


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> Difference:
    """What changes from one set of packages (name → version) to another."""
    return Difference(
        added=tuple(sorted((name, after[name]) for name in after.keys() - before.keys())),
        removed=tuple(sorted((name, before[name]) for name in before.keys() - after.keys())),
        changed=tuple(
            VersionChange(name=name, before=before[name], after=after[name])
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        ),
    )
