from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.schedules.decisions import (
    MOST_CAUGHT_UP,
    PUNCTUAL,
    CatchUp,
    Overlap,
    Skip,
    admit,
    most_looked_at,
    plan,
)

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
    assert all(due.skip is None for due in decided.due if NOW - due.at <= PUNCTUAL)


@given(ages=ages, catch_up=policies, window=windows)
def test_nothing_late_runs_from_before_the_window(ages: list[int], catch_up: CatchUp, window: timedelta) -> None:
    decided = plan(moments_of(ages), 0, catch_up=catch_up, window=window, now=NOW)
    assert not any(due.skip is None for due in decided.due if NOW - due.at > max(window, PUNCTUAL))


@given(ages=ages, window=windows)
def test_skip_runs_nothing_late(ages: list[int], window: timedelta) -> None:
    decided = plan(moments_of(ages), 0, catch_up=CatchUp.SKIP, window=window, now=NOW)
    assert not any(due.skip is None for due in decided.due if NOW - due.at > PUNCTUAL)


@given(ages=ages, window=windows)
def test_latest_runs_the_last_late_one_unless_a_punctual_one_runs(ages: list[int], window: timedelta) -> None:
    moments = moments_of(ages)
    decided = plan(moments, 0, catch_up=CatchUp.LATEST, window=window, now=NOW)
    late_runs = [due.at for due in decided.due if due.skip is None and NOW - due.at > PUNCTUAL]
    if NOW - moments[-1] <= max(PUNCTUAL, window):
        assert late_runs == ([] if NOW - moments[-1] <= PUNCTUAL else [moments[-1]])
    else:
        assert late_runs == []


@given(ages=ages, window=windows)
def test_all_runs_each_in_the_window_up_to_a_hundred(ages: list[int], window: timedelta) -> None:
    moments = moments_of(ages)
    decided = plan(moments, 0, catch_up=CatchUp.ALL, window=window, now=NOW)
    wanted = [moment for moment in moments if NOW - moment <= max(window, PUNCTUAL)]
    assert [due.at for due in decided.due if due.skip is None] == wanted[-MOST_CAUGHT_UP:]


@given(ages=ages, catch_up=policies, window=windows)
def test_what_is_missed_lies_before_all_that_runs(ages: list[int], catch_up: CatchUp, window: timedelta) -> None:
    # The ledger tells a gap as one row from its first to its last moment.
    runs = [due.skip is None for due in plan(moments_of(ages), 0, catch_up=catch_up, window=window, now=NOW).due]
    assert runs == sorted(runs)


# --- blackouts -------------------------------------------------------------------------------------------------------


@given(ages=ages, out=st.sets(st.integers(0, MOST_CAUGHT_UP)), catch_up=policies, window=windows)
def test_a_blackout_is_as_if_its_moments_were_not_due(
    ages: list[int], out: set[int], catch_up: CatchUp, window: timedelta
) -> None:
    moments = moments_of(ages)
    blacked_out = [moment for number, moment in enumerate(moments) if number in out]
    rest = [moment for moment in moments if moment not in blacked_out]
    decided = plan(moments, 0, catch_up=catch_up, window=window, now=NOW, blacked_out=blacked_out)
    assert [due.at for due in decided.due] == moments
    assert [due.at for due in decided.due if due.skip is Skip.BLACKOUT] == blacked_out
    assert [due for due in decided.due if due.skip is not Skip.BLACKOUT] == plan(
        rest, 0, catch_up=catch_up, window=window, now=NOW
    ).due


@pytest.mark.parametrize("out", [False, True])
@given(ages=ages, left_out=st.integers(1, 10_000), catch_up=policies, window=windows)
def test_a_gap_that_is_not_listed_has_a_moment_to_be_told_by(
    ages: list[int], left_out: int, catch_up: CatchUp, window: timedelta, *, out: bool
) -> None:
    moments = moments_of(ages)
    decided = plan(moments, left_out, catch_up=catch_up, window=window, now=NOW, blacked_out=moments if out else ())
    assert decided.due[0].skip is Skip.MISSED


@pytest.mark.parametrize("has_blackouts", [False, True])
@given(catch_up=policies, window=windows, seconds=st.integers(1, 3600))
def test_no_moment_that_is_run_is_overlooked(
    catch_up: CatchUp, window: timedelta, seconds: int, *, has_blackouts: bool
) -> None:
    everything = [NOW - timedelta(seconds=seconds * number) for number in range(300, -1, -1)]
    most = most_looked_at(catch_up, has_blackouts=has_blackouts)
    runs = [
        [due.at for due in plan(moments, left_out, catch_up=catch_up, window=window, now=NOW).due if due.skip is None]
        for moments, left_out in ((everything, 1), (everything[-most:], len(everything) - most + 1))
    ]
    assert runs[0] == runs[1]


# --- overlap ---------------------------------------------------------------------------------------------------------


@given(max_parallel=st.integers(1, 9), open_runs=st.integers(0, 12), count=st.integers(0, 12))
def test_skip_never_goes_beyond_what_may_go_at_once(max_parallel: int, open_runs: int, count: int) -> None:
    admitted = admit(Overlap.SKIP, max_parallel=max_parallel, open_runs=open_runs, count=count)
    assert sum(admitted) == min(count, max(0, max_parallel - open_runs))
    assert admitted == sorted(admitted, reverse=True)


@given(open_runs=st.integers(0, 12), count=st.integers(1, 12))
def test_of_moments_that_replace_each_other_the_last_one_runs(open_runs: int, count: int) -> None:
    admitted = admit(Overlap.REPLACE, max_parallel=1, open_runs=open_runs, count=count)
    assert admitted == [False] * (count - 1) + [True]


@given(overlap=st.sampled_from([Overlap.QUEUE, Overlap.ALLOW]), count=st.integers(0, 12))
def test_queue_and_allow_run_each(overlap: Overlap, count: int) -> None:
    assert admit(overlap, max_parallel=1, open_runs=7, count=count) == [True] * count
