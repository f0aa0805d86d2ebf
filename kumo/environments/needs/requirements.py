"""Reading lists of packages and requirements files, and refusing what is no package of an index. Pure.

Allowed are names with extras, versions, markers and hashes, and `name @ https://…`. Refused are options, paths and
commands: what an environment holds must follow from its text alone, not from files that lie about on the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from kumo.errors import InvalidInput

LONGEST_TEXT = 512 * 1024
_LONGEST_LINE = 4000  # without its hashes
_SHOWN = 60

_HASH = re.compile(r"\s--hash[= ](?P<hash>(?:sha256|sha384|sha512):[0-9a-f]{64,128})(?=\s|$)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDE = re.compile(r"(?P<option>-r|--requirement|-c|--constraint)(?:\s*=\s*|\s*)(?P<path>\S.*)")
_URL_SCHEMES = ("https", "http", "git+https")
_ARCHIVE_ENDINGS = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One logical line of a requirements file: continuations joined, comments gone."""

    number: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Include:
    """Another file that a requirements file names."""

    path: str
    constraint: bool  # `-c`: limits versions, installs nothing


def parse_packages(packages: Sequence[str], *, field: str = "packages") -> tuple[str, ...]:
    """Check a list with one requirement in each entry; blank entries are left out."""
    found = []
    for index, package in enumerate(packages):
        place = f"{field}.{index}"
        if "\n" in package or "\r" in package:
            raise InvalidInput.at(place, f"Write one package in each entry; “{_shown(package)}” has several lines.")
        if text := _COMMENT.sub("", package).strip():
            found.append(check_requirement(text, place))
    return tuple(found)


def parse_requirements(text: str, *, field: str = "requirements") -> tuple[str, ...]:
    """Check the text of a requirements file that stands alone; errors name the line."""
    found = []
    for line in logical_lines(text, field):
        where = f"Line {line.number}: "
        if include := include_of(line):
            message = (
                f"{where}“{_shown(line.text)}” names another file; write the lines of {include.path} here instead."
            )
            raise InvalidInput.at(field, message)
        found.append(check_requirement(line.text, field, where))
    return tuple(found)


def logical_lines(text: str, field: str) -> Iterator[Line]:
    """The lines that say something, with the number of the line on which each begins."""
    if len(text) > LONGEST_TEXT:
        raise InvalidInput.at(field, f"A list of requirements may have at most {LONGEST_TEXT // 1024} KiB.")
    started, parts = 0, list[str]()
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        started = started if parts else number
        if raw.endswith("\\") and not raw.lstrip().startswith("#"):
            parts.append(raw[:-1])
            continue
        joined = _COMMENT.sub("", " ".join([*parts, raw])).strip()
        parts = []
        if joined:
            yield Line(number=started, text=joined)
    if rest := _COMMENT.sub("", " ".join(parts)).strip():
        yield Line(number=started, text=rest)


def include_of(line: Line) -> Include | None:
    """The file that `-r` or `-c` names on this line, if it does."""
    found = _INCLUDE.fullmatch(line.text)
    if found is None:
        return None
    return Include(path=found["path"].strip(), constraint=found["option"] in ("-c", "--constraint"))


def check_requirement(text: str, field: str, where: str = "") -> str:
    """One requirement in its normal form, with its hashes; `InvalidInput` with a sentence when it is none."""
    if len(_HASH.sub("", text)) > _LONGEST_LINE:
        raise InvalidInput.at(field, f"{where}This requirement is too long.")
    hashes = sorted({found["hash"] for found in _HASH.finditer(text)})
    bare = _HASH.sub("", text).strip()
    if problem := _not_from_an_index(bare):
        raise InvalidInput.at(field, f"{where}{problem}")
    try:
        requirement = Requirement(bare)
    except InvalidRequirement:
        message = f"“{_shown(bare)}” is no requirement; write a name with a version, such as requests>=2.31."
        raise InvalidInput.at(field, f"{where}{message}") from None
    if requirement.url and (problem := _bad_url(requirement.url)):
        raise InvalidInput.at(field, f"{where}{problem}")
    return " ".join([str(requirement), *(f"--hash={value}" for value in hashes)])


def has_hashes(requirements: Sequence[str]) -> bool:
    """Whether any line names the hash of its file: such a list is a lock already."""
    return any(" --hash=" in line for line in requirements)


def _not_from_an_index(text: str) -> str | None:  # noqa: PLR0911 - one case, one sentence
    shown = _shown(text)
    first = text.split(maxsplit=1)[0] if text else ""
    if first in ("-e", "--editable") or text.startswith(("-e.", "-e/")):
        return f"“{shown}” installs from a directory; name a package of the index instead."
    if first.startswith(("--index-url", "--extra-index-url", "-i", "--find-links", "-f", "--no-index")):
        return f"“{shown}” chooses a package index; set the index of the environment instead."
    if text.startswith("-"):
        return f"“{shown}” is an option; only packages can be listed here."
    if first in ("pip", "pip3", "uv", "poetry", "conda", "python", "python3"):
        return f"“{shown}” looks like a command; write the names of the packages alone, one on each line."
    if re.match(r"[a-z+]+://", text):
        return f"“{shown}” lacks the package's name; write: name @ https://…"
    if text.startswith((".", "/", "~", "\\")) or _is_path(first):
        return f"“{shown}” is a path on the server; name a package of the index instead."
    return None


def _is_path(word: str) -> bool:
    plain = word.split("[", 1)[0].split("@", 1)[0]
    return "/" in plain or "\\" in plain or plain.endswith(_ARCHIVE_ENDINGS)


def _bad_url(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.scheme not in _URL_SCHEMES or not parts.hostname:
        return f"“{_shown(url)}” cannot be used; a package's address starts with https:// or git+https://."
    if parts.username or parts.password:
        return "An address must not hold a user name or password; whoever sees the environment would read it."
    return None


def _shown(text: str) -> str:
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return clean if len(clean) <= _SHOWN else clean[:_SHOWN] + "…"
