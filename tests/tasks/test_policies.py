from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.tasks.policies import WEEKDAYS, Blackout, Retry
from tests.tasks.test_api import blamed, created

# --- retry -----------------------------------------------------------------------------------------------------------


def test_delays_grow_up_to_their_most() -> None:
    retry = Retry(max_attempts=9, delay_seconds=60, backoff=2, max_delay_seconds=300)
    delays = [retry.delay_after(attempt, seed=7).total_seconds() for attempt in range(1, 6)]
    for delay, nominal in zip(delays, (60, 120, 240, 300, 300), strict=True):
        assert nominal <= delay <= nominal * 1.1


@given(attempt=st.integers(1, 10_000), seed=st.integers(0, 2**40), backoff=st.floats(1, 100))
def test_a_delay_is_bounded_and_always_the_same(attempt: int, seed: int, backoff: float) -> None:
    retry = Retry(max_attempts=100, delay_seconds=1, backoff=backoff, max_delay_seconds=3600)
    delay = retry.delay_after(attempt, seed=seed)
    assert timedelta(seconds=1) <= delay <= timedelta(seconds=3960)
    assert delay == retry.delay_after(attempt, seed=seed)


def test_what_failed_together_does_not_come_back_together() -> None:
    delays = {Retry(delay_seconds=60).delay_after(1, seed=run_id) for run_id in range(1000)}
    assert len(delays) > 900


# --- blackouts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-01-05T21:59", False),  # a Monday
        ("2026-01-05T22:00", True),
        ("2026-01-06T05:59", True),
        ("2026-01-06T06:00", False),
        ("2026-01-06T23:00", False),  # does not start on Tuesdays
        ("2026-01-05T03:00", False),  # nor on Sundays
    ],
)
def test_a_blackout_over_midnight_belongs_to_the_day_on_which_it_starts(moment: str, *, holds: bool) -> None:
    blackout = Blackout(start="22:00", end="06:00", days=["mon"])
    assert blackout.holds(datetime.fromisoformat(moment).replace(tzinfo=UTC)) == holds


@given(minutes=st.integers(0, 17 * 366 * 24 * 60))
def test_a_blackout_and_the_rest_of_the_day_are_the_day(minutes: int) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    night = Blackout(start="22:00", end="06:00", timezone="Europe/Berlin")
    day = Blackout(start="06:00", end="22:00", timezone="Europe/Berlin")
    assert night.holds(at) != day.holds(at)


def test_the_days_of_the_week_are_in_pythons_order() -> None:
    assert WEEKDAYS[datetime(2026, 1, 5, tzinfo=UTC).weekday()] == "mon"


# --- over HTTP -------------------------------------------------------------------------------------------------------


async def test_policies_are_kept_and_changed_in_parts(client: httpx.AsyncClient, project_id: int) -> None:
    await client.post("/pools", json={"name": "db", "slots": 2})
    task = await created(
        client,
        project_id,
        retry={"max_attempts": 3, "exit_codes": [75]},
        limits={"memory_bytes": 1 << 30},
        pool="db",
        failure_threshold=5,
        blackouts=[{"start": "22:00", "end": "06:00", "days": ["sat"], "timezone": "Europe/Berlin"}],
        proxy="http://proxy.example:3128",
        overlap="replace",
    )
    changed = await client.patch(
        f"/tasks/{task['id']}", json={"retry": {"delay_seconds": 5}, "limits": {"processes": 8}}
    )
    assert changed.status_code == 200, changed.text
    now = changed.json()
    assert (now["retry"]["max_attempts"], now["retry"]["delay_seconds"], now["retry"]["exit_codes"]) == (3, 5, [75])
    assert (now["limits"]["memory_bytes"], now["limits"]["processes"]) == (1 << 30, 8)
    assert (now["pool"], now["failure_threshold"], now["proxy"]) == ("db", 5, "http://proxy.example:3128")
    assert now["blackouts"] == task["blackouts"]
    cleared = (await client.patch(f"/tasks/{task['id']}", json={"pool": None, "failure_threshold": None})).json()
    assert (cleared["pool"], cleared["failure_threshold"]) == (None, None)


@pytest.mark.parametrize(
    ("fields", "blamed_field"),
    [
        ({"retry": {"max_attempts": 0}}, "retry.max_attempts"),
        ({"retry": {"attempts": 2}}, "retry.attempts"),
        ({"limits": {"memory_bytes": -1}}, "limits.memory_bytes"),
        ({"limits": {"log_bytes": 10}}, "limits.log_bytes"),
        ({"rate_limit": {"max_requests_per_second": 0}}, "rate_limit.max_requests_per_second"),
        ({"blackouts": [{"start": "24:00", "end": "06:00"}]}, "blackouts.0.start"),
        ({"blackouts": [{"start": "22:00", "end": "06:00", "timezone": "Mars/Base"}]}, "blackouts.0.timezone"),
        ({"blackouts": [{"start": "22:00", "end": "06:00", "days": ["someday"]}]}, "blackouts.0.days.0"),
        ({"proxy": "proxy.example:3128"}, "proxy"),
        ({"proxy": "http://ada:secret@proxy.example:3128"}, "proxy"),
        ({"proxy": "http://proxy.example:99999"}, "proxy"),
        ({"pool": "none such"}, "pool"),
        ({"failure_threshold": 0}, "failure_threshold"),
        ({"retry": None}, "retry"),
    ],
)
async def test_a_policy_that_cannot_be_is_refused(
    client: httpx.AsyncClient, project_id: int, fields: dict[str, object], blamed_field: str
) -> None:
    task = await created(client, project_id)
    assert blamed(await client.patch(f"/tasks/{task['id']}", json=fields)) == [blamed_field]


# --- pools -----------------------------------------------------------------------------------------------------------


async def test_a_pool_is_made_changed_and_deleted(client: httpx.AsyncClient, project_id: int) -> None:
    pool = (await client.post("/pools", json={"name": "db", "slots": 2})).json()
    assert (await client.post("/pools", json={"name": "db", "slots": 1})).status_code == 409
    renamed = await client.patch(f"/pools/{pool['id']}", json={"name": "database", "slots": 3})
    assert (renamed.json()["name"], renamed.json()["slots"], renamed.json()["version"]) == ("database", 3, 2)
    stale = await client.patch(f"/pools/{pool['id']}", json={"slots": 9}, headers={"If-Match": "1"})
    assert stale.status_code == 409
    task = await created(client, project_id, pool="database")
    refused = await client.delete(f"/pools/{pool['id']}")
    assert refused.status_code == 409
    assert "nightly" in refused.json()["error"]["message"]
    assert (await client.delete(f"/tasks/{task['id']}")).status_code == 204
    assert (await client.delete(f"/pools/{pool['id']}")).status_code == 204
    assert (await client.get("/pools")).json()["items"] == []
