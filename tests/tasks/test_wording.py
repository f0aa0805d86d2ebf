from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.tasks.clock_changes import left_out, told
from kumo.tasks.triggers import After, Cron, Date, Interval, Webhook, due_moments
from kumo.tasks.wording import describe, describe_change, warnings

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def interval(seconds: float) -> Interval:
    return Interval(seconds=seconds, start_at=NOW)


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (1, "Every second", "每 1 秒"),
        (90, "Every 90 seconds", "每 90 秒"),
        (60, "Every minute", "每 1 分钟"),
        (7200, "Every 2 hours", "每 2 小时"),
        (86400, "Every day", "每 1 天"),
        (1.5, "Every 1.5 seconds", "每 1.5 秒"),
    ],
)
def test_an_interval_in_words(seconds: float, english: str, chinese: str) -> None:
    assert describe(interval(seconds), "en") == english
    assert describe(interval(seconds), "zh-CN") == chinese


@pytest.mark.parametrize(
    ("trigger", "english", "chinese"),
    [
        (After(task_id=7), "Whenever a run of task 7 succeeds", "每当任务 7 运行成功时"),
        (After(task_id=7, on="failure"), "Whenever a run of task 7 fails", "每当任务 7 运行失败时"),
        (After(task_id=7, on="end"), "Whenever a run of task 7 ends", "每当任务 7 运行结束时"),
        (Webhook(), "Whenever its address is called", "每当其地址被调用时"),
    ],
)
def test_what_is_due_by_events_in_words(trigger: After | Webhook, english: str, chinese: str) -> None:
    assert (describe(trigger, "en"), describe(trigger, "zh-CN")) == (english, chinese)
    assert warnings(trigger, NOW, "en") == []


def test_a_date_in_words() -> None:
    assert describe(Date(at=NOW), "en") == "Once, at 2026-01-05 12:00:00 UTC"
    assert describe(Date(at=NOW), "zh-CN") == "仅一次：2026-01-05 12:00:00 UTC"


@pytest.mark.parametrize(
    ("expression", "english", "chinese"),
    [
        ("30 2 * * *", "At 02:30 every day", "每天 02:30"),
        ("*/5 * * * *", "Every fifth minute of every hour", "每 5 分钟"),
        ("0 9 * * 1-5", "At 09:00 on Monday through Friday", "工作日（周一至周五） 09:00"),
        ("0 9 * * mon,FRI", "At 09:00 on Monday and Friday", "每周一、每周五 09:00"),
        ("15 8 1 * *", "At 08:15 on the first day of every month", "每月1日 08:15"),
        ("0 0 L * *", "At 00:00 on the last day of every month", "每月最后一天 00:00"),
        ("0 9 * * 1#2", "At 09:00 on the second Monday of the month", "当月第 2 个周一 09:00"),
        ("0 9 * * 5L", "At 09:00 on the last Friday of the month", "当月最后一个周五 09:00"),
        ("@daily", "At 00:00 every day", "每天 00:00"),
        ("0 9 LW * *", "At 09:00 on the last weekday of every month", "每月最后一个工作日 09:00"),
        ("0 9 1,L * *", "At 09:00 on the first and the last day of month", "每月1日、最后一天 09:00"),
        ("0 9,21 * jan,JUL *", "At 09:00 and 21:00 every day in January and July", "1月、7月每天 09:00、21:00"),
        (
            "*/15 9-17 * * mon-fri",
            "Every 15th minute from 09:00 through 17:59 on Monday through Friday",
            "工作日（周一至周五） 9至17点每 15 分钟",
        ),
        ("0 0 1 */3 *", "At 00:00 on the first day of every third month", "每 3 个月的1日 00:00"),
        ("*/10 * * * * *", "Every 10th second of every minute", "每 10 秒"),
    ],
)
def test_a_cron_in_words(expression: str, english: str, chinese: str) -> None:
    trigger = Cron(expression=expression, timezone="Europe/Berlin")
    assert describe(trigger, "en").lower() == f"{english} (Europe/Berlin)".lower()
    assert describe(trigger, "zh-CN") == f"{chinese}（Europe/Berlin）"


def test_bounds_and_jitter_in_words() -> None:
    start, end = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    cron = Cron(expression="@daily", timezone="Asia/Shanghai", start_at=start, end_at=end, jitter_seconds=90)
    assert describe(cron, "en") == (
        "At 00:00 every day (Asia/Shanghai), from 2026-02-01 08:00:00 Asia/Shanghai, "
        "until 2026-03-01 20:30:00 Asia/Shanghai, up to 90 seconds later"
    )
    assert describe(cron, "zh-CN") == (
        "每天 00:00（Asia/Shanghai），自 2026-02-01 08:00:00 Asia/Shanghai 起，"
        "至 2026-03-01 20:30:00 Asia/Shanghai 止，最多推迟 90 秒"
    )
    every = Interval(seconds=3600, start_at=start, end_at=end, jitter_seconds=60)
    assert describe(every, "en") == "Every hour, until 2026-03-01 12:30:00 UTC, up to 1 minute later"


