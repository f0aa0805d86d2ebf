"""Which Python somebody asks for: an exact version, the start of one, or a specifier. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from kumo.errors import InvalidInput

_VERSION = re.compile(r"3(\.\d{1,3}){0,2}([ab]\d{1,3}|rc\d{1,3})?")
_LONGEST = 100


@dataclass(frozen=True, kw_only=True)
class PythonRequest:
    """What was asked for, as it was written, and the versions that suit it."""

    text: str
    specifier: SpecifierSet

    def matches(self, version: str) -> bool:
        """Whether an interpreter of this version will do; a pre-release does, if it is what there is."""
        return self.specifier.contains(Version(version), prereleases=True)


def parse_python_request(text: str, *, field: str = "python") -> PythonRequest:
    """Read “3.12.1”, “3.12” or “>=3.11,<3.13”; anything else is an `InvalidInput` at `field`."""
    text = text.strip()
    if _VERSION.fullmatch(text):
        exact = text.count(".") == 2  # noqa: PLR2004 - major.minor.patch
        return PythonRequest(text=text, specifier=SpecifierSet(f"=={text}" if exact else f"=={text}.*"))
    try:
        specifier = SpecifierSet(text if len(text) <= _LONGEST else "")
    except InvalidSpecifier:
        specifier = SpecifierSet()
    if not specifier:
        shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
        message = f"“{shown}” is no Python version; write one such as 3.12, 3.12.1 or >=3.11,<3.13."
        raise InvalidInput.at(field, message)
    return PythonRequest(text=text, specifier=specifier)
