"""A disk that fills up while scripts print."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kumo.runner.contract import attempt_directory, read_result
from tests.rights import mounted
from tests.runner.conftest import Attempts


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    with mounted(tmp_path / "small", "2m") as disk:
        yield disk


async def test_output_that_does_not_fit_is_dropped_and_counted_and_the_script_goes_on(
    attempts: Attempts, small_disk: Path, tmp_path: Path
) -> None:
    printed = tmp_path / "printed"
    spec = attempts.spec("sh", "-c", f"head -c 5000000 /dev/zero; touch {printed}; exit 7")
    spec = dataclasses.replace(spec, directory=str(attempt_directory(small_disk, 1, 1)))
    await attempts.begin(spec)
    directory = Path(spec.directory)
    # The result does not fit either: it is stored as soon as there is room again. Not before all is printed: more
    # output would take the room.
    async with asyncio.timeout(30):
        while not printed.exists():
            await asyncio.sleep(0.02)
    await asyncio.to_thread(os.truncate, directory / "log", 500_000)
    result = await attempts.end(spec)
    assert result.exit_code == 7
    assert result.log_bytes + result.log_dropped_bytes == 5_000_000
    assert result.log_dropped_bytes > 0
    assert read_result(directory) == result


async def test_a_full_disk_is_told_apart_from_a_limit(attempts: Attempts, small_disk: Path, tmp_path: Path) -> None:
    printed = tmp_path / "printed"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    script = f"seq 1 240000; head -c 5000000 /dev/zero; touch {printed}"  # seq prints 1.57 MB: a little above the head
    spec = attempts.spec("sh", "-c", script, log_bytes=3_000_000)
    spec = dataclasses.replace(spec, directory=str(attempt_directory(small_disk, 1, 1)))
    await attempts.begin(spec)
    async with asyncio.timeout(30):
        while not printed.exists():
            await asyncio.sleep(0.02)
    ballast.unlink()
    result = await attempts.end(spec)
    log = (Path(spec.directory) / "log").read_bytes()
    assert result.log_bytes == len(log)
    assert log.startswith(b"1\n2\n3\n")
    # On a disk that is full, what came first stays. It could be moved into the log without room for a copy.
    assert b"\n239999\n240000\n\0\0\0" in log
    assert result.log_capped_bytes == 0
    assert result.log_dropped_bytes > 4_000_000