fields = st.sampled_from(["*", "*/2", "1", "1,2", "1-3", "1-3/2", "3", "1/2", "*/3,1"])


@given(
    seconds=st.none() | fields,
    minute=fields,
    hour=fields,
    day=fields | st.sampled_from(["L", "LW", "1,L", "L/2"]),
    month=fields,
    weekday=fields,
)
def test_every_cron_has_words(seconds: str | None, minute: str, hour: str, day: str, month: str, weekday: str) -> None:
    expression = " ".join(part for part in (seconds, minute, hour, day, month, weekday) if part)
    trigger = Cron(expression=expression)
    assert describe(trigger, "en")
    assert describe(trigger, "zh-CN")


@pytest.mark.parametrize("weekday", ["SUN", "0", "7", "5-7", "5L", "mon#1", "*/2", "1-5/2", "1,3-5", "3/2", "5L,1"])
def test_every_kind_of_weekday_has_words(weekday: str) -> None:
    trigger = Cron(expression=f"0 9 * * {weekday}")
    assert "09:00" in describe(trigger, "zh-CN")
    assert describe(trigger, "en")


@pytest.mark.parametrize("month", ["JAN", "jan-mar", "1,7", "*/3"])
def test_every_kind_of_month_has_words(month: str) -> None:
    trigger = Cron(expression=f"0 9 1 {month} *")
    assert "09:00" in describe(trigger, "zh-CN")


def test_seconds_in_six_fields_are_pointed_out() -> None:
    (warning,) = warnings(Cron(expression="*/5 * * * * *"), NOW, "en")
    assert warning == "This comes due every 5 seconds. With six fields the first one is the seconds; is that meant?"
    assert warnings(Cron(expression="*/5 * * * * *"), NOW, "zh-CN")[0].startswith("这将每 5 秒")


@pytest.mark.parametrize(
    ("expression", "better", "where"),
    [
        ("* 30 2 * * *", "0 30 2 * * *", "a minute"),
        ("* * * * * *", "0 * * * * *", "a minute"),
        ("* * 5 * * *", "0 * 5 * * *", "a minute"),
        ("* 5 * * *", "0 5 * * *", "an hour"),
        ("* */2 * * mon", "0 */2 * * mon", "an hour"),
        ("0 * 9-17 * * *", "0 0 9-17 * * *", "an hour"),
        ("*  0  1 * *", "0 0 1 * *", "an hour"),
    ],
)
def test_a_star_that_should_be_a_zero_is_pointed_out(expression: str, better: str, where: str) -> None:
    (warning,) = warnings(Cron(expression=expression), NOW, "en")
    assert f"60 times in {where}" in warning
    assert warning.endswith(f"If once is meant, write {better}.")
    (warning,) = warnings(Cron(expression=expression), NOW, "zh-CN")
    assert "60 次" in warning
    assert better in warning


@pytest.mark.parametrize("expression", ["* * * * *", "0 * * * *", "*/5 9-17 * * *", "@hourly", "30 0 2 * * *"])
def test_stars_that_are_meant_have_no_warning(expression: str) -> None:
    assert warnings(Cron(expression=expression), NOW, "en") == []


def test_day_and_weekday_together_are_pointed_out() -> None:
    (warning,) = warnings(Cron(expression="0 0 13 * 5"), NOW, "en")
    assert "either one is enough" in warning


def test_short_months_are_pointed_out() -> None:
    (warning,) = warnings(Cron(expression="0 0 31 * *"), NOW, "en")
    assert warning == "Months without a day 31 are left out. Use L for the last day of each month."


