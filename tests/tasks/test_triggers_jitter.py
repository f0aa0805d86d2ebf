"""Delays that spread moments: always the same, and never so long that moments meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.errors import InvalidInput
from kumo.tasks.triggers import Cron, Interval, due_between, due_moments, validate

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

nominal = st.builds(
    Cron,
    expression=st.sampled_from(
        ["* * * * *", "*/5 * * * * *", "0,1 3 * * *", "* * 8 * * *", "0 0 * * *", "5,50 * * * *"]
    ),
    timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
    end_at=st.none() | st.just(NOW + timedelta(days=3, seconds=20)),
) | st.builds(Interval, seconds=st.floats(1, 100_000), start_at=st.just(NOW), end_at=st.none())
afters = st.integers(-86400, 86400 * 90).map(
    lambda seconds: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
afters |= st.floats(0, 3 * 86400).map(lambda seconds: NOW + timedelta(seconds=seconds))


def delayed(trigger: Cron | Interval, jitter: int, seed: int) -> Cron | Interval:
    values = {name: getattr(trigger, name) for name in trigger.__dataclass_fields__}
    return type(trigger)(**values | {"jitter_seconds": jitter, "seed": seed})


@given(trigger=nominal, jitter=st.integers(1, 3600), seed=st.integers(1, 10**6), after=afters)
def test_each_moment_is_late_by_less_than_the_jitter_and_before_the_next(
    trigger: Cron | Interval, jitter: int, seed: int, after: datetime
) -> None:
    plain = due_moments(trigger, after, 6)
    if not plain:
        return
    due = due_moments(delayed(trigger, jitter, seed), plain[0] - timedelta(microseconds=1), 5)
    if due and due[0] < plain[0]:
        due = due[1:]
    for each, (moment, following) in zip(due, pairwise([*plain, datetime.max.replace(tzinfo=UTC)]), strict=False):
        assert moment <= each < min(moment + timedelta(seconds=jitter), following)
        assert trigger.end_at is None or each <= trigger.end_at


@given(trigger=nominal, jitter=st.integers(1, 3600), seed=st.integers(1, 10**6), after=afters, back=st.floats(0, 9000))
def test_it_does_not_matter_from_when_on_one_asks(
    trigger: Cron | Interval, jitter: int, seed: int, after: datetime, back: float
) -> None:
    spread = delayed(trigger, jitter, seed)
    following = spread.next_after(after)
    for moment in spread.moments_after(after - timedelta(seconds=back)):
        if moment > after:
            assert moment == following
            return
    assert following is None


@given(jitter=st.integers(0, 3600), seconds=st.integers(1, 600), seed=st.integers(1, 99), length=st.integers(0, 90_000))
def test_jitter_takes_no_moment_away_and_adds_none(jitter: int, seconds: int, seed: int, length: int) -> None:
    plain = Interval(seconds=seconds, start_at=NOW)
    spread = delayed(plain, jitter, seed)
    first = spread.next_after(NOW - timedelta(microseconds=1))
    assert first is not None
    until = first + timedelta(seconds=length)
    moments, left_out = due_between(spread, first, until, 100)
    count = len(due_between(plain, NOW, until, 100)[0]) + due_between(plain, NOW, until, 100)[1]
    assert count - 1 <= len(moments) + left_out <= count  # the last one may be still to come
    assert moments == sorted(set(moments))


def test_triggers_are_spread_over_the_whole_jitter() -> None:
    midnight = [delayed(Cron(expression="0 0 * * *"), 600, seed).next_after(NOW) for seed in range(1000)]
    late = [moment - datetime(2026, 1, 6, tzinfo=UTC) for moment in midnight if moment is not None]
    in_each_minute = [sum(minute <= delay.total_seconds() / 60 < minute + 1 for delay in late) for minute in range(10)]
    assert sum(in_each_minute) == 1000
    assert min(in_each_minute) > 60


def test_the_delay_of_a_moment_never_changes() -> None:
    # Written down: a new release must not compute other moments, which would come due a second time.
    spread = Cron(expression="0 0 * * *", jitter_seconds=3600, seed=7)
    assert spread.next_after(NOW) == datetime(2026, 1, 6, 0, 18, 24, 570_000, tzinfo=UTC)


@pytest.mark.parametrize("jitter", [-1, 3601])
def test_a_jitter_out_of_bounds_is_refused(jitter: int) -> None:
    for trigger in (
        Cron(expression="0 0 * * *", jitter_seconds=jitter),
        Interval(seconds=9, start_at=NOW, jitter_seconds=jitter),
    ):
        with pytest.raises(InvalidInput, match="from 0 to 3600") as caught:
            validate(trigger, field="trigger", now=NOW)
        assert [detail.field for detail in caught.value.details] == ["trigger.jitter_seconds"]
