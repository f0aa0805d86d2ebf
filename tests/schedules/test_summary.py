from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.schedules.decisions import DownTime
from kumo.schedules.summary import Tally, cadence, counted_within, in_words
from kumo.tasks.time_zones import zone

NIGHT = datetime(2026, 1, 6, 1, 10, tzinfo=UTC)
BERLIN = zone("Europe/Berlin")


def tally(ran: int, **skipped: int) -> Tally:
    found = Tally()
    found.count(None, ran)
    for reason, count in skipped.items():
        found.count(reason, count)
    return found


def minutes(*numbers: float) -> list[datetime]:
    return [NIGHT + timedelta(minutes=number) for number in numbers]


def test_the_sentence_says_what_should_have_been_and_what_was() -> None:
    found = tally(285, missed=1, overlap=2)
    down = [DownTime(begin_at=NIGHT, end_at=NIGHT + timedelta(minutes=4))]
    assert found.expected == 288
    assert in_words(found, down, BERLIN, "en") == (
        "expected 288, ran 285, 2 skipped: overlap, 1 missed: server down 02:10–02:14 (Europe/Berlin)"
    )
    assert in_words(found, down, BERLIN, "zh-CN") == (
        "应有 288 次，运行 285 次，跳过 2 次：上一次运行未结束，错过 1 次：服务器停机 02:10–02:14（Europe/Berlin）"
    )
    assert in_words(tally(0), [], BERLIN, "en") == "expected 0, ran 0"
    assert in_words(tally(1, missed=2, blackout=3), [], BERLIN, "en") == (
        "expected 6, ran 1, 3 skipped: blackout, 2 missed: nobody looked in time"
    )


def test_down_times_of_several_days_are_told_with_their_days() -> None:
    down = [
        DownTime(begin_at=NIGHT + timedelta(days=day), end_at=NIGHT + timedelta(days=day, hours=1)) for day in range(5)
    ]
    sentence = in_words(tally(0, missed=9), down, zone("UTC"), "en")
    assert sentence.endswith(
        "9 missed: server down 2026-01-08 01:10–2026-01-08 02:10, 2026-01-09 01:10–2026-01-09 02:10, 01:10–02:10 "
        "and 2 more times (UTC)"
    )


@pytest.mark.parametrize(
    ("due", "starts", "skipped", "warning"),
    [
        ([0, 5, 10, 15], [0, 5, 10.2, 15], 0, None),
        ([0, 5, 10, 15], [0, 7, 14], 0, None),
        (
            [0, 5, 10, 15],
            [0, 15],
            2,
            (
                "It is due every 5 minutes, but its runs began every 15 minutes. "
                "2 skipped because earlier runs were still going."
            ),
        ),
        ([0, 5, 10, 15], [0], 0, "It is due every 5 minutes, but only one run began."),
        ([0, 1, 2.001, 3.001], [0], 0, "It is due every minute, but only one run began."),
        ([0, 0.5, 1, 1.5], [0, 1, 2.001], 0, "It is due every 30 seconds, but its runs began every minute."),
        ([0, 1352.5, 2705, 4057.5], [0], 0, "It is due every 23 hours, but only one run began."),
        ([0, 1.5, 3, 4.5], [0], 0, "It is due every 90 seconds, but only one run began."),
        ([0, 30], [0, 60, 120], 3, None),
        ([0], [0], 0, None),
        ([], [], 0, None),
    ],
)
def test_runs_that_begin_too_rarely_are_pointed_out(
    due: list[float], starts: list[float], skipped: int, warning: str | None
) -> None:
    found = cadence(minutes(*due), minutes(*starts))
    assert found.warning(tally(len(due) - skipped, overlap=skipped), "en") == warning
    assert (found.warning(tally(len(due) - skipped, overlap=skipped), "zh-CN") is None) == (warning is None)


def test_a_few_moments_are_no_reason_to_warn() -> None:
    assert cadence(minutes(0, 5, 10), []).warning(tally(2), "en") is None


def test_down_times_and_blackouts_are_no_reason_to_warn() -> None:
    found = cadence(minutes(0, 5, 10, 15), minutes(0))
    assert found.warning(tally(1, missed=99, blackout=99, overlap=1), "en") is None
    assert found.warning(tally(1, missed=99, overlap=2), "en") is not None


moments = st.integers(-(10**9), 10**9).map(lambda microseconds: NIGHT + timedelta(microseconds=microseconds))


@given(first=moments, span=st.integers(1, 10**9), count=st.integers(2, 10**6), cuts=st.lists(moments, max_size=5))
def test_times_that_meet_count_each_moment_of_a_gap_once(
    first: datetime, span: int, count: int, cuts: list[datetime]
) -> None:
    last = first + timedelta(microseconds=span)
    ends = [NIGHT - timedelta(days=1), *sorted(cuts), NIGHT + timedelta(days=1)]
    counted = [counted_within(first, last, count, begin, end) for begin, end in pairwise(ends)]
    assert sum(counted) == count
    assert all(number >= 0 for number in counted)


@given(seconds=st.integers(1, 100), count=st.integers(2, 200), begin=st.integers(-50, 250), length=st.integers(0, 300))
def test_evenly_spaced_moments_are_counted_exactly(seconds: int, count: int, begin: int, length: int) -> None:
    due = [NIGHT + timedelta(seconds=seconds * number) for number in range(count)]
    begin_at, end_at = NIGHT + timedelta(seconds=begin), NIGHT + timedelta(seconds=begin + length)
    inside = sum(begin_at <= moment < end_at for moment in due)
    assert counted_within(due[0], due[-1], count, begin_at, end_at) == inside
