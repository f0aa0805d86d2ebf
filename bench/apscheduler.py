"""What people write by hand: APScheduler and `subprocess`, which keep no record of a run."""

from __future__ import annotations

import subprocess
import threading
import time

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler


def runs_per_second(arguments: tuple[str, ...], count: int, *, at_once: int) -> float:
    """Have `count` jobs run a program each, as soon as they are added, and wait until all have ended."""
    scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(at_once)}, timezone="UTC")
    scheduler.start()
    left = threading.Semaphore(0)

    def job() -> None:
        subprocess.run(arguments, check=True)
        left.release()

    try:
        began = time.perf_counter()
        for _ in range(count):
            scheduler.add_job(job, misfire_grace_time=None)
        for _ in range(count):
            left.acquire()
        return count / (time.perf_counter() - began)
    finally:
        scheduler.shutdown()
