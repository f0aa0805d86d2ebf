"""From what uv prints when it fails to the one sentence that a person needs. Pure.

uv explains itself at length; the whole of it stays in the build's log. What is not recognised here is uv's own
first line, which is a sentence too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

_LONGEST = 400

_ADDRESS = re.compile(r"https?://[^\s`)>]+")
_NETWORK = re.compile(
    r"client error \(Connect\)|dns error|timed? ?out|connection (?:closed|reset)|request failed", re.IGNORECASE
)
_OFFLINE = re.compile(r"connectivity is disabled|offline Python installation")
_STATUS = re.compile(r"HTTP status (?:client|server) error \((?P<status>\d{3})")
_REFUSED = re.compile(r"hint: An index (?:URL )?\(http[^)]+\)[^\n]*?\b(?P<status>401|403)\b")
_NOT_FOUND = re.compile(r"(?P<name>\S+) was not found in (?:the package registry|the provided package locations)")
_NOT_CACHED = re.compile(r"(?P<name>\S+) was not found in the cache")
_NO_VERSION = re.compile(r"there (?:is|are) no versions? of (?P<name>[A-Za-z0-9._-]+?)(?P<version>[=<>!~]\S*)? and")
_PYTHON = re.compile(r"Python version \((?P<has>[^)]+)\) does not satisfy Python(?P<needs>[^\s,]+(?:,[^\s]+)?)")
_NEEDS_PYTHON = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\S*\s+depends?\s+on Python")
_NOT_BUILT = re.compile(r"Failed to (?:download and build|build) `(?P<name>[^`]+)`")
_WRONG_HASH = re.compile(r"Hash mismatch for `(?P<name>[^`]+)`")
_NO_HASH = re.compile(r"all requirements must (?:have a hash|be pinned).*?: ?(?P<name>\S+)?", re.DOTALL)
_NO_WHEEL = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\S* has no wheels with a matching (?P<what>[^,]+?) tag")
_YANKED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>\S+) was yanked(?: \(reason: (?P<why>.+?)\))?")
_CAUSE = re.compile(r"cause: (?P<cause>.+?)(?=\n\s*(?:cause|hint):|\Z)", re.DOTALL)
_ERROR = re.compile(r"^error: (?P<error>.+)$", re.MULTILINE)


def explain(output: str) -> str:
    """Why uv failed, on one line."""
    for rule in _RULES:
        if sentence := rule(output):
            return _one_line(sentence)
    return _one_line(_own_words(output))


def explain_install(output: str, version: str) -> str:
    """Why uv could not install a Python, on one line."""
    server = f"the server{_host(output)}"
    status = _STATUS.search(output)
    refuses = f"gives no Python {version} (HTTP {status['status']})" if status else ""
    reasons = (
        (is_full_disk(output), FULL_DISK),
        ("No download found" in output, f"There is no Python {version} to download for this machine."),
        (_OFFLINE.search(output), "Kumo is set to work without the network: nothing can be downloaded."),
        (status, f"T{server[1:]} {refuses}. {_BY_OTHER_MEANS}"),
        (
            _NETWORK.search(output),
            f"This machine cannot reach {server}, where Python is downloaded from. {_BY_OTHER_MEANS}",
        ),
        ("Hash mismatch" in output, f"What {server} gives for Python {version} does not have the expected hash."),
    )
    return next((reason for applies, reason in reasons if applies), _one_line(_own_words(output)))


_BY_OTHER_MEANS = (
    "Set KUMO_PYTHON_MIRROR_URL to a mirror that this machine can reach, or install that Python by other means and add "
    "its path."
)


def is_full_disk(text: str) -> bool:
    """Whether a message of the operating system says that the disk is full."""
    return "No space left on device" in text or "os error 28" in text or "os error 122" in text


FULL_DISK = "The disk of the data directory is full. Free some space and build again."


def _full_disk(output: str) -> str | None:
    return FULL_DISK if is_full_disk(output) else None


def _not_cached(output: str) -> str | None:
    if found := _NOT_CACHED.search(output):
        return f"“{found['name']}” is not in the cache, and Kumo is set to work without the network."
    return None


def _index_refuses(output: str) -> str | None:
    if found := _REFUSED.search(output):
        return _refusal(_host(found[0]), found["status"])
    return None


def _index_unreachable(output: str) -> str | None:
    host = _host(output)
    if status := _STATUS.search(output):
        if status["status"] in ("401", "403"):
            return _refusal(host, status["status"])
        return f"The package index{host} answers with an error (HTTP {status['status']}). Try again later."
    if "Failed to fetch" in output or "error sending request" in output:
        if "certificate" in output.lower():
            return f"The package index{host} shows a certificate that this machine does not trust."
        if _NETWORK.search(output):
            return f"The package index{host} does not answer. Check its address and the network."
    return None


def _unknown_package(output: str) -> str | None:
    if found := _NOT_FOUND.search(output):
        return f"No package named “{found['name']}” is on the package index."
    return None


def _python_too_old(output: str) -> str | None:
    found = _PYTHON.search(output)
    if found is None:
        return None
    package = _NEEDS_PYTHON.search(output, found.end())
    name = f"“{package['name']}”" if package else "one of the packages"
    suits = "too old for" if found["needs"].startswith((">", "~", "==")) else "too new for"
    return f"Python {found['has']} is {suits} {name}, which needs Python {found['needs']}."


def _no_such_version(output: str) -> str | None:
    if found := _NO_VERSION.search(output):
        return f"“{found['name']}” has no version that fits {found['version'] or 'what is asked for'}."
    return None


def _no_wheel(output: str) -> str | None:
    if found := _NO_WHEEL.search(output):
        return f"“{found['name']}” is not offered for this Python and machine (no matching {found['what']} tag)."
    return None


def _yanked(output: str) -> str | None:
    if found := _YANKED.search(output):
        why = f" ({found['why']})" if found["why"] else ""
        return f"“{found['name']}” {found['version']} was withdrawn by its authors{why}, and no other version fits."
    return None


def _not_built(output: str) -> str | None:
    if found := _NOT_BUILT.search(output):
        return f"“{found['name']}” is offered as source only, and building it failed; the end of the log shows why."
    return None


def _wrong_hash(output: str) -> str | None:
    if found := _WRONG_HASH.search(output):
        return f"What the package index gives for {found['name']} does not have the expected hash."
    return None


def _no_hash(output: str) -> str | None:
    if "require-hashes" not in output or not (found := _NO_HASH.search(output)):
        return None
    name = f"; {found['name']} has none" if found["name"] else ""
    return f"Where one requirement has a hash, all must be pinned and have one, also those that others need{name}."


def _conflict(output: str) -> str | None:
    if "No solution found" in output and (cause := _CAUSE.search(output)):
        flat = re.sub(r"\s+", " ", cause["cause"])
        return f"No set of versions fits. {flat[:1].upper()}{flat[1:]}"
    return None


def _broken_lock(output: str) -> str | None:
    if "Failed to parse `uv.lock`" in output or "Failed to parse lockfile" in output:
        return "uv.lock cannot be read. Run `uv lock` again and save what it writes."
    return None


_RULES: tuple[Callable[[str], str | None], ...] = (
    _full_disk,
    _not_cached,
    _wrong_hash,
    _no_hash,
    _broken_lock,
    _not_built,
    _index_unreachable,
    _index_refuses,
    _unknown_package,
    _python_too_old,
    _no_such_version,
    _no_wheel,
    _yanked,
    _conflict,
)


def _refusal(host: str, status: str) -> str:
    return f"The package index{host} refuses access (HTTP {status}). Check its address and password."


def _host(output: str) -> str:
    address = _ADDRESS.search(output)
    if address is None:
        return ""
    parts = urlsplit(address[0])
    port = f":{parts.port}" if parts.port else ""
    return f" at {parts.hostname}{port}"


def _own_words(output: str) -> str:
    error = _ERROR.search(output)
    if error is None:
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        return lines[-1] if lines else "uv failed without saying why."
    cause = _CAUSE.search(output, error.end())
    return f"{error['error']}: {cause['cause'].splitlines()[0]}" if cause else error["error"]


def _one_line(text: str) -> str:
    flat = re.sub(r"\s+", " ", text).strip()
    return flat if len(flat) <= _LONGEST else flat[: _LONGEST - 1] + "…"
