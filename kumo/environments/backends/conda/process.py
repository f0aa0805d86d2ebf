"""Starts the program that solves and installs conda packages, as a process of its own (`program`)."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kumo.environments.backends.conda.failures import explain
from kumo.environments.backends.conda.lock import CondaLock, LockedPackage
from kumo.environments.indexes.access import IndexAccess
from kumo.environments.needs.environment_yml import CONDA_IS_MISSING
from kumo.environments.tools.running import OnOutput, ToolFailed, run_tool
from kumo.settings import Settings

_PASSED_ON = frozenset(
    "PATH HOME USER LOGNAME LANG LC_ALL LC_CTYPE TZ TMPDIR"  # noqa: SIM905 - as words they read best
    " SSL_CERT_FILE SSL_CERT_DIR"
    " HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy".split()
)
_OVERRIDES = "CONDA_OVERRIDE_"  # what the machine shall count as having, such as CUDA
_RETRIES = 2


class CondaFailed(ToolFailed):
    """The packages could not be solved or installed."""


class Conda:
    """The solver and installer, set up for this installation: its cache lies in the data directory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cache = settings.home / "cache" / "conda"

    async def solve(
        self,
        channels: Sequence[str],
        packages: Sequence[str],
        *,
        access: IndexAccess,
        folder: Path,
        on_output: OnOutput,
    ) -> CondaLock:
        """Choose a version of each package and of all that they need, for this machine."""
        task = {"do": "solve", "channels": list(channels), "packages": list(packages)}
        answer = await self._run(task, access=access, folder=folder, on_output=on_output)
        return CondaLock(
            platform=answer["platform"], packages=tuple(LockedPackage(**one) for one in answer["packages"])
        )

    async def install(
        self, prefix: Path, lock: CondaLock, *, access: IndexAccess, folder: Path, on_output: OnOutput
    ) -> None:
        """Put the files of a lock into a directory, whose path the files will name from then on."""
        task = {"do": "install", "prefix": str(prefix), "packages": [asdict(one) for one in lock.packages]}
        await self._run(task, access=access, folder=folder, on_output=on_output)

    async def _run(
        self, task: dict[str, Any], *, access: IndexAccess, folder: Path, on_output: OnOutput
    ) -> dict[str, Any]:
        if find_spec("rattler") is None:
            raise CondaFailed(CONDA_IS_MISSING, output="")
        redactor = access.redactor()
        given = {
            "cache": str(self._cache),
            "offline": self._settings.package_index_offline,
            "channel_alias": self._settings.conda_channel_alias,
            "credentials": [asdict(one) for one in access.credentials],
            "retries": _RETRIES,
        }
        end = await run_tool(
            [sys.executable, "-I", "-m", "kumo.environments.backends.conda.program"],
            environment=_environment() | access.proxy_variables(),
            folder=folder,
            sent=json.dumps(task | given).encode(),
            on_errors=lambda printed: on_output(redactor.feed(printed)),
        )
        answer = _answer(end.output)
        if end.code == 0 and answer is not None:
            return answer
        printed = redactor.clean(end.errors).decode("utf-8", "replace")
        if answer is None or "error" not in answer:
            how = f"by {signal.Signals(-end.code).name}" if end.code < 0 else f"with exit code {end.code}"
            raise CondaFailed(f"The solver of conda ended {how}, and does not say why.", output=printed)
        text = redactor.clean(answer["text"].encode()).decode()
        raise CondaFailed(explain(answer["error"], text), output=text)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(_OVERRIDES)}


def _answer(output: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(output)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
