from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kumo.schedules.decisions import MOST_CAUGHT_UP, PUNCTUAL, CatchUp, plan

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

ages = st.lists(st.integers(0, 7200), min_size=1, max_size=MOST_CAUGHT_UP + 1, unique=True)
windows = st.integers(0, 7200).map(lambda seconds: timedelta(seconds=seconds))
policies = st.sampled_from(CatchUp)


def moments_of(ages: list[int]) -> list[datetime]:
    return [NOW - timedelta(seconds=age) for age in sorted(ages, reverse=True)]


@given(ages=ages, left_out=st.integers(0, 10_000), catch_up=policies, window=windows)
def test_each_moment_is_decided_once_and_in_order(
    ages: list[int], left_out: int, catch_up: CatchUp, window: timedelta
) -> None:
    moments = moments_of(ages)
    decided = plan(moments, left_out, catch_up=catch_up, window=window, now=NOW)
    assert [due.at for due in decided.due] == moments
    assert decided.missed_before == left_out


@given(ages=ages, catch_up=policies, window=windows)
def test_a_punctual_moment_always_runs(ages: list[int], catch_up: CatchUp, window: timedelta) -> None:
    decided = plan(moments_of(ages), 0, catch_up=catch_up, window=window, now=NOW)
    assert all(due.run for due in decided.due if NOW - due.at <= PUNCTUAL)


@given(ages=ages, catch_up=policies, window=windows)
def test_nothing_late_runs_from_before_the_window(ages: list[int], catch_up: CatchUp, window: timedelta) -> None:
    decided = plan(moments_of(ages), 0, catch_up=catch_up, window=window, now=NOW)
    assert not any(due.run for due in decided.due if NOW - due.at > max(window, PUNCTUAL))


@given(ages=ages, window=windows)
def test_skip_runs_nothing_late(ages: list[int], window: timedelta) -> None:
    decided = plan(moments_of(ages), 0, catch_up=CatchUp.SKIP, window=window, now=NOW)
    assert not any(due.run for due in decided.due if NOW - due.at > PUNCTUAL)


@given(ages=ages, window=windows)
def test_latest_runs_the_last_late_one_unless_a_punctual_one_runs(ages: list[int], window: timedelta) -> None:
    moments = moments_of(ages)
    decided = plan(moments, 0, catch_up=CatchUp.LATEST, window=window, now=NOW)
    late_runs = [due.at for due in decided.due if due.run and NOW - due.at > PUNCTUAL]
    if NOW - moments[-1] <= max(PUNCTUAL, window):
        assert late_runs == ([] if NOW - moments[-1] <= PUNCTUAL else [moments[-1]])
    else:
        assert late_runs == []


@given(ages=ages, window=windows)
def test_all_runs_each_in_the_window_up_to_a_hundred(ages: list[int], window: timedelta) -> None:
    moments = moments_of(ages)
    decided = plan(moments, 0, catch_up=CatchUp.ALL, window=window, now=NOW)
    wanted = [moment for moment in moments if NOW - moment <= max(window, PUNCTUAL)]
    assert [due.at for due in decided.due if due.run] == wanted[-MOST_CAUGHT_UP:]


@given(ages=ages, catch_up=policies, window=windows)
def test_what_is_missed_lies_before_all_that_runs(ages: list[int], catch_up: CatchUp, window: timedelta) -> None:
    # The ledger tells a gap as one row from its first to its last moment.
    runs = [due.run for due in plan(moments_of(ages), 0, catch_up=catch_up, window=window, now=NOW).due]
    assert runs == sorted(runs)
