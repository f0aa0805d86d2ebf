"""Logs that are larger than they may be: head, a line on what was left out, tail."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.runner.contract import INDEX_ENTRY, AttemptSpec, Result
from kumo.runner.tail import Budget, Tail, pieces_of_tail
from tests.runner.conftest import Attempts, tail_ends_with

KIB = 1 << 10
FULL = b"[kumo] Half of this log is full. The newest %s of what comes now follow at the end.\n"
LEFT_OUT = re.compile(
    rb"\[kumo\] [0-9.]+ [KM]iB of output were left out here; the limit of this task's log is (.+)\.\n"
)


def numbers(first: int, last: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(first, last + 1))


async def run(attempts: Attempts, script: str, log_bytes: int) -> tuple[AttemptSpec, Result, bytes]:
    spec = attempts.spec("sh", "-c", script, log_bytes=log_bytes)
    await attempts.dispatcher.launch(spec)
    result = await attempts.end(spec)
    return spec, result, (Path(spec.directory) / "log").read_bytes()


async def test_a_log_below_its_limit_is_as_it_was_printed(attempts: Attempts) -> None:
    _spec, result, log = await run(attempts, "seq 1 5000", 64 * KIB)
    assert log == numbers(1, 5000)
    assert (result.log_bytes, result.log_dropped_bytes) == (len(log), 0)


async def test_nothing_is_left_out_of_a_log_that_just_fits(attempts: Attempts) -> None:
    _spec, result, log = await run(attempts, "seq 1 10000", 64 * KIB)
    head, rest = log.split(FULL % b"31.8 KiB")
    assert head + rest == numbers(1, 10000)
    assert (result.log_bytes, result.log_dropped_bytes) == (len(log), 0)


@pytest.mark.parametrize(("limit", "tail"), [(64 * KIB, b"31.8 KiB"), (3 * KIB * KIB, b"1.5 MiB")])
async def test_the_middle_of_a_large_log_is_left_out(attempts: Attempts, limit: int, tail: bytes) -> None:
    spec, result, log = await run(attempts, "seq 1 1000000; sleep 0.1; echo end", limit)
    printed = numbers(1, 1_000_000) + b"end\n"

    head, rest = log.split(FULL % tail)
    line = LEFT_OUT.match(rest)
    assert line is not None
    newest = rest[line.end() :]
    assert printed.startswith(head)
    assert head.endswith(b"\n")
    assert printed.endswith(b"\n" + newest)
    assert limit * 0.7 < len(log) <= limit
    assert result.exit_code == 0
    assert result.log_bytes == len(log)
    assert result.log_dropped_bytes == result.log_capped_bytes == len(printed) - len(head) - len(newest)
    assert not list(Path(spec.directory).glob("log.tail.*"))

    entries = list(INDEX_ENTRY.iter_unpack((Path(spec.directory) / "log.index").read_bytes()))
    assert all(log.count(b"\n", 0, offset) == lines for offset, _milliseconds, lines in entries)
    assert entries == sorted(entries)
    assert [at for _offset, at, _lines in entries] == sorted(at for _offset, at, _lines in entries)
    assert len(head) + len(FULL % tail) in {offset for offset, _milliseconds, _lines in entries}


async def test_output_without_lines_is_cut_anywhere(attempts: Attempts) -> None:
    _spec, result, log = await run(attempts, "head -c 5000000 /dev/zero", 64 * KIB)
    head, rest = log.split(b"\n" + FULL % b"31.8 KiB")
    line = LEFT_OUT.match(rest)
    assert line is not None
    assert line[1] == b"64 KiB"
    newest = rest[line.end() :]
    assert set(head + newest) == {0}
    assert len(head) + len(newest) + result.log_dropped_bytes == 5_000_000


async def test_what_a_viewer_has_seen_never_changes_and_the_disk_is_spared(attempts: Attempts) -> None:
    limit = 1 << 20
    script = "seq 1 300000; echo printed >&3; while [ ! -e go ]; do sleep 0.02; done; echo end"
    spec = attempts.spec("sh", "-c", f"exec 3>word; {script}", log_bytes=limit)
    await attempts.begin(spec)
    directory = Path(spec.directory)
    async with asyncio.timeout(20):
        while not (attempts.home / "word").exists() or not (attempts.home / "word").read_text():
            await asyncio.sleep(0.02)
        # The runner may be behind the script by what is in the pipe.
        while not tail_ends_with(directory, b"300000\n"):
            await asyncio.sleep(0.02)
    seen = (directory / "log").read_bytes()
    assert seen.endswith(FULL % b"512 KiB")
    assert sum(path.stat().st_size for path in directory.glob("log*")) < 1.1 * limit
    (attempts.home / "go").touch()
    await attempts.end(spec)
    log = (directory / "log").read_bytes()
    assert log.startswith(seen)
    assert log.endswith(b"300000\nend\n")


@given(
    limit=st.integers(4096, 60_000),
    sizes=st.lists(st.integers(1, 40_000), min_size=1, max_size=40),
)
def test_a_tail_keeps_the_newest_bytes(limit: int, sizes: list[int]) -> None:
    budget = Budget.of(limit)
    printed = b""
    with tempfile.TemporaryDirectory() as directory:
        tail = Tail(directory, budget)
        for number, size in enumerate(sizes):
            chunk = bytes([number % 250 + 11]) * size  # no newline
            printed += chunk
            assert tail.write(chunk, float(number)) == size
            on_disk = sum(path.stat().st_size for path in Path(directory).iterdir())
            assert on_disk <= budget.tail_bytes
        tail.close()
        pieces = list(pieces_of_tail(directory, None))
        assert not list(Path(directory).iterdir())
    left_out = sum(piece.left_out_bytes for piece in pieces)
    kept = b"".join(piece.data for piece in pieces if not piece.left_out_bytes)
    assert left_out + len(kept) == len(printed)
    assert printed.endswith(kept)
    assert len(kept) >= min(len(printed), budget.tail_bytes - budget.part_bytes)


@given(st.integers(1, 1 << 50))
def test_head_and_tail_and_the_lines_between_them_keep_to_the_limit(limit: int) -> None:
    budget = Budget.of(limit)
    assert budget.head_bytes + budget.tail_bytes + 300 < max(limit, 4096)
    assert 0 < budget.part_bytes <= budget.tail_bytes / 2
