from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.errors import InvalidInput
from kumo.tasks.cron import NICKNAMES
from kumo.tasks.time_zones import zone, zone_names
from kumo.tasks.triggers import (
    Cron,
    Date,
    Interval,
    Trigger,
    due_between,
    due_moments,
    from_settings,
    to_settings,
    validate,
)

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")

# Over four years, so that leap days and changes of clocks in both directions are among them.
any_moments = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001
# Around changes of clocks in Berlin, New York and on Lord Howe, where it is half an hour.
near_changes = st.builds(
    lambda change, seconds: datetime.fromisoformat(change) + timedelta(seconds=seconds),
    st.sampled_from(
        [
            f"2026-{day}Z"
            for day in ("03-29T01:00", "10-25T01:00", "03-08T07:00", "11-01T06:00", "04-04T15:00", "10-03T15:30")
        ]
    ),
    st.floats(-10_000, 10_000) | st.integers(-120, 120).map(lambda minutes: minutes * 60),
)
moments = any_moments | near_changes
jitters = st.just(0) | st.integers(1, 3600)
intervals = st.builds(
    Interval,
    seconds=st.floats(1, 5e6, allow_nan=False) | st.integers(1, 5_000_000),
    start_at=moments,
    end_at=st.none() | moments,
    jitter_seconds=jitters,
    seed=st.integers(1, 9),
)
crons = st.builds(
    Cron,
    expression=st.sampled_from(
        [
            "* * * * *",
            "*/7 * * * *",
            "30 2 * * *",
            "0 */3 * * *",
            "15 8 L * *",
            "0 0 29 2 *",
            "*/5 * * * * *",
            "@weekly",
            "0,30 1-3 * * *",
            "10 15,45 1,2,3 * * *",
            "*/20 2 * * *",
            "15 */2 * * *",
            "30 * * * *",
        ]
    ),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "Asia/Kathmandu"]),
    start_at=st.none() | moments,
    end_at=st.none() | moments,
    jitter_seconds=jitters,
    seed=st.integers(1, 9),
)
triggers = st.one_of(intervals, crons, st.builds(Date, at=moments))


# --- any trigger -----------------------------------------------------------------------------------------------------


@given(trigger=triggers, moment=moments)
def test_the_next_moment_is_strictly_later_and_in_utc(trigger: Trigger, moment: datetime) -> None:
    following = trigger.next_after(moment)
    assert following is None or (following > moment and following.tzinfo is UTC)


@given(trigger=triggers, moment=moments, later=st.floats(0, 1))
def test_no_moment_lies_between_a_moment_and_its_next(trigger: Trigger, moment: datetime, later: float) -> None:
    following = trigger.next_after(moment)
    if following is not None:
        between = moment + (following - moment) * later
        assert between >= following or trigger.next_after(between) == following


@given(trigger=triggers, moment=moments, hours=st.floats(0, 30), most=st.integers(1, 40))
def test_moments_between_are_those_of_stepping(trigger: Trigger, moment: datetime, hours: float, most: int) -> None:
    first = trigger.next_after(moment)
    if first is None:
        return
    until = first + min(timedelta(hours=hours), timedelta(seconds=3000) if fast(trigger) else timedelta(days=2))
    stepped = [first, *takewhile(lambda following: following <= until, trigger.moments_after(first))]
    assert due_between(trigger, first, until, most) == (stepped[-most:], max(0, len(stepped) - most))


def fast(trigger: Trigger) -> bool:
    second, third = due_moments(trigger, NOW, 2) if len(due_moments(trigger, NOW, 2)) > 1 else (NOW, NOW)
    return third - second < timedelta(seconds=30)


@given(trigger=triggers, moment=moments, steps=st.integers(1, 8))
def test_asking_for_each_next_gives_what_listing_gives(trigger: Trigger, moment: datetime, steps: int) -> None:
    asked: list[datetime] = []
    following = trigger.next_after(moment)
    while following is not None and len(asked) < steps:
        asked.append(following)
        following = trigger.next_after(following)
    assert asked == due_moments(trigger, moment, steps)


@given(trigger=triggers)
def test_a_stored_trigger_is_the_same_trigger(trigger: Trigger) -> None:
    kind, settings = to_settings(trigger)
    assert from_settings(kind, settings, seed=getattr(trigger, "seed", 0)) == trigger


# --- intervals and dates ---------------------------------------------------------------------------------------------


