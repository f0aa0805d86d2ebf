"""How runners are given attempts: a few at once, in order, and again and again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kumo.runner.contract import AttemptSpec
from kumo.workers import dispatch
from tests.runner.conftest import Attempts


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_few_attempts_are_started_at_once_and_the_others_in_their_turn(attempts: Attempts) -> None:
    specs = [attempts.spec("sh", "-c", f"echo {number} >> order; sleep 1") for number in range(40)]
    for spec in specs:
        await attempts.dispatcher.launch(spec)
        assert len(attempts.dispatcher._starting) <= dispatch._STARTING_AT_ONCE
    for spec in specs:
        assert (await attempts.end(spec)).exit_code == 0
    order = [int(line) for line in (attempts.home / "order").read_text().split()]
    assert sorted(order) == list(range(40))
    # Those of one turn wait for the disk side by side, so they may overtake each other, but nobody else.
    assert all(abs(place - number) < 2 * dispatch._STARTING_AT_ONCE for place, number in enumerate(order))


async def test_attempts_that_do_not_get_on_with_their_start_keep_nobody_waiting(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_STARTING_SECONDS", 0.2)
    stuck = [attempts.spec("true") for _ in range(dispatch._STARTING_AT_ONCE)]
    for spec in stuck:
        _hold_up(spec)
        await attempts.dispatcher.launch(spec)
    result, _log = await attempts.run("true")
    assert result.exit_code == 0
    readers = [os.open(Path(spec.directory, "log"), os.O_RDONLY | os.O_NONBLOCK) for spec in stuck]
    for spec in stuck:
        await attempts.end(spec)
    for reader in readers:
        os.close(reader)


def _hold_up(spec: AttemptSpec) -> None:
    """A pipe that nobody reads in the log's place: whoever opens it waits."""
    Path(spec.directory).mkdir(parents=True)
    os.mkfifo(Path(spec.directory, "log"))


async def test_one_runner_that_idles_is_kept_for_the_next_attempt(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_IDLE_SECONDS", 0.1)
    specs = [await attempts.begin(attempts.spec("sleep", "0.2")) for _ in range(3)]
    for spec in specs:
        await attempts.end(spec)
    await until(lambda: len(attempts.dispatcher._idle) == 1 and attempts.dispatcher._sweep is None)
    (kept,) = attempts.dispatcher._idle
    spec = await attempts.begin(attempts.spec("sleep", "0.2"))
    assert kept.spec is spec
    await attempts.end(spec)
