"""The lock of a conda environment: the address and the hash of every file, as text. Pure.

It is what conda calls an explicit specification, which conda and mamba install from as well. What the solver knew of
each package stands in a comment before it. The packages of the `pip:` section are comments that begin with “# pip ”.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_PLATFORM = "# platform: "
_PIP = "# pip "
_EXPLICIT = "@EXPLICIT"
_FILE = re.compile(r"(?P<name>[^/#]+)-(?P<version>[^-/#]+)-(?P<build>[^-/#]+?)(?:\.conda|\.tar\.bz2)")
_SPEC_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class LockedPackage:
    """One file of a channel."""

    url: str
    digest: str  # "sha256:…", or "md5:…" of channels that know no better
    known: dict[str, Any]  # what else is needed to install it, see `program`

    @property
    def name(self) -> str:
        """Its name in the channel."""
        return self._part("name")

    @property
    def version(self) -> str:
        """Its version, without its build."""
        return self._part("version")

    def _part(self, part: str) -> str:
        found = _FILE.fullmatch(self.url.rpartition("/")[2])
        assert found is not None, "the solver gives files of packages alone"
        return found[part]


@dataclass(frozen=True, kw_only=True)
class CondaLock:
    """All that a prefix holds."""

    platform: str  # as conda names it: linux-64
    packages: tuple[LockedPackage, ...]
    requirements: str = ""  # of the `pip:` section, with hashes

    def to_text(self) -> str:
        """As it is kept and downloaded."""
        lines = [f"{_PLATFORM}{self.platform}", _EXPLICIT]
        for one in sorted(self.packages, key=lambda one: one.name):
            kind, _, digest = one.digest.partition(":")
            # conda takes a bare digest for MD5.
            lines += [f"# {json.dumps(one.known, sort_keys=True)}"]
            lines += [f"{one.url}#{digest}" if kind == "md5" else f"{one.url}#{one.digest}"]
        lines += [f"{_PIP}{line}" for line in self.requirements.splitlines()]
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def from_text(cls, text: str) -> CondaLock:
        """Read what `to_text` gave."""
        platform, packages, pip, known = "", list[LockedPackage](), list[str](), {}
        for line in text.splitlines():
            if line.startswith(_PLATFORM):
                platform = line.removeprefix(_PLATFORM)
            elif line.startswith(_PIP):
                pip.append(line.removeprefix(_PIP))
            elif line.startswith("# "):
                known = json.loads(line.removeprefix("# "))
            elif line != _EXPLICIT:
                url, _, digest = line.rpartition("#")
                digest = digest if ":" in digest else f"md5:{digest}"
                packages.append(LockedPackage(url=url, digest=digest, known=known))
        return cls(platform=platform, packages=tuple(packages), requirements="".join(f"{line}\n" for line in pip))


def spec_name(spec: str) -> str:
    """The name in what conda reads as a package: “numpy >=1.26”, “bioconda::samtools”."""
    found = _SPEC_NAME.match(spec.rpartition("::")[2])
    return "" if found is None else found[0].lower()


def named(packages: Sequence[LockedPackage], name: str) -> LockedPackage | None:
    """The package of a name."""
    return next((one for one in packages if one.name == name), None)
