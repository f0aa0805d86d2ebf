"""Running git: with no configuration but ours, no prompt, no hook, and no secret where others could see it.

Secrets lie in memory (a file without a name), which git and ssh read through `/proc`: never in an argument or the
environment, which tools show, nor on the disk, where a crash would leave them. A password is given to the one host
that it is for, also when that host sends git elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shlex
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kumo.projects.git.addresses import Address
from kumo.projects.git.failures import GitFailed, Problem, failure_of
from kumo.projects.git.host_keys import HostKey, known_hosts
from kumo.settings import Settings

_CHUNK_BYTES = 1 << 16
_KEPT_BYTES = 1 << 16
_READ_BYTES = 16 << 20  # of a list of branches and tags, which a hostile server may make as long as it likes
_SLACK_BYTES = 64 << 20  # what a pack may be larger than what is unpacked from it: history, and deltas that do not pay
_SILENT_SECONDS = 60
# What the operator has set for all programs.
_PASSED_ON = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
_CONFIGURATION = (
    "protocol.allow=never",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "credential.helper=",
    "credential.interactive=false",
    "fetch.unpackLimit=1",  # one pack, whose size can be bounded
    "fetch.recurseSubmodules=false",
    "fetch.writeCommitGraph=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "transfer.bundleURI=false",
    "transfer.credentialsInUrl=die",
    "uploadpack.packObjectsHook=",
    "http.lowSpeedLimit=1",
    f"http.lowSpeedTime={_SILENT_SECONDS}",
    "http.sslVerify=true",
    "init.defaultBranch=main",
)


@dataclass(frozen=True, kw_only=True)
class Secret:
    """What opens a repository."""

    kind: str  # password, token, ssh_key
    username: str
    value: str = field(repr=False)


def git_is_installed() -> bool:
    """Whether there is a git on PATH."""
    return shutil.which("git") is not None


def too_large() -> GitFailed:
    """What is said where more comes than a project may be."""
    return GitFailed(
        Problem.TOO_LARGE,
        "The repository is larger than a project may be. Leave data out of it, or raise KUMO_PROJECT_MAX_BYTES.",
    )


def git_missing() -> GitFailed:
    """What is said where there is none."""
    return GitFailed(
        Problem.PROGRAM_MISSING,
        "git is not installed on the machine that Kumo runs on. Install it (apt install git), then pull again.",
    )


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """What git is told besides its arguments, and how the other side is called in sentences."""

    configuration: list[str]
    environment: dict[str, str]
    place: str


class Git:
    """Git for one pull: in a directory of its own, with one secret for one host."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        address: Address,
        secret: Secret | None,
        hosts: dict[str, list[HostKey]],
    ) -> None:
        self.settings = settings
        self._address = address
        self._secret = secret
        self._outputs = 0
        self.folder = folder
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text("".join(known_hosts(name, keys) for name, keys in hosts.items()))

    async def local(self, *arguments: str, sent: bytes = b"", most_bytes: int | None = None) -> Path:
        """Run git on what is here already; the answer is the file with what it printed."""
        opened = _Opened(configuration=[], environment=self._environment(), place="")
        return await self._run(arguments, opened, sent=sent, most_bytes=most_bytes)

    async def remote(self, address: Address, *arguments: str) -> bytes:
        """Run git towards a repository; the answer is what it printed."""
        with self._opened(address) as opened:
            output = await self._run(arguments, opened)
        return await asyncio.to_thread(_beginning, output)

    async def _run(
        self, arguments: tuple[str, ...], opened: _Opened, *, sent: bytes = b"", most_bytes: int | None = None
    ) -> Path:
        if not git_is_installed():
            raise git_missing()
        self._outputs += 1
        output = self.folder / f"output-{self._outputs}"
        options = [word for setting in (*_CONFIGURATION, *opened.configuration) for word in ("-c", setting)]
        sent_file = self.folder / f"input-{self._outputs}"
        sent_file.write_bytes(sent)
        with output.open("wb") as printed, sent_file.open("rb") as read:
            process = await asyncio.create_subprocess_exec(
                "git", *options, *arguments, env=opened.environment, cwd=self.folder, start_new_session=True,
                stdin=read if sent else DEVNULL, stdout=printed, stderr=PIPE,
            )  # fmt: skip
        limit = most_bytes or self._most_bytes
        errors = await _to_its_end(process, limit)
        if process.returncode != 0:
            said = errors.decode("utf-8", "replace")
            # git does not say that the system has ended a part of it at the limit.
            if await asyncio.to_thread(_has_file_of, self.folder, limit):
                raise too_large()
            raise failure_of(said, place=opened.place, secrets=[] if self._secret is None else [self._secret.value])
        return output

    @property
    def _most_bytes(self) -> int:
        return self.settings.project_max_bytes + _SLACK_BYTES

    def _environment(self) -> dict[str, str]:
        passed_on = {name: value for name in _PASSED_ON if (value := os.environ.get(name))}
        return passed_on | {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
            "GIT_DIR": str(self.folder / "repository"),
        }

    @contextmanager
    def _opened(self, address: Address) -> Iterator[_Opened]:
        """What git is told in order to reach a repository, for as long as it needs it."""
        secret = self._secret if address.origin == self._address.origin else None
        configuration = [f"protocol.{address.scheme}.allow=always"]
        if self.settings.git_ca_file is not None:
            configuration.append(f"http.sslCAInfo={self.settings.git_ca_file}")
        environment = self._environment()
        with _in_memory(_as_read(secret, address)) as path:
            if address.scheme == "https" and path is not None:
                configuration.append(f'credential.{address.origin}.helper=!f() {{ test "$1" = get && cat {path}; }}; f')
            if address.scheme == "ssh":
                environment["GIT_SSH_COMMAND"] = shlex.join(self._ssh(path))
                environment["GIT_SSH_VARIANT"] = "ssh"
            yield _Opened(configuration=configuration, environment=environment, place=address.host)

    def _ssh(self, key: str | None) -> list[str]:
        options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f'UserKnownHostsFile="{self.known_hosts}"',  # several could stand there, with spaces between them
            "GlobalKnownHostsFile=/dev/null",
            "UpdateHostKeys=no",
            "CheckHostIP=no",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            f"IdentityFile={key or '/dev/null'}",
            "PasswordAuthentication=no",
            "KbdInteractiveAuthentication=no",
            "ForwardAgent=no",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "ProxyCommand=none",
            "ConnectTimeout=20",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
        ]
        return ["ssh", "-F", "/dev/null", *(word for option in options for word in ("-o", option))]


