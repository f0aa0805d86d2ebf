"""What an attempt uses over time."""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.runner.contract import SampleRecord, read_samples
from kumo.runner.samples import MOST_SAMPLES, SampleLog, merged
from tests.runner.conftest import Attempts

MIB = 1 << 20
DAY = 86_400


def sample(second: int, *, cpu: float = 10.0, memory: int = MIB, processes: int = 1) -> SampleRecord:
    return SampleRecord(milliseconds=1000 * second, cpu_percent=cpu, memory_bytes=memory, processes=processes)


async def test_a_script_s_use_is_seen_while_it_goes(attempts: Attempts) -> None:
    works = "import time\nblock = b'x' * 60_000_000\nwhile True: pass"
    spec = await attempts.begin(attempts.spec(sys.executable, "-c", works))
    async with asyncio.timeout(30):
        while len(read_samples(Path(spec.directory))) < 2:
            await asyncio.sleep(0.05)
    attempts.dispatcher.stop(Path(spec.directory))
    await attempts.end(spec)
    records = read_samples(Path(spec.directory))
    assert [record.processes for record in records] == [1] * len(records)
    assert all(60 * MIB * 0.9 < record.memory_bytes < 200 * MIB for record in records)
    assert all(record.cpu_percent > 5 for record in records)
    moments = [record.milliseconds for record in records]
    assert moments == sorted(moments)
    assert moments[0] >= 1000


async def test_a_short_script_leaves_no_samples(attempts: Attempts) -> None:
    spec = attempts.spec("true")
    await attempts.dispatcher.launch(spec)
    await attempts.end(spec)
    assert read_samples(Path(spec.directory)) == []
    assert not (Path(spec.directory) / "samples").exists()


def test_a_week_stays_small_and_keeps_its_peaks(tmp_path: Path) -> None:
    log = SampleLog(str(tmp_path))
    most = 0
    for second in range(1, 7 * DAY + 1):
        is_peak = second == 2 * DAY
        log.add(sample(second, memory=900 * MIB if is_peak else MIB, processes=30 if is_peak else 1))
        if second % 1000 == 0:
            most = max(most, (tmp_path / "samples").stat().st_size)
    records = read_samples(tmp_path)
    assert MOST_SAMPLES / 2 <= len(records) <= MOST_SAMPLES
    assert most <= 24 * MOST_SAMPLES
    assert max(record.memory_bytes for record in records) == 900 * MIB
    assert max(record.processes for record in records) == 30
    steps = {b.milliseconds - a.milliseconds for a, b in pairwise(records)}
    assert len(steps) == 1
    assert records[-1].milliseconds > 1000 * (7 * DAY - steps.pop() // 1000 - 1)


def test_what_the_disk_did_not_take_comes_back_with_the_next_thinning(tmp_path: Path) -> None:
    log = SampleLog(str(tmp_path / "not there yet"))
    with pytest.raises(FileNotFoundError):
        log.add(sample(1))
    (tmp_path / "not there yet").mkdir()
    for second in range(2, MOST_SAMPLES + 1):
        log.add(sample(second))
    assert read_samples(tmp_path / "not there yet")[0] == merged([sample(1), sample(2)])
    assert os.listdir(tmp_path / "not there yet") == ["samples"]  # noqa: PTH208


@given(st.lists(st.tuples(st.floats(0, 6400, width=32), st.integers(0, 1 << 50), st.integers(0, 1 << 20)), min_size=1))
def test_merging_keeps_peaks_and_the_average(rows: list[tuple[float, int, int]]) -> None:
    one = merged([sample(n, cpu=cpu, memory=memory, processes=count) for n, (cpu, memory, count) in enumerate(rows)])
    assert one.milliseconds == 1000 * (len(rows) - 1)
    assert one.memory_bytes == max(memory for _, memory, _ in rows)
    assert one.processes == max(count for _, _, count in rows)
    assert min(cpu for cpu, _, _ in rows) - 1e-6 <= one.cpu_percent <= max(cpu for cpu, _, _ in rows) + 1e-6