def test_a_change_of_clocks_is_pointed_out() -> None:
    before = datetime(2026, 3, 27, 12, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    (warning,) = warnings(Cron(expression="30 2 * * *", timezone="Europe/Berlin"), before, "en")
    assert warning.startswith("On 2026-03-29 the clocks change in Europe/Berlin")
    assert warnings(Cron(expression="30 2 * * *", timezone="UTC"), before, "en") == []


@pytest.mark.parametrize(
    ("expression", "after", "english"),
    [
        ("15,45 2 * * *", "2026-03-28", "02:15, 02:45 do not exist on this day"),
        ("30 2 * * *", "2026-10-24", "02:30 comes twice on this day: the clocks are set back. It runs the first"),
        ("30 */2 * * *", "2026-10-24", "It runs both times"),
        ("30 * * * *", "2026-10-24", None),
        ("30 9 * * *", "2026-10-24", None),
    ],
)
@pytest.mark.parametrize("jitter", [0, 300])
def test_moments_that_the_clocks_change_are_marked(
    expression: str, after: str, english: str | None, jitter: int
) -> None:
    trigger = Cron(expression=expression, timezone="Europe/Berlin", jitter_seconds=jitter)
    moments = due_moments(trigger, datetime.fromisoformat(f"{after}T12:00:00Z"), 30)
    notes = [note for each in told(trigger, moments) if (note := describe_change(each, "en"))]
    assert len(notes) == (english is not None)
    assert english is None or english in notes[0]
    assert len([each for each in told(trigger, moments) if describe_change(each, "zh-CN")]) == len(notes)


def test_times_that_nothing_makes_up_for_are_named() -> None:
    before, after = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)
    berlin = "Europe/Berlin"
    skipped = left_out(Cron(expression="*/20 2 * * *", timezone=berlin), before, after)
    assert [f"{local:%m-%d %H:%M}" for local in skipped] == ["03-29 02:00", "03-29 02:20", "03-29 02:40"]
    for expression in ("30 2 * * *", "*/20 * * * *"):
        assert left_out(Cron(expression=expression, timezone=berlin), before, after) == []
    (warning,) = warnings(Cron(expression="*/20 2 * * *", timezone=berlin), before, "en")
    assert "a skipped time does not run" in warning


@pytest.mark.parametrize(
    ("expression", "zone", "day", "told_times", "missing"),
    [
        # Half an hour on Lord Howe: what comes each half hour or oftener goes on evenly, each hour does not.
        ("15 * * * *", "Australia/Lord_Howe", "2026-10-03", 0, ["02:15"]),
        ("45 * * * *", "Australia/Lord_Howe", "2026-04-04", 1, []),
        ("*/30 * * * *", "Australia/Lord_Howe", "2026-10-03", 0, []),
        ("* * * * *", "Australia/Lord_Howe", "2026-04-04", 0, []),
        ("*/20 * * * *", "Australia/Lord_Howe", "2026-10-03", 0, ["02:00", "02:20"]),
        # Two hours at the station Troll.
        ("0 */2 * * *", "Antarctica/Troll", "2026-03-28", 0, []),
        ("0 */3 * * *", "Antarctica/Troll", "2026-10-24", 0, []),
        # One hour: each hour, however it is written.
        ("*/20 */1 * * *", "Europe/Berlin", "2026-03-28", 0, []),
        ("*/20 0-23 * * *", "Europe/Berlin", "2026-10-24", 0, []),
        ("*/20 0-22 * * *", "Europe/Berlin", "2026-03-28", 0, ["02:00", "02:20", "02:40"]),
    ],
)
def test_what_goes_on_evenly_over_a_change_of_clocks_is_not_told(
    expression: str, zone: str, day: str, told_times: int, missing: list[str]
) -> None:
    trigger = Cron(expression=expression, timezone=zone)
    after = datetime.fromisoformat(f"{day}T12:00:00Z")
    until = after + timedelta(days=1)
    moments = list(takewhile(lambda moment: moment <= until, trigger.moments_after(after)))
    assert sum(each.change is not None for each in told(trigger, moments)) == told_times
    assert [f"{local:%H:%M}" for local in left_out(trigger, after, until)] == missing


def test_what_lies_before_the_start_is_not_left_out() -> None:
    before, after = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)
    gap = datetime(2026, 3, 29, 1, tzinfo=UTC)
    for start_at, count in ((gap - timedelta(hours=1), 3), (gap, 0), (after + timedelta(days=9), 0)):
        trigger = Cron(expression="*/20 2 * * *", timezone="Europe/Berlin", start_at=start_at)
        assert len(left_out(trigger, before, after)) == count


def test_a_jitter_longer_than_the_distance_is_pointed_out() -> None:
    (warning,) = warnings(Cron(expression="*/5 * * * *", jitter_seconds=600), NOW, "en")
    assert "each is delayed by less than that time" in warning
    assert warnings(Cron(expression="*/5 * * * *", jitter_seconds=300), NOW, "zh-CN") == []


@pytest.mark.parametrize("trigger", [Cron(expression="30 2 * * *"), interval(5), Date(at=NOW)])
def test_what_does_not_surprise_has_no_warning(trigger: Cron | Interval | Date) -> None:
    assert warnings(trigger, NOW, "en") == []