def end_leftovers(folder: Path) -> None:
    """Kill the gits that a killed server has left at work below a directory.

    They are found by where they work: whatever they would be written down in could be cut short as well.
    """
    for process in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if (process / "cwd").readlink().is_relative_to(folder):
                os.kill(int(process.name), signal.SIGKILL)


async def host_keys_output(host: str, port: int) -> str:
    """What `ssh-keyscan` prints about a host; empty when nobody answers. The host was checked before."""
    if shutil.which("ssh-keyscan") is None:
        raise GitFailed(
            Problem.PROGRAM_MISSING,
            "ssh is not installed on the machine that Kumo runs on. Install it (apt install openssh-client).",
        )
    process = await asyncio.create_subprocess_exec(
        "ssh-keyscan", "-T", "10", "-p", str(port), "-t", "ed25519,ecdsa,rsa", "--", host.strip("[]"),
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}, start_new_session=True,
        stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_SILENT_SECONDS):
            output = (await process.stdout.read(_KEPT_BYTES)).decode("ascii", "replace")
    except TimeoutError:
        output = ""
    finally:
        await _end(process)
    return output


async def _to_its_end(process: Process, most_bytes: int) -> bytes:
    """Wait for git, and answer the end of what it said; killed with all that it started when the caller is."""
    assert process.stderr is not None
    kept = b""
    try:
        # Set from here and not in the child, where it would need a slower kind of fork; git has just begun.
        with suppress(ProcessLookupError, PermissionError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
        while chunk := await process.stderr.read(_CHUNK_BYTES):
            kept = (kept + chunk)[-_KEPT_BYTES:]
        await process.wait()
    finally:
        await _end(process)
    return kept


def _beginning(output: Path) -> bytes:
    with output.open("rb") as printed:
        return printed.read(_READ_BYTES)


def _has_file_of(folder: Path, size: int) -> bool:
    return any(path.is_file() and path.stat().st_size >= size for path in folder.rglob("*"))


async def _end(process: Process) -> None:
    if process.returncode == 0:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


@contextmanager
def _in_memory(content: str | None) -> Iterator[str | None]:
    """A path under which this account's processes read a content that lies on no disk."""
    if content is None:
        yield None
        return
    descriptor = os.memfd_create("kumo", os.MFD_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, content.encode())
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _as_read(secret: Secret | None, address: Address) -> str | None:
    """A secret in the form in which git's helper, or ssh, reads it; None where it is of no use for the address."""
    if secret is None or (secret.kind == "ssh_key") != (address.scheme == "ssh"):
        return None
    if secret.kind == "ssh_key":
        return secret.value
    return f"username={secret.username}\npassword={secret.value}\n"
