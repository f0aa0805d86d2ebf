"""The attempt directory: what the server asks of a runner, and what the runner leaves behind.

    <home>/runs/<run // 1000>/<run>/<attempt>/
        started.json   made by link(2) before the script starts; who makes it owns the attempt, once and for all
        log            every byte that the script printed, in the order it came
        log.index      sparse: one fixed-size entry (offset, time, line) now and then
        samples        what the script's processes used, one fixed-size record now and then
        stop           asks the runner to stop the script; whoever finds it there obeys
        variables/     values for the script alone, one file for each; gone when the attempt has ended
        result.json    renamed into place last; without it the attempt has not ended

A runner holds a lock on `started.json` as long as it lives, so "alive" needs no process id that could be reused.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

STARTED: Final = "started.json"
LOG: Final = "log"
INDEX: Final = "log.index"
SAMPLES: Final = "samples"
STOP: Final = "stop"
VARIABLES: Final = "variables"
RESULT: Final = "result.json"

# Offset in bytes, time in milliseconds since the epoch, number of complete lines before the offset.
INDEX_ENTRY: Final = struct.Struct("<QQQ")

# Milliseconds since the start, CPU in percent of one core, resident bytes, processes.
SAMPLE: Final = struct.Struct("<QfQI")

# The length of the message that follows: specs to a runner, reports from it.
FRAME: Final = struct.Struct("<I")

# In the environment of a script and of all that it starts: its attempt directory, by which they are found again.
MARK: Final = "KUMO_ATTEMPT_DIRECTORY"

COMMAND_NOT_FOUND: Final = 127  # the exit codes that a shell gives
COMMAND_NOT_EXECUTABLE: Final = 126

_DIRECTORIES_PER_SHARD = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptSpec:
    """What a runner is asked to do. It travels over a socket, never through a file: `environment` may hold secrets."""

    run_id: int
    attempt: int
    directory: str  # the attempt directory, absolute
    arguments: tuple[str, ...]
    working_directory: str
    environment: dict[str, str]
    timeout_seconds: float | None
    stop_grace_seconds: float
    # The most that the script and all that it starts may use together; None is no limit.
    memory_bytes: int | None = None
    cpu_percent: float | None = None  # of one core: 150 is one core and a half
    processes: int | None = None
    log_bytes: int | None = None
    variable_files: dict[str, str] = field(default_factory=dict)  # in `variables/`, while the attempt goes

    def to_bytes(self) -> bytes:
        """The message that a runner takes."""
        return json.dumps(_fields(self), separators=(",", ":")).encode("utf-8", "surrogateescape")

    @classmethod
    def from_bytes(cls, raw: bytes) -> AttemptSpec:
        """Read `to_bytes` back."""
        values = json.loads(raw.decode("utf-8", "surrogateescape"))
        values["arguments"] = tuple(values["arguments"])
        return cls(**values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """The marker: this attempt has been started, by this runner."""

    pid: int
    process_start: int  # clock ticks since boot, /proc/<pid>/stat field 22; with the pid it names one process
    boot_id: str
    started_at: float  # seconds since the epoch


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How an attempt ended. Sizes in bytes, times in seconds since the epoch."""

    outcome: str  # "exited", "timed_out", "stopped" or "limit"
    exit_code: int | None  # negative: the signal that ended the script
    reason: str | None  # a sentence, where the exit code does not say enough
    started_at: float
    ended_at: float
    peak_memory_bytes: int
    peak_cpu_percent: float
    cpu_seconds: float
    log_bytes: int
    log_dropped_bytes: int  # printed, but not kept
    log_capped_bytes: int = (
        0  # of these: left out of the log's middle because of its limit; the disk was full for others
    )
    limits_by: str | None = None  # what held the script to its limits: "cgroup", "sampling", None without limits


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRecord:
    """What the script and all that it started used at one time, or in the second or more up to it."""

    milliseconds: int  # since the start of the attempt
    cpu_percent: float  # of one core, on average
    memory_bytes: int  # resident, at the most
    processes: int  # at the most


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a runner says of its attempt in passing: a copy of what it has just left in the directory.

    With neither, the runner is done with the attempt, and the directory says how it stands.
    """

    run_id: int
    attempt: int
    started: Started | None = None
    result: Result | None = None

    def to_bytes(self) -> bytes:
        """The message that the server takes."""
        return json.dumps(
            {
                "run_id": self.run_id,
                "attempt": self.attempt,
                "started": None if self.started is None else _fields(self.started),
                "result": None if self.result is None else _fields(self.result),
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Report:
        """Read `to_bytes` back."""
        values = json.loads(raw)
        return cls(
            run_id=values["run_id"],
            attempt=values["attempt"],
            started=None if values["started"] is None else Started(**values["started"]),
            result=None if values["result"] is None else Result(**values["result"]),
        )


def attempt_directory(home: Path, run_id: int, attempt: int) -> Path:
    """Where one attempt lives."""
    return Path(f"{home}/runs/{run_id // _DIRECTORIES_PER_SHARD}/{run_id}/{attempt}")


def run_directory(home: Path, run_id: int) -> Path:
    """Where all attempts of a run live; sharded, since a million entries in one directory are slow to list."""
    return Path(f"{home}/runs/{run_id // _DIRECTORIES_PER_SHARD}/{run_id}")


def run_shard(home: Path, number: int) -> tuple[range, set[int]]:
    """The run ids that the shard of this number is for, and those that have a directory there."""
    ids = range(number * _DIRECTORIES_PER_SHARD, (number + 1) * _DIRECTORIES_PER_SHARD)
    try:
        names = os.listdir(home / "runs" / str(number))  # noqa: PTH208 - names are all that is wanted
    except FileNotFoundError:
        return ids, set()
    return ids, {int(name) for name in names if name.isdecimal() and int(name) in ids}


def claim(directory: str, started: Started) -> int | None:
    """Make the marker and lock it; the descriptor holds the lock. None when another runner has it.

    The file appears under its name complete and locked, or not at all: written under another name, then linked,
    which fails when the name exists. A crash before the link leaves a `.started-*` file that means nothing. File and
    name are made durable together before this returns; a power cut before that may leave the name without the content,
    which says that the attempt was taken by a runner of an earlier boot, and that the script was not started.
    """
    temporary = os.path.join(directory, f".started-{started.pid}")  # noqa: PTH118 - pathlib is slow here
    descriptor = os.open(temporary, os.O_CREAT | os.O_RDWR | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps(_fields(started)).encode())
        os.link(temporary, os.path.join(directory, STARTED))  # noqa: PTH118
    except FileExistsError:
        os.close(descriptor)
        return None
    finally:
        os.unlink(temporary)  # noqa: PTH108
    # One after the other, with nothing between: a journal then writes both at once.
    os.fsync(descriptor)
    sync_directory(directory)
    return descriptor


def read_started(directory: Path) -> Started | None:
    """The marker; None when no runner has taken the attempt yet."""
    try:
        raw = (directory / STARTED).read_bytes()
    except FileNotFoundError:
        return None
    if not raw:
        return Started(pid=0, process_start=0, boot_id="", started_at=(directory / STARTED).stat().st_mtime)
    return Started(**json.loads(raw))


def runner_is_alive(directory: Path) -> bool:
    """Whether a runner holds the attempt just now."""
    try:
        descriptor = os.open(directory / STARTED, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def write_result(directory: str, result: Result) -> None:
    """Leave the result, durably: a reader sees the whole of it or none. OSError when the disk is full."""
    final = os.path.join(directory, RESULT)  # noqa: PTH118
    temporary = final + ".new"
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, json.dumps(_fields(result)).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, final)  # noqa: PTH105
    sync_directory(directory)


def read_result(directory: Path) -> Result | None:
    """The result; None when the attempt has not ended."""
    try:
        return Result(**json.loads((directory / RESULT).read_bytes()))
    except FileNotFoundError:
        return None


def read_samples(directory: Path) -> list[SampleRecord]:
    """What the attempt has used so far, the earliest first; empty when it took less than a second."""
    try:
        raw = (directory / SAMPLES).read_bytes()
    except FileNotFoundError:
        return []
    whole = len(raw) - len(raw) % SAMPLE.size  # the last record may be half written
    return [
        SampleRecord(milliseconds=milliseconds, cpu_percent=round(cpu, 1), memory_bytes=memory, processes=processes)
        for milliseconds, cpu, memory, processes in SAMPLE.iter_unpack(raw[:whole])
    ]


def request_stop(directory: Path) -> None:
    """Ask the runner of this attempt, present or future, to stop its script."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / STOP).touch()


def stop_is_requested(directory: str) -> bool:
    """Whether somebody asked for a stop."""
    return os.path.exists(os.path.join(directory, STOP))  # noqa: PTH110, PTH118


def sync_directory(directory: str) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fields(values: Any) -> dict[str, Any]:
    """The fields of a dataclass with slots; `dataclasses.asdict` copies deeply, which is a tenth of a short attempt."""
    return {name: getattr(values, name) for name in values.__slots__}
