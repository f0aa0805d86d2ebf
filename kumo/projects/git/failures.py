"""Why git could not do it: a word for programs and a sentence for people, from what git has printed. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from enum import StrEnum
from urllib.parse import quote, quote_plus

_MOST_SHOWN = 300
_BLOT = "***"
_SHORTEST_SECRET = 4  # a shorter one could not be told from ordinary words


class Problem(StrEnum):
    """What kind of thing is to be mended."""

    CREDENTIAL = "credential"  # the repository asks for one, or for another one
    REPOSITORY = "repository"  # there is none at the address, or nobody may see it
    REFERENCE = "reference"  # the branch, tag, commit or folder is not in it
    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    HOST_KEY_UNKNOWN = "host_key_unknown"
    HOST_KEY_CHANGED = "host_key_changed"
    CONTENT = "content"  # something in it may not be in a project
    TOO_LARGE = "too_large"
    LOCAL_CHANGES = "local_changes"
    TIMEOUT = "timeout"
    PROGRAM_MISSING = "program_missing"  # git or ssh is not installed
    DISK_FULL = "disk_full"
    OTHER = "other"


class GitFailed(Exception):
    """A pull that cannot be done; the message is the sentence that a person reads."""

    def __init__(self, problem: Problem, message: str) -> None:
        super().__init__(message)
        self.problem = problem
        self.message = message


# The first pattern that is found decides; so what is special stands before what is common.
_KNOWN: tuple[tuple[str, Problem, str], ...] = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Problem.HOST_KEY_CHANGED, "The key of {place} has changed."),
    ("Host key verification failed|host key is known for", Problem.HOST_KEY_UNKNOWN, "{place} is not known yet."),
    (
        "No space left on device|Disk quota exceeded",
        Problem.DISK_FULL,
        "The disk of the data directory is full. Free some space and try again.",
    ),
    (
        "Load key .*(?:invalid format|error in libcrypto)|invalid private key",
        Problem.CREDENTIAL,
        "ssh cannot read the private key of the credential. Enter it anew.",
    ),
    (
        (
            r"Authentication failed|Access denied|returned error: 40[13]|Permission denied \("
            "|Too many authentication failures|Invalid username or (?:password|token)"
        ),
        Problem.CREDENTIAL,
        "{place} refuses the credential, or asks for one. Look whether it is valid and may read the repository.",
    ),
    (
        "could not read (?:Username|Password)|terminal prompts disabled",
        Problem.CREDENTIAL,
        "{place} asks for a user name and a password or token. Give the project a credential.",
    ),
    (
        (
            "[Rr]epository (?:'[^']*' )?not found|returned error: 404|does not appear to be a git repository"
            "|does not exist|not valid: is this a git repository"
        ),
        Problem.REPOSITORY,
        "There is no repository at this address, or the credential may not see it. Look at both.",
    ),
    (
        "couldn't find remote ref|Remote branch .* not found",
        Problem.REFERENCE,
        "What the project follows is not in the repository any more.",
    ),
    (
        "certificate|SSL_ERROR|SSL routines",
        Problem.CERTIFICATE,
        (
            "The certificate of {place} is not trusted. Where it comes from an authority of your own, name "
            "that one's file in KUMO_GIT_CA_FILE."
        ),
    ),
    (
        (
            r"Could not resolve|Failed to connect|Couldn't connect|Connection (?:refused|timed out|reset|closed)"
            r"|Network is unreachable|No route to host|Operation too slow|Operation timed out|Name or service not known"
            r"|Temporary failure in name resolution|remote end hung up|returned error: 5\d\d|early EOF"
        ),
        Problem.UNREACHABLE,
        "{place} cannot be reached, or has broken off. Look whether it is there and this machine may connect to it.",
    ),
    (
        "cannot run ssh|ssh: not found",
        Problem.PROGRAM_MISSING,
        "ssh is not installed on this machine. Install it (apt install openssh-client), or use https.",
    ),
    (
        "transport '[^']*' not allowed",
        Problem.REPOSITORY,
        "The repository leads to an address that is not allowed. Only https:// and ssh:// are.",
    ),
)


def failure_of(errors: str, *, place: str, secrets: Iterable[str] = ()) -> GitFailed:
    """What a failed git has meant by what it printed."""
    for pattern, problem, sentence in _KNOWN:
        if re.search(pattern, errors):
            return GitFailed(problem, sentence.format(place=place or "The server"))
    return GitFailed(Problem.OTHER, f"git could not do it. It says: {_last_words(redacted(errors, secrets))}")


def redacted(text: str, secrets: Iterable[str]) -> str:
    """A text without secrets, in any of the forms in which a server may send them back."""
    forms = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, _BLOT)
    return text


def _last_words(errors: str) -> str:
    """The line that says most: the first one that git itself calls fatal or an error, else the last one."""
    lines = ["".join(char for char in line if char.isprintable()).strip() for line in errors.splitlines()]
    lines = [line for line in lines if line]
    chosen = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "nothing.")
    return chosen if len(chosen) <= _MOST_SHOWN else f"{chosen[:_MOST_SHOWN]}…"


def _forms(secret: str) -> Iterable[str]:
    yield secret
    yield from (line for line in secret.splitlines() if len(line) > _BLOTTED_LINE)
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield base64.b64encode(secret.encode()).decode().rstrip("=")


_BLOTTED_LINE = 20  # of a private key: its head and foot are no secret, but they are no loss either
