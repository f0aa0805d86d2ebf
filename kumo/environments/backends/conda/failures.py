"""From what the solver of conda says when it fails to the one sentence that a person needs. Pure.

The whole of it stays in the build's log and in `error_output`, as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from kumo.environments.tools.uv_failures import FULL_DISK, is_full_disk

_LONGEST = 400

_UNKNOWN = re.compile(r"No candidates were found for (?P<name>[\w.-]+) (?P<version>[^\n]+?)\.?\s*$", re.MULTILINE)
_ADDRESS = re.compile(r"\(?(?P<url>(?:https?|file)://[^\s')]+)")
_NO_SUBDIR = re.compile(r"could not find subdir '[^']+' in channel '(?P<url>[^']+)'")
_STATUS = re.compile(r"HTTP status (?:client|server) error \((?P<status>\d{3})")
_BAD_HASH = re.compile(r"hash mismatch|sha256 hash|md5 hash|HashMismatch", re.IGNORECASE)
_SUBDIRS = re.compile(r"/(?:noarch|linux-[a-z0-9]+)(?:/.*)?$")

_BRANCHES = "├└│─ "
_REQUIRES = " would require"
_NEED = re.compile(r"[^,]+(?=, (?:for )?which )")

_TOO_LONG = "The path of the data directory is too long for the packages to name it. Use a shorter one."


def explain(kind: str, text: str) -> str:
    """Why it failed, on one line; `kind` is the name of the solver's own error."""
    sentence = (
        _full_disk(text)
        or (_TOO_LONG if "longer than the placeholder prefix" in text else None)
        or (_unsolvable(text) if kind == "SolverError" else None)
        or _channel(text)
        or (_hash(text) if _BAD_HASH.search(text) else None)
        or text
    )
    line = " ".join(sentence.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _full_disk(text: str) -> str | None:
    return FULL_DISK if is_full_disk(text) else None


def _unsolvable(text: str) -> str:
    if unknown := _UNKNOWN.search(text):
        name, version = unknown["name"], unknown["version"]
        if name.startswith("__"):
            return f"This machine has no “{name}”, which the environment asks for."
        fits = "" if version == "*" else f" in a version that fits {version}"
        return f"No channel of the environment has the package “{name}”{fits}."
    needs = list(dict.fromkeys(_needs(text)))
    return f"No set of versions fits. {', '.join(needs)}." if needs else f"No set of versions fits. {text}"


def _needs(text: str) -> Iterator[str]:
    """Who needs what, of the tree in which the solver explains itself: “snow 1.0 needs water <2”."""
    above: list[tuple[int, str]] = []  # where each line begins, and who requires what stands below it
    for line in text.splitlines():
        said = line.lstrip(_BRANCHES)
        depth = len(line) - len(said)
        above = [(at, who) for at, who in above if at < depth]
        need = _NEED.match(said)
        if above and above[-1][1] and need:
            yield f"{above[-1][1]} needs {need[0]}"
        above.append((depth, said.removesuffix(_REQUIRES) if said.endswith(_REQUIRES) else ""))


def _channel(text: str) -> str | None:
    if found := _NO_SUBDIR.search(text):
        return f"{found['url'].rstrip('/')} is no channel: it has no list of packages."
    found = _ADDRESS.search(text)
    if found is None:
        return None
    channel = _SUBDIRS.sub("", found["url"])
    what = _what_it_does(text)
    return what and f"The channel {channel} at {urlsplit(channel).netloc} {what}"


def _what_it_does(text: str) -> str | None:
    if status := _STATUS.search(text):
        if status["status"] in ("401", "403"):
            return f"refuses access (HTTP {status['status']}). Check its credentials."
        return f"answers with an error (HTTP {status['status']})."
    if "certificate" in text.lower():
        return "shows a certificate that this machine does not trust."
    if "error sending request" in text:
        return "does not answer. Check its address and the network."
    return None


def _hash(text: str) -> str:
    return f"A file does not have the expected hash. {text}"
