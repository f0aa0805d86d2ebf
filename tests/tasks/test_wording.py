from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.tasks.triggers import Cron, Date, Interval
from kumo.tasks.wording import describe, warnings

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


def test_a_date_in_words() -> None:
    assert describe(Date(at=NOW), "en") == "Once, at 2026-01-05 12:00:00 UTC"
    assert describe(Date(at=NOW), "zh-CN") == "仅一次：2026-01-05 12:00:00 UTC"


@pytest.mark.parametrize(
    ("expression", "english", "chinese"),
    [
        ("30 2 * * *", "At 02:30 every day", "每天 02:30"),
        ("*/5 * * * *", "Every fifth minute of every hour", "每天 每 5 分钟"),
        ("0 9 * * 1-5", "At 09:00 on Monday through Friday", "工作日（周一至周五） 09:00"),
        ("0 9 * * mon,FRI", "At 09:00 on Monday and Friday", "每周一、每周五 09:00"),
        ("15 8 1 * *", "At 08:15 on the first day of every month", "每月1日 08:15"),
        ("0 0 L * *", "At 00:00 on the last day of every month", "每月最后一天 00:00"),
        ("0 9 * * 1#2", "At 09:00 on the second Monday of the month", "当月第 2 个周一 09:00"),
        ("0 9 * * 5L", "At 09:00 on the last Friday of the month", "当月最后一个周五 09:00"),
        ("@daily", "At 00:00 every day", "每天 00:00"),
    ],
)
def test_a_cron_in_words(expression: str, english: str, chinese: str) -> None:
    trigger = Cron(expression=expression, timezone="Europe/Berlin")
    assert describe(trigger, "en").lower() == f"{english} (Europe/Berlin)".lower()
    assert describe(trigger, "zh-CN") == f"{chinese}（Europe/Berlin）"


fields = st.sampled_from(["*", "*/2", "1", "1,2", "1-3", "1-3/2", "3"])


@given(seconds=st.none() | fields, minute=fields, hour=fields, day=fields | st.just("L"), month=fields, weekday=fields)
def test_every_cron_has_words(seconds: str | None, minute: str, hour: str, day: str, month: str, weekday: str) -> None:
    expression = " ".join(part for part in (seconds, minute, hour, day, month, weekday) if part)
    trigger = Cron(expression=expression)
    assert describe(trigger, "en")
    assert describe(trigger, "zh-CN")


@pytest.mark.parametrize("weekday", ["SUN", "0", "7", "5-7", "5L", "mon#1", "*/2", "1-5/2", "1,3-5"])
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


@pytest.mark.parametrize("trigger", [Cron(expression="30 2 * * *"), interval(5), Date(at=NOW)])
def test_what_does_not_surprise_has_no_warning(trigger: Cron | Interval | Date) -> None:
    assert warnings(trigger, NOW, "en") == []
