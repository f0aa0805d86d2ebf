"""What expressions may say, and that counting their moments gives what stepping through them gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.errors import InvalidInput
from kumo.tasks.cron import count_between, moments_after
from kumo.tasks.triggers import Cron, due_between, due_moments, validate

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Casablanca"]
# A day before some change of clocks in each of these zones.
STARTS = [
    datetime.fromisoformat(f"{day}T00:00:00Z")
    for day in ("2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-04-04", "2026-10-03", "2026-02-14")
]

numbers = st.integers(0, 23).map(str)
parts = st.sampled_from(["*", "*/2", "*/7", "1-3", "0", "2,3", "1-20/5"]) | numbers
hours = st.sampled_from(["*", "*/3", "0", "1", "2", "3", "0-3", "1,2"])
expressions = st.builds(
    lambda second, minute, hour, day, weekday: " ".join(
        part for part in (second, minute, hour, day, "*", weekday) if part
    ),
    second=st.sampled_from(["", "", "", "30", "*/20"]),
    minute=parts,
    hour=hours,
    day=st.sampled_from(["*", "*", "1-7", "L", "29"]),
    weekday=st.sampled_from(["*", "*", "0", "6,0"]),
)


def days(expression: str, count: int) -> list[str]:
    return [f"{moment:%m-%d}" for moment in due_moments(Cron(expression=expression), NOW, count)]


@given(
    expression=expressions,
    zone=st.sampled_from(ZONES),
    start=st.sampled_from(STARTS),
    before=st.integers(0, 36 * 60),
    length=st.integers(0, 3 * 24 * 60),
)
def test_counting_gives_what_stepping_gives(
    expression: str, zone: str, start: datetime, before: int, length: int
) -> None:
    after = start + timedelta(minutes=before)
    until = after + timedelta(minutes=length)
    stepped = list(takewhile(lambda moment: moment <= until, moments_after(expression, zone, after)))
    assert count_between(expression, zone, after, until) == len(stepped)


def test_a_year_of_seconds_is_counted_at_once() -> None:
    trigger = Cron(expression="* * * * * *", timezone="Europe/Berlin")
    until = NOW + timedelta(days=365)
    latest, left_out = due_between(trigger, NOW, until, 100)
    assert latest == [until - timedelta(seconds=second) for second in range(99, -1, -1)]
    assert left_out == 365 * 86400 + 1 - 100


def test_a_rare_moment_is_found_behind_many_changes_of_clocks() -> None:
    found = moments_after("*/30 12 29 2 *", "Europe/Berlin", NOW)
    assert [next(found) for _ in range(3)] == [
        datetime(2028, 2, 29, 11, 0, tzinfo=UTC),
        datetime(2028, 2, 29, 11, 30, tzinfo=UTC),
        datetime(2032, 2, 29, 11, 0, tzinfo=UTC),
    ]


def test_the_second_showing_of_a_time_is_found_from_a_day_before() -> None:
    # After the first showings a week without moments follows on the calendar, but the clock is set back within it.
    after = datetime(2026, 10, 24, 0, 45, tzinfo=UTC)  # 02:45 on Saturday
    found = moments_after("*/30 2 * * sun", "Europe/Berlin", after)
    assert [f"{next(found):%d %H:%M}" for _ in range(5)] == ["25 00:00", "25 00:30", "25 01:00", "25 01:30", "01 01:00"]


def test_moments_end_with_the_calendar() -> None:
    found = list(moments_after("0 0 29 2 *", "UTC", datetime(9990, 1, 1, tzinfo=UTC)))
    assert found == [datetime(9992, 2, 29, tzinfo=UTC), datetime(9996, 2, 29, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 * JAN,mar *", ["01-06", "01-07"]),
        ("0 0 1 feb-Apr *", ["02-01", "03-01", "04-01", "02-01"]),
        ("0 0 * * MON-wed", ["01-06", "01-07", "01-12"]),
        ("0 0 * * fri", ["01-09", "01-16"]),
        ("0 0 * * 0", ["01-11", "01-18"]),
        ("0 0 * * 7", ["01-11", "01-18"]),
        ("0 0 * * 1-5", ["01-06", "01-07", "01-08", "01-09", "01-12"]),
        ("0 0 * * 5-7", ["01-09", "01-10", "01-11", "01-16"]),
        ("0 0 * * 0-1", ["01-11", "01-12", "01-18"]),
        ("0 0 L * *", ["01-31", "02-28", "03-31"]),
        ("0 0 LW * *", ["01-30", "02-27", "03-31", "04-30", "05-29"]),
        ("0 0 1,L * *", ["01-31", "02-01", "02-28"]),
        ("0 0 * * 5L", ["01-30", "02-27"]),
        ("0 0 * * mon#1", ["02-02", "03-02"]),
        ("0 0 * * 1#2,3#4", ["01-12", "01-28", "02-09"]),
        ("0 0 * * 0#5", ["03-29", "05-31"]),
        ("0 0 13 * fri", ["01-09", "01-13", "01-16"]),
        ("0 0 1-10/4 * *", ["01-09", "02-01", "02-05"]),
    ],
)
def test_names_last_days_and_ordinals(expression: str, expected: list[str]) -> None:
    assert days(expression, len(expected)) == expected


@pytest.mark.parametrize(
    "expression", ["0 0 15W * *", "0 0 ? * 1", "0 0 L-3 * *", "0 0 * * 1#6", "0 0 * * fri-mon", "0 0 * * friL"]
)
def test_what_other_dialects_have_is_refused(expression: str) -> None:
    with pytest.raises(InvalidInput, match="not valid"):
        validate(Cron(expression=expression), field="trigger", now=NOW)


@pytest.mark.parametrize(
    ("expression", "minutes"),
    [
        ("1/2 * * * *", list(range(1, 60, 2))),
        ("20/15 * * * *", [20, 35, 50]),
        ("*/25 * * * *", [0, 25, 50]),
        ("5-20/5,7 * * * *", [5, 7, 10, 15, 20]),
        ("5/70 * * * *", [5]),
    ],
)
def test_a_number_with_a_step_goes_on_to_the_end_of_its_field(expression: str, minutes: list[int]) -> None:
    hour = NOW - timedelta(microseconds=1), NOW + timedelta(minutes=59)
    found = takewhile(lambda moment: moment <= hour[1], moments_after(expression, "UTC", hour[0]))
    assert [moment.minute for moment in found] == minutes


@pytest.mark.parametrize(
    "expression",
    ["0 0 31 4 *", "0 0 31 2,4,6,9,11 *", "0 0 30 2 */2", "0 0 30/1 feb *", "0 0 LW 2 */6", "0 0 LW * */6"],
)
def test_a_day_that_no_month_has_is_refused(expression: str) -> None:
    with pytest.raises(InvalidInput, match=r"not valid|never comes due") as caught:
        validate(Cron(expression=expression), field="trigger", now=NOW)
    assert [detail.field for detail in caught.value.details] == ["trigger.expression"]


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_a_cron_is_due_from_its_start_to_its_end() -> None:
    start, end = NOW + timedelta(days=2), NOW + timedelta(days=4)
    trigger = Cron(expression="0 12 * * *", start_at=start, end_at=end)
    assert due_moments(trigger, NOW, 9) == [start, start + timedelta(days=1), end]
    assert trigger.next_after(end) is None


def test_bounds_that_leave_nothing_are_refused() -> None:
    later, latest = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    for start_at, end_at, reason in (
        (latest, later, "before the start"),
        (None, later, "nothing is due"),
        (None, NOW - timedelta(hours=1), "has passed"),
    ):
        with pytest.raises(InvalidInput, match=reason) as caught:
            validate(Cron(expression="0 0 * * *", start_at=start_at, end_at=end_at), field="trigger", now=NOW)
        assert [detail.field for detail in caught.value.details] == ["trigger.end_at"]
