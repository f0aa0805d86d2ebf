from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from kumo.errors import InvalidInput
from kumo.logs.finders import Query
from kumo.logs.search import Place
from kumo.logs.searching import Limits, Searches, SlowPattern
from kumo.logs.store import LogFile

_PATIENCE_SECONDS = 30
_LARGE = 1 << 40  # bytes of a file without blocks on the disk: more than any search gets through in its time


@pytest.fixture
async def searches() -> AsyncIterator[Searches]:
    made = Searches()
    yield made
    await made.close()


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "log")


def large(log: LogFile) -> LogFile:
    with log.path.open("wb") as file:
        file.truncate(_LARGE)
    return log


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "kumo.logs.pattern_process" in child.cmdline()]


def limits(seconds: float = _PATIENCE_SECONDS, most_per_log: int = 100) -> Limits:
    return Limits(seconds=seconds, most_per_log=most_per_log)


@pytest.mark.parametrize("query", [Query(words="ERR"), Query(words="e.r", is_pattern=True)], ids=["words", "pattern"])
async def test_words_and_expressions_are_answered_alike(searches: Searches, log: LogFile, query: Query) -> None:
    log.path.write_bytes(b"fine\nan err\n\xff err \xe6\x97\xa5\n")
    outcome = await searches.search(query, [Place(log=log)], limits())
    (found,) = outcome.logs
    assert [(match.offset, match.line, match.text) for match in found.matches] == [
        (5, 2, "an err"),
        (12, 3, "\ufffd err 日"),
    ]
    assert (found.is_at_end, outcome.scanned_bytes) == (True, log.size)


async def test_what_is_no_expression_is_refused(searches: Searches, log: LogFile) -> None:
    log.path.write_bytes(b"text\n")
    for wrong in ("(", "[a", "*", "(?P<1>a)", "a{99999999999999999999}"):
        with pytest.raises(InvalidInput, match="no regular expression") as caught:
            await searches.search(Query(words=wrong, is_pattern=True), [Place(log=log)], limits())
        assert [detail.field for detail in caught.value.details] == ["q"]


async def test_an_expression_that_loses_itself_is_ended(searches: Searches, log: LogFile) -> None:
    log.path.write_bytes(b"aaa\n" + b"a" * 60 + b"!\naaa\n")
    query = Query(words="(a+)+$", is_pattern=True)
    outcome = await searches.search(query, [Place(log=log)], limits(seconds=1))
    (found,) = outcome.logs
    assert ([match.line for match in found.matches], found.offset, found.is_at_end) == ([1], 4, False)
    with pytest.raises(SlowPattern) as caught:
        await searches.search(query, [Place(log=log, offset=found.offset)], limits(seconds=0.5))
    assert [detail.field for detail in caught.value.details] == ["q"]
    assert children() == []


@pytest.mark.parametrize("is_pattern", [False, True], ids=["words", "pattern"])
async def test_a_search_ends_in_time_and_goes_on_where_it_stopped(
    searches: Searches, log: LogFile, *, is_pattern: bool
) -> None:
    query, offset = Query(words="absent", is_pattern=is_pattern), 0
    for _ in range(2):
        began = time.monotonic()
        outcome = await searches.search(
            query, [Place(log=large(log), offset=offset)], limits(seconds=1.5 if is_pattern else 0.3)
        )
        assert time.monotonic() - began < _PATIENCE_SECONDS
        (found,) = outcome.logs
        assert not found.is_at_end
        assert outcome.scanned_bytes == found.offset - offset > 0
        offset = found.offset


@pytest.mark.parametrize("is_pattern", [False, True], ids=["words", "pattern"])
async def test_nothing_is_left_of_a_search_that_is_cancelled(
    searches: Searches, log: LogFile, *, is_pattern: bool
) -> None:
    query = Query(words="(a+)+$" if is_pattern else "absent", is_pattern=is_pattern)
    if is_pattern:
        log.path.write_bytes(b"a" * 60 + b"!\n")
    else:
        large(log)
    search = asyncio.create_task(searches.search(query, [Place(log=log)], limits(seconds=3600)))
    if is_pattern:
        while not children():
            await asyncio.sleep(0.01)
    else:
        await asyncio.sleep(0.05)
    search.cancel()
    with pytest.raises(asyncio.CancelledError):
        await search
    assert children() == []
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await searches.close()  # waits for the thread


async def test_a_server_that_stops_waits_for_no_search(log: LogFile) -> None:
    searches = Searches()
    running = asyncio.create_task(searches.search(Query(words="absent"), [Place(log=large(log))], limits(3600)))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await searches.close()
        outcome = await running
    assert not outcome.logs or not outcome.logs[0].is_at_end


async def test_searches_of_many_take_turns(searches: Searches, log: LogFile) -> None:
    log.path.write_bytes(b"here\n")
    queries = [Query(words="here", is_pattern=number % 2 == 0) for number in range(8)]
    outcomes = await asyncio.gather(*(searches.search(query, [Place(log=log)], limits()) for query in queries))
    assert [len(outcome.logs[0].matches) for outcome in outcomes] == [1] * 8
