"""Asking an executable whether it is a Python, and which: the only proof is to start it."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from kumo.environments.tools.running import ToolEnd, run_tool
from kumo.errors import InvalidInput

OLDEST = Version("3.8")  # uv promises nothing for older ones

_TIMEOUT_SECONDS = 10
_NAMES = ("python", "pypy", "graalpy")
# For every Python that knows `-I`; the answer is the last line, since a sitecustomize may print as well.
_FACTS = """
import json, platform, sys
facts = {"version": platform.python_version(), "architecture": platform.machine()}
print()
print(json.dumps(dict(facts, implementation=sys.implementation.name)))
"""
_PACKAGES = """
import importlib.metadata, json
found = {}
for one in importlib.metadata.distributions():
    if one.metadata["Name"]:
        found.setdefault(one.metadata["Name"], one.version)
print()
print(json.dumps(found))
"""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an interpreter says of itself."""

    version: str
    implementation: str
    architecture: str


async def probe(path: Path, *, field: str = "path") -> Facts:
    """What the interpreter at a path is; `InvalidInput` says why it is none that can be used."""
    await asyncio.to_thread(_check_file, path, field)
    end = await _run(path, _FACTS, field)
    if b"Unknown option: -I" in end.errors:
        raise InvalidInput.at(field, f"{path} is too old: it is a Python 2. Kumo needs {OLDEST} or newer.")
    answer = _last_line(end)
    if answer is None:
        raise InvalidInput.at(field, f"{path} is no Python: asked for its version, it {_how(end)}.")
    facts = Facts(**answer)
    if Version(facts.version).release < OLDEST.release:
        raise InvalidInput.at(field, f"{path} is too old: it is Python {facts.version}. Kumo needs {OLDEST} or newer.")
    return facts


async def installed_packages(path: Path, *, field: str = "path") -> dict[str, str]:
    """The packages that an interpreter finds, with their versions."""
    answer = _last_line(await _run(path, _PACKAGES, field))
    if answer is None:
        raise InvalidInput.at(field, f"{path} does not say which packages it has.")
    return answer


def _check_file(path: Path, field: str) -> None:
    if not path.is_absolute():
        message = "Write the whole path of the executable, such as /opt/python3.12/bin/python3."
        raise InvalidInput.at(field, message)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidInput.at(field, f"{path} does not exist on the server.") from None
    except (OSError, ValueError):
        raise InvalidInput.at(field, "This path cannot be looked at; Kumo's account may lack the right to.") from None
    if stat.S_ISDIR(mode):
        raise InvalidInput.at(field, f"{path} is a directory; name the executable in it, such as {path}/bin/python.")
    # Before anything is started: a path to another program must not be a way to run that.
    if not path.name.startswith(_NAMES):
        raise InvalidInput.at(field, f"{path} does not look like a Python: its name begins with none of python, pypy.")
    if not stat.S_ISREG(mode) or not os.access(path, os.X_OK):
        raise InvalidInput.at(field, f"{path} is not executable for the account that Kumo runs under.")


async def _run(path: Path, code: str, field: str) -> ToolEnd:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/", "LANG": "C.UTF-8"}
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await run_tool([str(path), "-I", "-c", code], environment=environment, folder=Path("/"))
    except TimeoutError:
        raise InvalidInput.at(field, f"{path} did not answer within {_TIMEOUT_SECONDS} seconds.") from None
    except OSError as error:
        raise InvalidInput.at(field, f"{path} cannot be started: {error.strerror}.") from None


def _last_line(end: ToolEnd) -> dict[str, str] | None:
    lines = end.output.splitlines()
    try:
        answer = json.loads(lines[-1]) if lines and end.code == 0 else None
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _how(end: ToolEnd) -> str:
    return "answered something else" if end.code == 0 else f"ended with exit code {end.code}"
