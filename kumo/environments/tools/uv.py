"""The one module that runs uv, which finds interpreters, resolves packages and installs them.

Each call is a process of its own session with an environment made for it: what it needs to reach the package index,
and nothing of Kumo's own settings, because building a package from source runs that package's code.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uv import find_uv_bin

from kumo.environments.indexes.access import IndexAccess
from kumo.environments.tools.running import OnOutput, ToolFailed, run_tool
from kumo.environments.tools.uv_failures import FULL_DISK, explain, explain_install
from kumo.errors import Unavailable
from kumo.settings import Settings

_LIST_TIMEOUT_SECONDS = 60

_PASSED_ON = frozenset(
    "HOME USER LOGNAME LANG LC_ALL LC_CTYPE TZ TMPDIR NETRC"  # noqa: SIM905 - as words they read best
    " SSL_CERT_FILE SSL_CERT_DIR SSL_CLIENT_CERT REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO"
    " HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy"
    " CC CXX CFLAGS CXXFLAGS LDFLAGS PKG_CONFIG_PATH LD_LIBRARY_PATH CARGO_HOME RUSTUP_HOME"
    " UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_KEYRING_PROVIDER UV_INSECURE_HOST UV_NATIVE_TLS"
    " UV_SYSTEM_CERTS UV_OFFLINE UV_NO_BUILD UV_ONLY_BINARY UV_NO_BINARY UV_PRERELEASE UV_EXCLUDE_NEWER UV_CONFIG_FILE"
    " UV_NO_CONFIG UV_PYTHON_INSTALL_DIR UV_PYTHON_INSTALL_MIRROR UV_PYTHON_DOWNLOADS_JSON_URL"
    " UV_TORCH_BACKEND UV_CONSTRAINT UV_BUILD_CONSTRAINT UV_OVERRIDE".split()
)
_PASSED_ON_PREFIXES = ("UV_INDEX", "UV_HTTP_", "UV_CONCURRENT_")
_NO_ACCESS = IndexAccess()


def _also_in(given: Path, access: IndexAccess) -> list[str]:
    """A directory of wheels beside that of the environment: what is named here replaces what stands in variables."""
    folders = [str(given), *([access.wheel_folder] if access.wheel_folder else [])]
    return [word for folder in folders for word in ("--find-links", folder)]


def _unheard(_printed: bytes) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class NewerVersion:
    """A package of which there is a newer version."""

    name: str
    version: str
    latest_version: str


class UvFailed(ToolFailed):
    """uv ended with an error."""

    @property
    def names_unknown_package(self) -> bool:
        """Whether it failed because the index has no such package."""
        return "was not found in" in self.output and "could not be queried" not in self.output


class Uv:
    """uv, set up for this installation: its cache lies in the data directory, so that builds can share its files."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._binary = find_uv_bin()
        self.home = settings.home

    async def list_interpreters(self, folders: Iterable[Path]) -> list[dict[str, Any]]:
        """The interpreters that uv finds in these directories, as it describes them."""
        search_path = os.pathsep.join(str(folder) for folder in folders)
        try:
            async with asyncio.timeout(_LIST_TIMEOUT_SECONDS):
                end = await run_tool(
                    self._command("python", "list", "--only-installed", "--output-format", "json"),
                    environment=self._environment(_NO_ACCESS) | {"PATH": search_path},
                    folder=Path("/"),
                )
            found = json.loads(end.output)
        except (TimeoutError, ValueError):
            raise Unavailable("The Python interpreters of this machine could not be listed. Try again.") from None
        return found if isinstance(found, list) else []

    async def install_python(self, version: str, *, target: Path, downloads: Path, on_output: OnOutput) -> None:
        """Install the newest Python of a version into a directory; `downloads` grows while it is fetched."""
        settings = self._settings
        environment = self._environment(_NO_ACCESS) | {
            "UV_PYTHON_INSTALL_DIR": str(target),
            "UV_PYTHON_CACHE_DIR": str(downloads),
        }
        if settings.python_mirror_url is not None:
            environment["UV_PYTHON_INSTALL_MIRROR"] = settings.python_mirror_url
        end = await run_tool(
            [
                *(self._binary, "--no-progress", "--color", "never"),
                *(["--offline"] if settings.package_index_offline else []),
                *("python", "install", "--no-bin", version),
            ],
            environment=environment,
            folder=settings.home,
            on_errors=on_output,
        )
        if end.code != 0:
            printed = end.errors.decode("utf-8", "replace")
            raise UvFailed(explain_install(printed, version), output=printed)

    async def compile(  # noqa: PLR0913 - one command's own options
        self,
        folder: Path,
        interpreter: Path,
        *,
        access: IndexAccess,
        on_output: OnOutput,
        given: Path | None = None,
        provided: Collection[str] = (),
    ) -> None:
        """Resolve `requirements.in` (and `constraints.txt`) of a folder into its `lock.txt`, with hashes.

        What is `provided` by others is left out of the lock; `given` is a directory with wheels that tell of it.
        """
        constraints = ["--constraints", "constraints.txt"] if (folder / "constraints.txt").exists() else []
        await self._run(
            [
                *("pip", "compile", "requirements.in", *constraints, "--output-file", "lock.txt", "--generate-hashes"),
                *("--no-header", "--no-annotate", "--no-emit-index-url", "--python", str(interpreter)),
                *access.arguments(),
                *([] if given is None else _also_in(given, access)),
                *(word for name in provided for word in ("--no-emit-package", name)),
            ],
            folder=folder,
            access=access,
            on_output=on_output,
        )

    async def export(self, folder: Path, interpreter: Path, *, access: IndexAccess, on_output: OnOutput) -> None:
        """Turn `pyproject.toml` and `uv.lock` of a folder into its `lock.txt`, resolving nothing."""
        await self._run(
            [
                *("export", "--frozen", "--no-dev", "--no-emit-project", "--format", "requirements.txt"),
                *("--no-header", "--no-annotate", "--output-file", "lock.txt", "--python", str(interpreter)),
            ],
            folder=folder,
            access=access,
            on_output=on_output,
        )

    async def newest(self, name: str, interpreter: Path, *, access: IndexAccess) -> str:
        """The newest version of a package that suits an interpreter."""
        lock = await self._run(
            [
                *("pip", "compile", "-", "--no-deps", "--no-header", "--no-annotate", "--python", str(interpreter)),
                *access.arguments(),
            ],
            folder=self.home,
            access=access,
            sent=f"{name}\n".encode(),
        )
        return lock.decode().strip().rpartition("==")[2]

    async def outdated(self, python: Path, *, access: IndexAccess) -> list[NewerVersion]:
        """Which packages of an environment have newer versions."""
        command = ["pip", "list", "--outdated", "--format", "json", "--python", str(python), *access.arguments()]
        listed = json.loads(await self._run(command, folder=self.home, access=access))
        fields = ("name", "version", "latest_version")
        return [NewerVersion(**{field: one[field] for field in fields}) for one in listed]

    async def create(self, target: Path, interpreter: Path, *, on_output: OnOutput) -> None:
        """Make an empty environment that can be moved."""
        await self._run(
            ["venv", "--quiet", "--relocatable", "--no-project", "--python", str(interpreter), str(target)],
            folder=target.parent,
            on_output=on_output,
        )

    async def install(
        self, target: Path, lock: Path, *, access: IndexAccess, on_output: OnOutput, is_addition: bool = False
    ) -> None:
        """Put exactly what the lock names into an environment; an addition leaves what is there already.

        It is tried without the network first: the lock fixes every file, and asking the index costs more than
        installing.
        """
        text = await asyncio.to_thread(lock.read_text, "utf-8")
        command = [
            *(["pip", "install", "--no-deps", "--break-system-packages", "-r"] if is_addition else ["pip", "sync"]),
            *(str(lock), "--python", str(target / "bin" / "python"), "--link-mode", "hardlink"),
            "--no-compile-bytecode",
            # A commit of git is its own hash, and cannot have another.
            *(["--require-hashes"] if "@ git+" not in text else []),
            *access.arguments(),
        ]
        printed = bytearray()
        try:
            await self._run([*command, "--offline"], folder=lock.parent, access=access, on_output=printed.extend)
        except UvFailed as error:
            if not self._settings.package_index_offline and str(error) != FULL_DISK:
                await self._run(command, folder=lock.parent, access=access, on_output=on_output)
                return
            on_output(bytes(printed))
            raise
        on_output(bytes(printed))

    async def _run(
        self,
        arguments: list[str],
        *,
        folder: Path,
        on_output: OnOutput = _unheard,
        access: IndexAccess = _NO_ACCESS,
        sent: bytes = b"",
    ) -> bytes:
        """Run one command, and give its standard output; its processes end with it, also when the caller is cancelled.

        Passwords are taken out of what it prints.
        """
        redactor = access.redactor()
        end = await run_tool(
            self._command(*arguments),
            environment=self._environment(access),
            folder=folder,
            sent=sent,
            on_errors=lambda printed: on_output(redactor.feed(printed)),
        )
        if end.code != 0:
            printed = redactor.clean(end.errors).decode("utf-8", "replace")
            raise UvFailed(explain(printed), output=printed)
        return end.output

    def _command(self, *arguments: str) -> list[str]:
        offline = ["--offline"] if self._settings.package_index_offline else []
        return [self._binary, "--no-progress", "--color", "never", "--no-python-downloads", *offline, *arguments]

    def _environment(self, access: IndexAccess) -> dict[str, str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
        }
        environment["PATH"] = os.environ.get("PATH", os.defpath)
        environment["UV_CACHE_DIR"] = str(self._settings.home / "cache" / "uv")
        if access.index_url:
            # The older name for the same thing must not contradict it.
            environment.pop("UV_INDEX_URL", None)
        return environment | access.variables()
