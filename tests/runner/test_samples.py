from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.runner.contract import SAMPLE, SampleRecord, read_samples
from kumo.runner.samples import Samples, merged
from tests.rights import mounted
from tests.runner.conftest import Attempts

_BUSY_UNTIL_TOLD = """
import os, sys
path = sys.argv[1]
held = bytearray(50_000_000)
while not os.path.exists(path) or os.path.getsize(path) < 2 * int(sys.argv[2]):
    pass
"""


def measured(milliseconds: int, cpu_percent: float = 50.0, memory_bytes: int = 1, processes: int = 1) -> SampleRecord:
    return SampleRecord(
        milliseconds=milliseconds, cpu_percent=cpu_percent, memory_bytes=memory_bytes, processes=processes
    )


async def test_what_a_script_uses_is_told_while_it_runs(attempts: Attempts) -> None:
    spec = attempts.spec("/usr/bin/env")
    path = Path(spec.directory) / "samples"
    arguments = ("python3", "-c", _BUSY_UNTIL_TOLD, str(path), str(SAMPLE.size))
    await attempts.begin(attempts.spec(*arguments, run_id=spec.run_id, directory=spec.directory))
    await attempts.end(spec)
    first, second = read_samples(Path(spec.directory))[:2]
    assert 1000 <= first.milliseconds < second.milliseconds
    assert second.memory_bytes > 50_000_000
    assert second.processes == 1
    assert 10 < second.cpu_percent < 150


def test_a_script_of_less_than_a_second_leaves_none(tmp_path: Path) -> None:
    Samples(str(tmp_path)).add(measured(999))
    assert read_samples(tmp_path) == []


@given(steps=st.lists(st.integers(1, 30_000), min_size=1, max_size=3000))
def test_the_file_stays_small_and_in_order(steps: list[int]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        samples, at = Samples(directory), 0
        for step in steps:
            at += step
            samples.add(measured(at))
        found = read_samples(Path(directory))
        moments = [record.milliseconds for record in found]
        assert len(found) <= 1000
        assert moments == sorted(set(moments))
        assert all(record.cpu_percent == pytest.approx(50) for record in found)


def test_a_long_script_is_told_in_wider_steps(tmp_path: Path) -> None:
    samples = Samples(str(tmp_path))
    for second in range(1, 5001):
        samples.add(measured(1000 * second, memory_bytes=second, processes=second % 7))
    found = read_samples(tmp_path)
    assert 500 <= len(found) <= 1000
    assert found[-1].milliseconds > 4_990_000
    assert {later.milliseconds - earlier.milliseconds for earlier, later in pairwise(found)} == {8000}
    assert all(record.memory_bytes * 1000 == record.milliseconds for record in found)  # the most of its interval
    assert {record.processes for record in found} == {6}


def test_averages_weigh_by_time_and_peaks_stay() -> None:
    one = merged([measured(1000, 100.0, 5, 1), measured(4000, 20.0, 3, 9)], 0)
    assert one == SampleRecord(milliseconds=4000, cpu_percent=40.0, memory_bytes=5, processes=9)


def test_no_record_follows_a_part_of_one_on_a_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "4k") as disk:  # one page: 170 records and two thirds of another
        samples = Samples(str(disk))
        for second in range(1, 201):
            samples.add(measured(1000 * second))
        assert (disk / "samples").stat().st_size == 170 * SAMPLE.size
        assert [record.milliseconds for record in read_samples(disk)] == [1000 * second for second in range(1, 171)]
