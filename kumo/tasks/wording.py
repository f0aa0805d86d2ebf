"""Triggers in words, English or Chinese, and warnings about what people get wrong. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from kumo.tasks.clock_changes import Told, left_out, told
from kumo.tasks.cron import has_fixed_times, in_english, plain_expression
from kumo.tasks.time_zones import zone
from kumo.tasks.triggers import After, Cron, Date, Interval, Outcome, Trigger, Webhook, due_moments
from kumo.tasks.wording_zh import in_chinese

Language = Literal["en", "zh-CN"]

_OFTEN = timedelta(seconds=10)
_LAST_SAFE_DAY = 28
_UNITS = (("days", "天", 86400), ("hours", "小时", 3600), ("minutes", "分钟", 60), ("seconds", "秒", 1))

_AFTER: dict[Outcome, tuple[str, str]] = {
    "success": ("Whenever a run of task {} succeeds", "每当任务 {} 运行成功时"),
    "failure": ("Whenever a run of task {} fails", "每当任务 {} 运行失败时"),
    "end": ("Whenever a run of task {} ends", "每当任务 {} 运行结束时"),
}


def describe(trigger: Trigger, language: Language) -> str:
    """The trigger as a person would say it."""
    if isinstance(trigger, Cron):
        words = in_english(trigger.expression) if language == "en" else in_chinese(trigger.expression)
        where = f" ({trigger.timezone})" if language == "en" else f"（{trigger.timezone}）"
        return words + where + _bounds(trigger, language)
    if isinstance(trigger, Interval):
        span = span_in_words(trigger.seconds, language)
        # "Every minute", but "every 90 seconds".
        words = f"Every {span.removeprefix('1 ')}" if language == "en" else f"每 {span}"
        return words + _bounds(trigger, language)
    if isinstance(trigger, After):
        return _AFTER[trigger.on][0 if language == "en" else 1].format(trigger.task_id)
    if isinstance(trigger, Webhook):
        return "Whenever its address is called" if language == "en" else "每当其地址被调用时"
    assert isinstance(trigger, Date)
    moment = _moment(trigger.at, "UTC")
    return f"Once, at {moment}" if language == "en" else f"仅一次：{moment}"


def describe_change(each: Told, language: Language) -> str | None:
    """What the clocks do to one moment; None when nothing."""
    time = (", " if language == "en" else "、").join(f"{local:%H:%M}" for local in each.meant)
    if each.change == "moved":
        does = "does" if len(each.meant) == 1 else "do"
        return (
            f"{time} {does} not exist on this day: the clocks are set forward. It runs right after that."
            if language == "en"
            else f"当天没有 {time}：时钟向前拨。将在拨钟之后立即运行。"
        )
    if each.change == "once":
        return (
            f"{time} comes twice on this day: the clocks are set back. It runs the first time."
            if language == "en"
            else f"当天有两个 {time}：时钟向后拨。只在第一次运行。"
        )
    if each.change == "again":
        return (
            f"{time} comes twice on this day: the clocks are set back. It runs both times; this is the second."
            if language == "en"
            else f"当天有两个 {time}：时钟向后拨。两次都会运行，这是第二次。"
        )
    return None


def warnings(trigger: Trigger, now: datetime, language: Language) -> list[str]:
    """What may surprise whoever wrote the trigger; empty when nothing does."""
    found = [_jitter_is_long(trigger, now), *(_about_cron(trigger, now) if isinstance(trigger, Cron) else ())]
    return [warning[0 if language == "en" else 1] for warning in found if warning is not None]


def _about_cron(trigger: Cron, now: datetime) -> list[tuple[str, str] | None]:
    fields = plain_expression(trigger.expression).split()
    day, weekday = fields[-3], fields[-1]
    either = not day.startswith("*") and not weekday.startswith("*")
    too_late_a_day = day.isdigit() and int(day) > _LAST_SAFE_DAY
    return [
        _star_for_zero(fields) or _comes_often(trigger, now),
        (
            "Day of month and weekday are both given: as in cron, either one is enough to come due.",
            "同时指定了日期和星期：与 cron 一致，满足任意一个就会触发。",
        )
        if either
        else None,
        (
            f"Months without a day {day} are left out. Use L for the last day of each month.",
            f"没有 {day} 日的月份会被跳过。用 L 表示每月最后一天。",
        )
        if too_late_a_day
        else None,
        _clock_change(trigger, now),
    ]


def _star_for_zero(fields: list[str]) -> tuple[str, str] | None:
    """A word on what `* 5 * * *` does, and what was meant if it was once an hour."""
    *seconds, minute, hour, _day, _month, _weekday = fields
    if seconds == ["*"]:
        english = "This comes due 60 times in a minute: with six fields the first one is the seconds."
        chinese = "这会在一分钟内触发 60 次：六个字段时第一个字段是秒。"
        star = 0
    elif minute == "*" and hour != "*":
        english = "This comes due 60 times in an hour."
        chinese = "这会在一小时内触发 60 次。"
        star = len(seconds)
    else:
        return None
    better = " ".join([*fields[:star], "0", *fields[star + 1 :]])
    return f"{english} If once is meant, write {better}.", f"{chinese}如果只需一次，请写成 {better}。"


def _comes_often(trigger: Cron, now: datetime) -> tuple[str, str] | None:
    moments = due_moments(trigger, now, 2)
    if len(moments) < len(("this", "next")) or moments[1] - moments[0] >= _OFTEN:
        return None
    seconds = f"{(moments[1] - moments[0]).total_seconds():g}"
    return (
        f"This comes due every {seconds} seconds. With six fields the first one is the seconds; is that meant?",
        f"这将每 {seconds} 秒触发一次。六个字段时第一个字段是秒，确定要这样吗？",
    )


def _jitter_is_long(trigger: Trigger, now: datetime) -> tuple[str, str] | None:
    if not isinstance(trigger, Cron | Interval) or not trigger.jitter_seconds:
        return None
    nominal = trigger.nominal_after(now)
    first, second = next(nominal, None), next(nominal, None)
    if first is None or second is None or (second - first).total_seconds() >= trigger.jitter_seconds:
        return None
    return (
        "The jitter is longer than the time between two moments: each is delayed by less than that time.",
        "随机延迟比两次触发的间隔还长：每次的延迟都会小于该间隔。",
    )


def _clock_change(trigger: Cron, now: datetime) -> tuple[str, str] | None:
    """A word on daylight saving time where it moves, doubles or leaves out one of the next moments."""
    moments = due_moments(trigger, now, 10)
    changed = [each.local for each in told(trigger, moments) if each.change]
    changed += left_out(trigger, now, moments[-1]) if moments else []
    if not changed:
        return None
    day = f"{changed[0]:%Y-%m-%d}"
    if has_fixed_times(trigger.expression):
        return (
            f"On {day} the clocks change in {trigger.timezone}: a skipped time runs after it, a repeated one once.",
            f"{day} 当天 {trigger.timezone} 调整时钟：被跳过的时刻在间隙之后立即运行，重复的时刻只运行一次。",
        )
    return (
        f"On {day} the clocks change in {trigger.timezone}: a skipped time does not run, a repeated one runs twice.",
        f"{day} 当天 {trigger.timezone} 调整时钟：被跳过的时刻不运行，重复的时刻运行两次。",
    )


def _bounds(trigger: Cron | Interval, language: Language) -> str:
    """From when, until when, and how late; an interval always has a start, which says nothing new."""
    where = trigger.timezone if isinstance(trigger, Cron) else "UTC"
    start = trigger.start_at if isinstance(trigger, Cron) else None
    words = ""
    if start is not None:
        words += f", from {_moment(start, where)}" if language == "en" else f"，自 {_moment(start, where)} 起"
    if trigger.end_at is not None:
        words += (
            f", until {_moment(trigger.end_at, where)}"
            if language == "en"
            else f"，至 {_moment(trigger.end_at, where)} 止"
        )
    if trigger.jitter_seconds:
        span = span_in_words(trigger.jitter_seconds, language)
        words += f", up to {span} later" if language == "en" else f"，最多推迟 {span}"
    return words


def _moment(moment: datetime, where: str) -> str:
    return f"{moment.astimezone(UTC if where == 'UTC' else zone(where)):%Y-%m-%d %H:%M:%S} {where}"


def span_in_words(seconds: float, language: Language) -> str:
    """A time, in the largest unit of which it is a whole number."""
    for english, chinese, size in _UNITS:
        if seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {english if count > 1 else english[:-1]}" if language == "en" else f"{count} {chinese}"
    return f"{seconds:g} seconds" if language == "en" else f"{seconds:g} 秒"