@given(
    seconds=st.integers(1_000_000, 10**12).map(lambda microseconds: microseconds / 1_000_000),
    start_at=moments,
    number=st.integers(0, 10_000_000),
    after=st.floats(0, 1, exclude_max=True),
)
def test_an_interval_never_drifts(seconds: float, start_at: datetime, number: int, after: float) -> None:
    step = round(seconds * 1_000_000)
    number = min(number, 10**16 // step)
    moment = start_at + timedelta(microseconds=step * number + int(step * after))
    assert Interval(seconds=seconds, start_at=start_at).next_after(moment) == start_at + timedelta(
        microseconds=step * (number + 1)
    )


def test_an_interval_is_first_due_at_its_start_and_last_at_its_end() -> None:
    trigger = Interval(seconds=60, start_at=NOW, end_at=NOW + timedelta(seconds=120))
    assert due_moments(trigger, NOW - timedelta(days=1), 10) == [NOW + timedelta(seconds=s) for s in (0, 60, 120)]


def test_a_gap_of_a_year_in_an_interval_of_a_second_costs_nothing() -> None:
    trigger = Interval(seconds=1, start_at=NOW)
    found, left_out = due_between(trigger, NOW, NOW + timedelta(days=365), 100)
    assert len(found) == 100
    assert found[-1] == NOW + timedelta(days=365)
    assert left_out == 365 * 86400 + 1 - 100


def test_a_date_is_due_once() -> None:
    assert due_moments(Date(at=NOW), NOW - timedelta(seconds=1), 5) == [NOW]
    assert Date(at=NOW).next_after(NOW) is None


# --- crons -----------------------------------------------------------------------------------------------------------


def local(*moment: int, fold: int = 0) -> datetime:
    return datetime(*moment, tzinfo=BERLIN, fold=fold).astimezone(UTC)  # type: ignore[arg-type,misc]


def next_in_berlin(expression: str, after: datetime, count: int) -> list[datetime]:
    return due_moments(Cron(expression=expression, timezone="Europe/Berlin"), after, count)


def test_a_fixed_time_that_the_clock_skips_is_due_right_after_the_gap() -> None:
    assert next_in_berlin("30 2 * * *", local(2026, 3, 28, 12), 2) == [
        local(2026, 3, 29, 3, 0),
        local(2026, 3, 30, 2, 30),
    ]


def test_several_fixed_times_in_one_gap_are_due_once() -> None:
    assert next_in_berlin("15,45 2 * * *", local(2026, 3, 28, 12), 3) == [
        local(2026, 3, 29, 3, 0),
        local(2026, 3, 30, 2, 15),
        local(2026, 3, 30, 2, 45),
    ]


def test_a_fixed_time_that_the_clock_repeats_is_due_the_first_time_only() -> None:
    assert next_in_berlin("30 2 * * *", local(2026, 10, 24, 12), 2) == [
        local(2026, 10, 25, 2, 30),
        local(2026, 10, 26, 2, 30),
    ]


def test_the_rules_hold_with_seconds_too() -> None:
    assert next_in_berlin("10 30 2 * * *", local(2026, 3, 28, 12), 2) == [
        local(2026, 3, 29, 3, 0),
        local(2026, 3, 30, 2, 30, 10),
    ]
    assert next_in_berlin("10 30 2 * * *", local(2026, 10, 24, 12), 2) == [
        local(2026, 10, 25, 2, 30, 10),
        local(2026, 10, 26, 2, 30, 10),
    ]


@pytest.mark.parametrize("after", [local(2026, 10, 25, 2, 30), local(2026, 10, 25, 2, 10, fold=1)])
def test_a_repeated_time_is_not_due_again_when_asked_within_the_repeated_hour(after: datetime) -> None:
    assert next_in_berlin("30 2 * * *", after, 1) == [local(2026, 10, 26, 2, 30)]


@pytest.mark.parametrize(
    ("expression", "start", "step"),
    [
        ("0 * * * *", local(2026, 3, 28, 22), timedelta(hours=1)),
        ("0 * * * *", local(2026, 10, 24, 22), timedelta(hours=1)),
        ("*/20 * * * *", local(2026, 3, 28, 22), timedelta(minutes=20)),
        ("*/20 * * * *", local(2026, 10, 24, 22), timedelta(minutes=20)),
        ("*/30 * * * * *", local(2026, 10, 25, 1, 50), timedelta(seconds=30)),
    ],
)
def test_what_comes_every_hour_or_oftener_follows_real_time(expression: str, start: datetime, step: timedelta) -> None:
    assert next_in_berlin(expression, start, 30) == [start + step * n for n in range(1, 31)]


def test_a_fixed_time_in_utc_knows_no_daylight_saving() -> None:
    trigger = Cron(expression="30 2 * * *")
    assert due_moments(trigger, datetime(2026, 3, 28, 12, tzinfo=UTC), 3) == [
        datetime(2026, 3, day, 2, 30, tzinfo=UTC) for day in (29, 30, 31)
    ]


@pytest.mark.parametrize("nickname", NICKNAMES)
def test_a_nickname_stands_for_its_expression(nickname: str) -> None:
    plain = due_moments(Cron(expression=NICKNAMES[nickname]), NOW, 3)
    assert due_moments(Cron(expression=nickname), NOW, 3) == plain
    assert due_moments(Cron(expression=f" {nickname.upper()} "), NOW, 3) == plain
    validate(Cron(expression=nickname), field="trigger", now=NOW)


def test_six_fields_begin_with_the_seconds() -> None:
    assert due_moments(Cron(expression="10 30 2 * * *"), NOW, 1) == [datetime(2026, 1, 6, 2, 30, 10, tzinfo=UTC)]
    assert due_moments(Cron(expression="30 2 * * *"), NOW, 1) == [datetime(2026, 1, 6, 2, 30, tzinfo=UTC)]


@pytest.mark.parametrize("weekday", ["0", "7", "SUN", "sun"])
def test_sunday_is_zero_and_seven(weekday: str) -> None:
    assert due_moments(Cron(expression=f"0 0 * * {weekday}"), NOW, 2) == [
        datetime(2026, 1, 11, tzinfo=UTC),
        datetime(2026, 1, 18, tzinfo=UTC),
    ]


def test_the_last_day_of_the_month() -> None:
    assert due_moments(Cron(expression="0 0 L * *"), NOW, 2) == [
        datetime(2026, 1, 31, tzinfo=UTC),
        datetime(2026, 2, 28, tzinfo=UTC),
    ]


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trigger", "field", "reason"),
    [
        (Cron(expression=""), "expression", "5 fields"),
        (Cron(expression="* * * *"), "expression", "not 4"),
        (Cron(expression="* * * * * * *"), "expression", "not 7"),
        (Cron(expression="60 * * * *"), "expression", "not valid"),
        (Cron(expression="* 24 * * *"), "expression", "not valid"),
        (Cron(expression="* * * * 8"), "expression", "not valid"),
        (Cron(expression="a b c d e"), "expression", "not valid"),
        (Cron(expression="*/0 * * * *"), "expression", "not valid"),
        (Cron(expression="5-1 * * * *"), "expression", "not valid"),
        (Cron(expression="0 0 30 2 *"), "expression", "not valid"),
        (Cron(expression="０ 0 * * *"), "expression", "not valid"),
        (Cron(expression="@reboot"), "expression", "not known"),
        (Cron(expression="@fortnightly"), "expression", "not known"),
        (Cron(expression="0 0 * * *", timezone="Europe/Berln"), "timezone", "no time zone"),
        (Cron(expression="0 0 * * *", timezone="../etc/passwd"), "timezone", "no time zone"),
        (Cron(expression="0 0 * * *", timezone=""), "timezone", "no time zone"),
        (Interval(seconds=0, start_at=NOW), "seconds", "from 1 second"),
        (Interval(seconds=-5, start_at=NOW), "seconds", "from 1 second"),
        (Interval(seconds=0.999, start_at=NOW), "seconds", "from 1 second"),
        (Interval(seconds=float("nan"), start_at=NOW), "seconds", "from 1 second"),
        (Interval(seconds=float("inf"), start_at=NOW), "seconds", "from 1 second"),
        (Interval(seconds=367 * 86400, start_at=NOW), "seconds", "366 days"),
        (Interval(seconds=5, start_at=NOW, end_at=NOW - timedelta(seconds=1)), "end_at", "before the start"),
        (
            Interval(seconds=5, start_at=NOW - timedelta(hours=2), end_at=NOW - timedelta(hours=1)),
            "end_at",
            "has passed",
        ),
        (Date(at=NOW), "at", "has passed"),
        (Date(at=NOW - timedelta(days=1)), "at", "has passed"),
    ],
)
def test_what_can_never_be_due_is_refused_at_its_field(trigger: Trigger, field: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        validate(trigger, field="triggers.3", now=NOW)
    assert [detail.field for detail in caught.value.details] == [f"triggers.3.{field}"]


@given(trigger=st.builds(Cron, expression=st.text(max_size=20), timezone=st.text(max_size=10) | st.just("UTC")))
def test_no_text_is_a_failure(trigger: Cron) -> None:
    with suppress(InvalidInput):
        validate(trigger, field="trigger", now=NOW)


def test_every_zone_that_is_named_can_be_used() -> None:
    assert {"UTC", "Europe/Berlin", "Asia/Shanghai"} <= set(zone_names())
    for name in zone_names():
        zone(name)
