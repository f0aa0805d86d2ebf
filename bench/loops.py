"""What Kumo is compared with: the bare minimum on the same machine, at the same time."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_DISK_WAITS = 50


@dataclass(frozen=True, kw_only=True)
class Appointment:
    """A program that is to be started at a moment, in seconds since the epoch."""

    at: float
    arguments: tuple[str, ...]
    environment: dict[str, str]


def spawns_per_second(arguments: tuple[str, ...], count: int) -> float:
    """Start a program and wait for its end, one after the other, and nothing else."""
    environment = {"PATH": os.environ["PATH"]}
    began = time.perf_counter()
    for _ in range(count):
        pid = os.posix_spawnp(arguments[0], arguments, environment)
        os.waitpid(pid, 0)
    return count / (time.perf_counter() - began)


def spawn_at(appointments: Sequence[Appointment]) -> None:
    """Start each program at its moment, or once the one before has ended."""
    for appointment in appointments:
        time.sleep(max(0.0, appointment.at - time.time()))
        arguments = appointment.arguments
        os.waitpid(os.posix_spawnp(arguments[0], arguments, appointment.environment), 0)


def waits_for_disk(folder: Path) -> list[float]:
    """How long the disk takes, in seconds, to keep a page that is appended to a file."""
    found = []
    with (folder / "page").open("wb", buffering=0) as file:
        for _ in range(_DISK_WAITS):
            time.sleep(0.01)
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            found.append(time.perf_counter() - began)
    return found
