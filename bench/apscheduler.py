"""What people write by hand: APScheduler and `subprocess`, which keep no record of a run."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from bench.loops import Appointment


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


def run_at(appointments: Sequence[Appointment]) -> None:
    """Have a job for each program, that runs it at its moment, and wait until all have ended."""
    scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(len(appointments))}, timezone="UTC")
    left = threading.Semaphore(0)

    def job(appointment: Appointment) -> None:
        subprocess.run(appointment.arguments, env=appointment.environment, check=True)
        left.release()

    for appointment in appointments:
        moment = datetime.fromtimestamp(appointment.at, UTC)
        scheduler.add_job(job, "date", run_date=moment, args=[appointment], misfire_grace_time=None)
    scheduler.start()
    try:
        for _ in appointments:
            left.acquire()
    finally:
        scheduler.shutdown()
