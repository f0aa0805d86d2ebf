"""What an attempt uses over time, in a file that stays small however long it takes.

A sample is written each second at first. When the file is full, two samples each become one, and from then on every
sample stands for twice as long: an hour has some 450 samples, a week some 600, and none of its peaks is lost.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from kumo.runner.contract import SAMPLE, SAMPLES, SampleRecord
from kumo.runner.tail import DISK_ERRORS

MOST_SAMPLES = 900


class SampleLog:
    """Takes a sample at each tick, and writes one whenever it has taken enough."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, SAMPLES)  # noqa: PTH118 - pathlib is slow to load
        self._written: list[SampleRecord] = []
        self._taken: list[SampleRecord] = []  # since the last one that was written
        self._ticks = 1  # that one written sample stands for

    def add(self, sample: SampleRecord) -> None:
        """Take a sample. What a full disk does not take is missing in the file until the next thinning."""
        self._taken.append(sample)
        if len(self._taken) < self._ticks:
            return
        self._written.append(merged(self._taken))
        self._taken.clear()
        try:
            if len(self._written) < MOST_SAMPLES:
                self._append(self._written[-1])
            else:
                self._thin()
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise

    def _append(self, sample: SampleRecord) -> None:
        descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, _packed(sample))
        finally:
            os.close(descriptor)

    def _thin(self) -> None:
        self._ticks *= 2
        self._written = [merged(self._written[place : place + 2]) for place in range(0, len(self._written), 2)]
        # Renamed, not written in place: a reader sees the finer samples or the coarser ones.
        unfinished = f"{self._path}.new"
        descriptor = os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, b"".join(map(_packed, self._written)))
        finally:
            os.close(descriptor)
        os.replace(unfinished, self._path)  # noqa: PTH105


def merged(samples: Sequence[SampleRecord]) -> SampleRecord:
    """Samples of equal length as one: the time of the last, the average of the CPU, the peak of everything else."""
    return SampleRecord(
        milliseconds=samples[-1].milliseconds,
        cpu_percent=sum(sample.cpu_percent for sample in samples) / len(samples),
        memory_bytes=max(sample.memory_bytes for sample in samples),
        processes=max(sample.processes for sample in samples),
    )


def _packed(sample: SampleRecord) -> bytes:
    return SAMPLE.pack(sample.milliseconds, sample.cpu_percent, sample.memory_bytes, sample.processes)
