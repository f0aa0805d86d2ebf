"""Whoever guesses passwords waits longer each time."""

from __future__ import annotations

import httpx
import pytest

from kumo.access import throttle
from kumo.access.models import User
from kumo.access.throttle import LoginThrottle
from kumo.errors import RateLimited
from tests.fakes import ManualClock
from tests.server import PASSWORD


def test_each_failure_past_the_fifth_doubles_the_wait_up_to_five_minutes(clock: ManualClock) -> None:
    guard = LoginThrottle()
    waits = []
    for _ in range(20):
        guard.failed("ada", "192.0.2.1", clock())
        waits.append(_wait(guard, clock))
        clock.advance(seconds=waits[-1])
        assert _wait(guard, clock) == 0
    assert waits[:8] == [0, 0, 0, 0, 1, 2, 4, 8]
    assert max(waits) == waits[-1] == 300


def test_other_addresses_and_accounts_do_not_wait(clock: ManualClock) -> None:
    guard = LoginThrottle()
    for _ in range(10):
        guard.failed("ada", "192.0.2.1", clock())
    guard.check("ada", "192.0.2.2", clock())
    guard.check("bob", "192.0.2.1", clock())


def test_success_starts_from_zero(clock: ManualClock) -> None:
    guard = LoginThrottle()
    for _ in range(10):
        guard.failed("ada", "192.0.2.1", clock())
    guard.succeeded("ada", "192.0.2.1")
    guard.check("ada", "192.0.2.1", clock())


def test_a_flood_of_made_up_names_takes_bounded_memory(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_MOST_KEYS", 100)
    guard = LoginThrottle()
    for number in range(1000):
        clock.advance(seconds=0.001)
        guard.failed(f"nobody{number}", "192.0.2.1", clock())
    assert len(guard._failures) <= 100
    assert ("nobody999", "192.0.2.1") in guard._failures


async def test_the_right_password_waits_too_and_is_told_how_long(stranger: httpx.AsyncClient, ada: User) -> None:
    for _ in range(5):
        await stranger.post("/auth/login", json={"username": "ada", "password": "wrong password"})
    answer = await stranger.post("/auth/login", json={"username": "ADA", "password": PASSWORD})
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "rate_limited"
    assert int(answer.headers["retry-after"]) >= 1


def _wait(guard: LoginThrottle, clock: ManualClock) -> int:
    try:
        guard.check("ada", "192.0.2.1", clock())
    except RateLimited as error:
        return error.retry_after_seconds
    return 0
