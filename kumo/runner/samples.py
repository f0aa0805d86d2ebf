"""What a script uses over time, in a file that stays small however long the script goes on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kumo.runner.contract import SAMPLE, SAMPLES, SampleRecord, read_samples
from kumo.runner.tail import DISK_ERRORS

_FIRST_INTERVAL_MS = 1000
_MOST_RECORDS = 1000  # 24 KB; then each two become one, and from there on the records lie twice as far apart


class Samples:
    """Takes measurements as they come, and leaves a record for each interval; none for a script of less than one."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._interval_ms = _FIRST_INTERVAL_MS
        self._until_ms = 0  # what the file tells of
        self._count = 0
        self._untold: list[SampleRecord] = []

    def add(self, measured: SampleRecord) -> None:
        """Take what was used since the measurement before. On a full disk only the curve has a gap."""
        self._untold.append(measured)
        if measured.milliseconds - self._until_ms < self._interval_ms:
            return
        try:
            self._append(merged(self._untold, self._until_ms))
            if self._count >= _MOST_RECORDS:
                self._thin_out()
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
        self._until_ms = measured.milliseconds
        self._untold.clear()

    def _append(self, record: SampleRecord) -> None:
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        # Opened for each: once in a second costs nothing, and there is nothing to close whatever happens.
        descriptor = os.open(os.path.join(self._directory, SAMPLES), flags, 0o600)  # noqa: PTH118
        try:
            if os.write(descriptor, _packed(record)) == SAMPLE.size:
                self._count += 1
            else:  # all that the full disk would take: no record may follow a part of one
                os.ftruncate(descriptor, self._count * SAMPLE.size)
        finally:
            os.close(descriptor)

    def _thin_out(self) -> None:
        records = read_samples(Path(self._directory))
        ends = [0, *(record.milliseconds for record in records[1::2])]
        pairs = [merged(records[2 * at : 2 * at + 2], ends[at]) for at in range(len(records) // 2)]
        target = os.path.join(self._directory, SAMPLES)  # noqa: PTH118
        with open(f"{target}.new", "wb") as file:  # noqa: PTH123
            file.writelines(map(_packed, pairs))
        os.replace(f"{target}.new", target)  # noqa: PTH105
        self._count = len(pairs)
        self._interval_ms *= 2


def merged(records: Sequence[SampleRecord], since_ms: int) -> SampleRecord:
    """One record for several that follow each other, the first of which begins at `since_ms`."""
    began, spent = since_ms, 0.0
    for record in records:
        spent += record.cpu_percent * (record.milliseconds - began)
        began = record.milliseconds
    return SampleRecord(
        milliseconds=began,
        cpu_percent=spent / (began - since_ms) if began > since_ms else 0.0,
        memory_bytes=max(record.memory_bytes for record in records),
        processes=max(record.processes for record in records),
    )


def _packed(record: SampleRecord) -> bytes:
    return SAMPLE.pack(record.milliseconds, record.cpu_percent, record.memory_bytes, record.processes)
