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
