"""What Kumo is compared with: the bare minimum on the same machine, at the same time."""

from __future__ import annotations

import os
import time


def spawns_per_second(arguments: tuple[str, ...], count: int) -> float:
    """Start a program and wait for its end, one after the other, and nothing else."""
    environment = {"PATH": os.environ["PATH"]}
    began = time.perf_counter()
    for _ in range(count):
        pid = os.posix_spawnp(arguments[0], arguments, environment)
        os.waitpid(pid, 0)
    return count / (time.perf_counter() - began)
