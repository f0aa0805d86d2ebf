"""Whether what was asked for can be imported in a new build, before anybody runs in it.

An `ImportError`, a `SyntaxError` or a crash fails the build: a library of the system is missing, two packages do not
fit together, or the package is for another Python. Whatever else a module raises is its own affair, such as a display
that is not there; it is noted in the log.

What was imported once is not imported again while the same files stand beside the same files that it needs: importing
pandas for the first time takes longer than installing it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kumo.environments.backends.interface import Foundation
from kumo.environments.building import import_check
from kumo.environments.builds.installed import Installed, InstalledPackage
from kumo.environments.builds.log import BuildLog
from kumo.environments.tools.running import run_tool

_TIMEOUT_SECONDS = 60
_PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH")


@dataclass(frozen=True, kw_only=True)
class CannotBeImported:
    """Why a build is of no use."""

    sentence: str
    output: str


@dataclass(frozen=True, kw_only=True)
class TriedBuild:
    """What is to be tried: a directory that has been filled, and what runs would find there."""

    place: Path
    python: Foundation
    installed: Installed
    variables: Mapping[str, str] = field(default_factory=dict)


class Imports:
    """Tries imports, and remembers what went well in files of the data directory."""

    def __init__(self, home: Path) -> None:
        self._remembered = home / "cache" / "imports"

    async def check(self, build: TriedBuild, log: BuildLog, *, folder: Path) -> CannotBeImported | None:
        """Import the modules of all packages that were asked for by name; None when nothing is wrong with them.

        `folder` is the home of what is imported: some packages write into it.
        """
        installed = build.installed
        marks = {
            one.name: self._remembered / _mark(installed.closure(one.name), build.python)
            for one in installed.packages.values()
            if one.is_direct and one.modules
        }
        unknown = [name for name, mark in marks.items() if not mark.exists()]
        if not unknown:
            return None
        packages = [installed.packages[name] for name in unknown]
        log.line(f"Importing {', '.join(module for one in packages for module in one.modules)}")
        wrong = await self._import(build, packages, log, folder)
        if wrong is None:
            await asyncio.to_thread(_remember, [marks[name] for name in unknown])
        return wrong

    async def _import(
        self, build: TriedBuild, packages: Sequence[InstalledPackage], log: BuildLog, folder: Path
    ) -> CannotBeImported | None:
        programs = build.place / "bin"
        owner_of = {module: one.name for one in packages for module in one.modules}
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                end = await run_tool(
                    [str(programs / "python"), "-I", import_check.__file__],
                    environment={name: os.environ[name] for name in _PASSED_ON if name in os.environ}
                    | {"PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
                    | {"HOME": str(folder), "TMPDIR": str(folder)}
                    | dict(build.variables),
                    folder=folder,
                    sent=json.dumps(list(owner_of)).encode() + b"\n",
                    on_errors=log.raw,
                )
        except TimeoutError:
            log.line(f"Importing takes longer than {_TIMEOUT_SECONDS} seconds; the rest is not tried.")
            return None
        begun = None
        for line in end.output.splitlines():
            said = json.loads(line)
            begun = said.get("begins")
            if (error := said.get("error")) is None:
                continue
            sentence = f"“{owner_of[said['ends']]}” was installed, but import {said['ends']} fails: {error['text']}"
            if error["cannot_be_imported"]:
                return CannotBeImported(sentence=_ended(sentence), output=end.errors.decode("utf-8", "replace"))
            log.line(f"{_ended(sentence)} It may work where a script sets things up first.")
        if end.code == 0:
            return None
        how = f"by {signal.Signals(-end.code).name}" if end.code < 0 else f"with exit code {end.code}"
        what = f"import {begun} ends Python {how}" if begun else f"its Python ends {how}"
        whose = f"“{owner_of[begun]}” was installed" if begun else "The packages were installed"
        return CannotBeImported(sentence=f"{whose}, but {what}.", output=end.errors.decode("utf-8", "replace"))


def _mark(closure: Sequence[InstalledPackage], python: Foundation) -> str:
    stands_on = (python.version, python.implementation, python.architecture, str(python.path))
    return hashlib.sha256("\0".join([*stands_on, *(one.digest for one in closure)]).encode()).hexdigest()


def _remember(marks: Sequence[Path]) -> None:
    for mark in marks:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _ended(sentence: str) -> str:
    return f"{' '.join(sentence.split()).rstrip('.')}."
