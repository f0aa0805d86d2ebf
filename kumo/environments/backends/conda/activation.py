"""What activating a prefix of conda sets, found out once for each build: runs start too often to activate it each time.

Packages bring scripts for it (`etc/conda/activate.d`), which say where their data lie or which compiler is meant. They
are run by a shell in an environment of their own, and what is new in it afterwards is what they set.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kumo.environments.tools.running import ToolFailed, run_tool

_SCRIPTS = "etc/conda/activate.d"
_TIMEOUT_SECONDS = 60
_OF_THE_SHELL = frozenset({"PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_", "TMPDIR"})
# Each may fail or print without harm to the others; where one leaves the directory, the next is found all the same.
_ACTIVATE = 'for script in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do . "$script" 1>&2; done; env -0'


async def activated(prefix: Path, *, folder: Path) -> dict[str, str]:
    """The variables of a prefix; `folder` is the home of its scripts meanwhile."""
    own = {"CONDA_PREFIX": str(prefix)} | await asyncio.to_thread(_listed, prefix)
    if not await asyncio.to_thread(lambda: any((prefix / _SCRIPTS).glob("*.sh"))):
        return own
    path = f"{prefix}/bin:{os.environ.get('PATH', os.defpath)}"
    given = own | {"PATH": path, "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8"}
    shell = shutil.which("bash") or "/bin/sh"
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            end = await run_tool([shell, "-c", _ACTIVATE], environment=given, folder=folder)
    except TimeoutError:
        raise ToolFailed(f"Activating the packages takes longer than {_TIMEOUT_SECONDS} seconds.", output="") from None
    if end.code != 0:
        printed = end.errors.decode("utf-8", "replace")
        raise ToolFailed(f"Activating the packages ended with exit code {end.code}.", output=printed)
    new = {name: value for name, value in _variables(end.output) if given.get(name) != value}
    return own | {name: value for name, value in new.items() if name not in _OF_THE_SHELL}


def _variables(printed: bytes) -> Iterator[tuple[str, str]]:
    for entry in printed.decode("utf-8", "replace").split("\0"):
        name, _, value = entry.partition("=")
        if name.isidentifier():  # functions that bash exports have other names
            yield name, value


def _listed(prefix: Path) -> dict[str, str]:
    """What packages set without a script."""
    found: dict[str, str] = {}
    for path in sorted((prefix / "etc" / "conda" / "env_vars.d").glob("*.json")):
        with suppress(ValueError):  # one that cannot be read sets nothing, as for conda
            listed = json.loads(path.read_bytes())
            found |= {str(name): str(value) for name, value in listed.items()} if isinstance(listed, dict) else {}
    return found
