"""Triggers in words, English or Chinese, and warnings about what people get wrong. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from cronsim import CronSim

from kumo.tasks.triggers import Cron, Date, Interval, Trigger, due_moments, plain_expression, zone

Language = Literal["en", "zh-CN"]

_FIELDS_WITH_SECONDS = 6
_OFTEN = timedelta(seconds=10)
_LAST_SAFE_DAY = 28
_WEEKDAYS_ZH = ("周日", "周一", "周二", "周三", "周四", "周五", "周六", "周日")
_NAMES = {name: str(number) for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}

_UNITS = (("days", "天", 86400), ("hours", "小时", 3600), ("minutes", "分钟", 60), ("seconds", "秒", 1))


def describe(trigger: Trigger, language: Language) -> str:
    """The trigger as a person would say it."""
    if isinstance(trigger, Cron):
        return _cron_en(trigger) if language == "en" else _cron_zh(trigger)
    if isinstance(trigger, Interval):
        return _interval(trigger.seconds, language)
    assert isinstance(trigger, Date)
    moment = trigger.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"Once, at {moment}" if language == "en" else f"仅一次：{moment}"


def warnings(trigger: Trigger, now: datetime, language: Language) -> list[str]:
    """What may surprise whoever wrote the trigger; empty when nothing does."""
    if not isinstance(trigger, Cron):
        return []
    found: list[str] = []
    english = language == "en"
    fields = plain_expression(trigger.expression).split()
    moments = due_moments(trigger, now, 2)
    if len(moments) > 1 and moments[1] - moments[0] < _OFTEN:
        seconds = f"{(moments[1] - moments[0]).total_seconds():g}"
        found.append(
            f"This comes due every {seconds} seconds. With six fields the first one is the seconds; is that meant?"
            if english
            else f"这将每 {seconds} 秒触发一次。六个字段时第一个字段是秒，确定要这样吗？"
        )
    day, weekday = fields[-3], fields[-1]
    if not day.startswith("*") and not weekday.startswith("*"):
        found.append(
            "Day of month and weekday are both given: as in cron, either one is enough to come due."
            if english
            else "同时指定了日期和星期：与 cron 一致，满足任意一个就会触发。"
        )
    if day.isdigit() and int(day) > _LAST_SAFE_DAY:
        found.append(
            f"Months without a day {day} are left out. Use L for the last day of each month."
            if english
            else f"没有 {day} 日的月份会被跳过。用 L 表示每月最后一天。"
        )
    if change := _clock_change(trigger, now):
        found.append(change[0] if english else change[1])
    return found


def _clock_change(trigger: Cron, now: datetime) -> tuple[str, str] | None:
    """A word on daylight saving time where the zone has it and one of the next moments lies on such a day."""
    for moment in due_moments(trigger, now, 10):
        local = moment.astimezone(zone(trigger.timezone))
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if midnight.utcoffset() != (midnight + timedelta(days=1)).utcoffset():
            day = f"{local:%Y-%m-%d}"
            return (
                f"On {day} the clocks change in {trigger.timezone}: a skipped time runs after it, a repeated one once.",
                f"{day} 当天 {trigger.timezone} 调整时钟：被跳过的时刻在间隙之后立即运行，重复的时刻只运行一次。",
            )
    return None


def _cron_en(trigger: Cron) -> str:
    sentence = CronSim(plain_expression(trigger.expression), datetime.now(UTC)).explain()
    return f"{sentence} ({trigger.timezone})"


def _interval(seconds: float, language: Language) -> str:
    for english, chinese, size in _UNITS:
        if seconds % size == 0:
            count = int(seconds // size)
            if language == "en":
                return f"Every {english[:-1]}" if count == 1 else f"Every {count} {english}"
            return f"每 {count} {chinese}"
    return f"Every {seconds:g} seconds" if language == "en" else f"每 {seconds:g} 秒"


def _cron_zh(trigger: Cron) -> str:
    fields = plain_expression(trigger.expression).lower().split()
    seconds = fields[0] if len(fields) == _FIELDS_WITH_SECONDS else "0"
    minute, hour, day, month, weekday = fields[-5:]
    days = _days_zh(day, month, weekday)
    return f"{days}{_clock_zh(seconds, minute, hour, every_day=days == '每天')}（{trigger.timezone}）".lstrip()


def _days_zh(day: str, month: str, weekday: str) -> str:
    parts = []
    if month != "*":
        parts.append(f"{_list_zh(month)}月")
    if day == "l":
        parts.append("每月最后一天" if month == "*" else "最后一天")
    elif day != "*":
        parts.append(
            f"每 {day[2:]} 天" if day.startswith("*/") else ("每月" if month == "*" else "") + f"{_list_zh(day)}日"
        )
    if weekday != "*":
        parts.append(("或" if day != "*" else "") + _weekdays_zh(weekday))
    return "".join(parts) or "每天"


def _weekdays_zh(field: str) -> str:
    for name, number in _NAMES.items():
        field = field.replace(name, number)
    if field == "1-5":
        return "工作日（周一至周五）"
    words = []
    for part in field.split(","):
        day, _hash, ordinal = part.partition("#")
        if part.endswith("l") and part[:-1].isdigit():
            words.append(f"当月最后一个{_WEEKDAYS_ZH[int(part[:-1])]}")
            continue
        first, dash, last = day.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            words.append(f"星期 {part}")
        elif dash:
            words.append(f"{_WEEKDAYS_ZH[int(first)]}至{_WEEKDAYS_ZH[int(last)]}")
        else:
            words.append((f"当月第 {ordinal} 个" if ordinal else "每") + _WEEKDAYS_ZH[int(first)])
    return "、".join(words)


def _clock_zh(seconds: str, minute: str, hour: str, *, every_day: bool) -> str:
    of_day = "" if every_day else " "
    if minute.isdigit() and hour.isdigit() and seconds.isdigit():
        tail = f":{int(seconds):02}" if int(seconds) else ""
        return f"{of_day} {int(hour):02}:{int(minute):02}{tail}".replace("  ", " ")
    words = []
    if hour != "*":
        words.append(f"每 {hour[2:]} 小时" if hour.startswith("*/") else f"{_list_zh(hour)}点")
    if minute.isdigit() and hour == "*":
        words.append(f"每小时第 {int(minute)} 分")
    elif minute == "*":
        words.append("每分钟")
    else:
        words.append(f"每 {minute[2:]} 分钟" if minute.startswith("*/") else f"第 {_list_zh(minute)} 分")
    if seconds != "0":
        if seconds == "*":
            words.append("每秒")
        else:
            words.append(f"每 {seconds[2:]} 秒" if seconds.startswith("*/") else f"第 {_list_zh(seconds)} 秒")
    return " " + "，".join(words)


def _list_zh(field: str) -> str:
    return field.replace(",", "、").replace("-", "至")
