"""Cron expressions in Chinese words; cronsim knows English alone. Pure."""

from __future__ import annotations

from itertools import product

from kumo.tasks.cron import FIELDS_WITH_SECONDS, plain_expression

_MOST_TIMES = 4  # more of them are a pattern, and read better as one
_WEEKDAYS = ("周日", "周一", "周二", "周三", "周四", "周五", "周六", "周日")
_WEEKDAY_NAMES = {name: str(number) for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_MONTH_NAMES = {
    name: str(number)
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}


def in_chinese(expression: str) -> str:
    """The expression in words."""
    fields = plain_expression(expression).lower().split()
    second = fields[0] if len(fields) == FIELDS_WITH_SECONDS else "0"
    minute, hour, day, month, weekday = fields[-5:]
    days = _days(day, _numbered(month, _MONTH_NAMES), _numbered(weekday, _WEEKDAY_NAMES))
    times = _times_of_day(second, minute, hour)
    if times is not None:
        return f"{days or '每天'} {times}"
    return f"{days} {_rhythm(second, minute, hour)}".lstrip()


def _numbered(field: str, names: dict[str, str]) -> str:
    for name, number in names.items():
        field = field.replace(name, number)
    return field


def _days(day: str, month: str, weekday: str) -> str:
    """As 每月1日或每周五; nothing for every day."""
    words = ""
    if month != "*":
        words = f"每 {month[2:]} 个月的" if month.startswith("*/") else _listed(month, "月")
    if day != "*":
        words += "每月" if month == "*" and not day.startswith("*/") else ""
        words += f"每 {day[2:]} 天" if day.startswith("*/") else "、".join(_day(part) for part in day.split(","))
    if weekday != "*":
        words += "或" if day != "*" else ""
        words += (
            "工作日（周一至周五）" if weekday == "1-5" else "、".join(_weekday(part) for part in weekday.split(","))
        )
    return words + ("每天" if month != "*" and day == weekday == "*" else "")


def _day(part: str) -> str:
    """One part of the list of days; cron lets `L` have a step, which means nothing."""
    word = part.partition("/")[0]
    return {"l": "最后一天", "lw": "最后一个工作日"}.get(word) or _listed(part, "日", every="天")


def _weekday(part: str) -> str:
    if part.endswith("l"):
        return f"当月最后一个{_WEEKDAYS[int(part[:-1])]}"
    day, _hash, ordinal = part.partition("#")
    if ordinal:
        return f"当月第 {int(ordinal)} 个{_WEEKDAYS[int(day)]}"
    days, _slash, step = part.partition("/")
    first, _dash, last = days.partition("-")
    every = f"每 {step} 天" if step else ""
    if first == "*":
        return f"每周{every}"
    return (
        f"{_WEEKDAYS[int(first)]}至{_WEEKDAYS[int(last or 6)]}{every}" if last or step else f"每{_WEEKDAYS[int(first)]}"
    )


def _times_of_day(second: str, minute: str, hour: str) -> str | None:
    """As 02:30、14:30; None where there are too many, or a rhythm."""
    lists = [field.split(",") for field in (hour, minute, second)]
    if not all(part.isdigit() for parts in lists for part in parts):
        return None
    times = [f"{int(h):02}:{int(m):02}" + (f":{int(s):02}" if int(s) else "") for h, m, s in product(*lists)]
    return "、".join(times) if len(times) <= _MOST_TIMES else None


def _rhythm(second: str, minute: str, hour: str) -> str:
    """As 9至17点每 15 分钟."""
    words = ""
    if hour.startswith("*/"):
        words = f"每 {hour[2:]} 小时"
    elif hour != "*":
        words = _listed(hour, "点", every="小时")
    if minute == "*":
        # Every second is every minute too.
        words += "每分钟" if not second.startswith("*") else ""
    elif minute.startswith("*/"):
        words += f"每 {minute[2:]} 分钟"
    else:
        words += ("每小时" if hour == "*" else "") + f"第 {_listed(minute, '', every='分钟')} 分"
    if second == "*":
        words += "每秒"
    elif second.startswith("*/"):
        words += f"每 {second[2:]} 秒"
    elif second != "0":
        words += f"第 {_listed(second, '', every='秒')} 秒"
    return words


def _listed(field: str, unit: str, *, every: str = "") -> str:
    """As 1日、5至9日: numbers and ranges with their unit; a step stands behind it, as 每 2 天."""
    words = []
    for part in field.split(","):
        numbers, _slash, step = part.partition("/")
        first, _dash, last = numbers.partition("-")
        word = f"{first}至{last}{unit}" if last else f"{first}{unit}"
        if step:
            word = f"{word if last else word + '起'}每 {step} {every or unit}"
        words.append(word)
    return "、".join(words)
