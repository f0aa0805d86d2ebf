"""What the slots of a time say together: how many there should have been, what became of them, and how often. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from zoneinfo import ZoneInfo

from kumo.schedules.decisions import DownTime, Skip
from kumo.tasks.wording import Language, span_in_words

# So much slower than it should be is no longer chance.
_SLOW = 1.5
_MOST_DOWN_TIMES = 3
_FEW = 3


@dataclass(kw_only=True)
class Tally:
    """How many slots of a time there were, by what became of them."""

    ran: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def count(self, reason: str | None, number: int) -> None:
        """Count some slots; those that ran have no reason."""
        if reason is None:
            self.ran += number
        elif number:
            self.skipped[reason] += number

    @property
    def expected(self) -> int:
        """All of them."""
        return self.ran + self.skipped.total()


@dataclass(frozen=True, kw_only=True)
class Cadence:
    """How far apart due moments are, and how far apart runs began, in the middle."""

    configured_seconds: float | None
    real_seconds: float | None
    due: int
    starts: int

    def warning(self, tally: Tally, language: Language) -> str | None:
        """What is to be said where runs begin much more rarely than they should."""
        configured, real = self.configured_seconds, self.real_seconds
        if configured is None or self.due < _FEW or (real is not None and real <= _SLOW * configured):
            return None
        # That nothing begins in a down time or a blackout is no lack of speed.
        should_begin = tally.expected - tally.skipped[Skip.MISSED] - tally.skipped[Skip.BLACKOUT]
        if real is None and should_begin < _FEW:
            return None
        every = _rounded(configured, language, units=10).removeprefix("1 " if language == "en" else "")
        overlap = tally.skipped[Skip.OVERLAP]
        if language == "en":
            found = (
                f"its runs began every {_rounded(real, language).removeprefix('1 ')}"
                if real
                else f"{_runs(self.starts)} began"
            )
            why = f" {overlap} skipped because earlier runs were still going." if overlap else ""
            return f"It is due every {every}, but {found}.{why}"
        found = f"实际每 {_rounded(real, language)}才开始一次" if real else f"只开始了 {self.starts} 次运行"
        why = f"其中 {overlap} 次因上一次运行未结束而跳过。" if overlap else ""
        return f"应每 {every}触发一次，{found}。{why}"


def counted_within(first: datetime, last: datetime, count: int, begin: datetime, end: datetime) -> int:
    """How many of `count` moments from `first` to `last`, taken as evenly apart, lie in [begin, end)."""
    if count == 1 or last == first:
        return count if begin <= first < end else 0
    # Whole numbers of microseconds, so that two times that meet count each moment once.
    span = (last - first) // timedelta(microseconds=1)

    def before(moment: datetime) -> int:
        """How many lie before a moment: those numbers n for which n * span < passed * (count - 1)."""
        passed = (moment - first) // timedelta(microseconds=1)
        return min(max(-(-passed * (count - 1) // span), 0), count)

    return before(end) - before(begin)


def cadence(due: Sequence[datetime], starts: Sequence[datetime]) -> Cadence:
    """The distances between moments, and between starts; neither where there are too few of them."""
    return Cadence(
        configured_seconds=_middle_distance(due),
        real_seconds=_middle_distance(starts),
        due=len(due),
        starts=len(starts),
    )


def in_words(tally: Tally, down: Sequence[DownTime], where: ZoneInfo, language: Language) -> str:
    """As: expected 288, ran 285, 2 skipped: overlap, 1 missed: server down 02:10–02:14 (Europe/Berlin)."""
    english = language == "en"
    parts = (
        [f"expected {tally.expected}", f"ran {tally.ran}"]
        if english
        else [f"应有 {tally.expected} 次", f"运行 {tally.ran} 次"]
    )
    for reason, count in sorted(tally.skipped.items(), key=lambda item: (item[0] == Skip.MISSED, item[0])):
        if reason == Skip.MISSED:
            why = _down_in_words(down, where, language)
            parts.append(f"{count} missed: {why}" if english else f"错过 {count} 次：{why}")
        else:
            word = _REASONS.get(reason, (reason, reason))[0 if english else 1]
            parts.append(f"{count} skipped: {word}" if english else f"跳过 {count} 次：{word}")
    return (", " if english else "，").join(parts)


_REASONS: dict[str, tuple[str, str]] = {
    Skip.OVERLAP: ("overlap", "上一次运行未结束"),
    Skip.BLACKOUT: ("blackout", "处于禁止运行时段"),
    Skip.NO_FILES: ("no files", "项目没有文件"),
}


def _down_in_words(down: Sequence[DownTime], where: ZoneInfo, language: Language) -> str:
    if not down:
        return "nobody looked in time" if language == "en" else "未能及时处理"
    times = []
    for each in down[-_MOST_DOWN_TIMES:]:
        begin, end = each.begin_at.astimezone(where), each.end_at.astimezone(where)
        # A day is named where a time alone would be one of two days.
        form = "%H:%M" if begin.date() == end.date() == down[-1].end_at.astimezone(where).date() else "%Y-%m-%d %H:%M"
        times.append(f"{begin.strftime(form)}–{end.strftime(form)}")
    more = len(down) - len(times)
    if language == "en":
        told = ", ".join(times) + (f" and {more} more times" if more > 0 else "")
        return f"server down {told} ({where.key})"
    return f"服务器停机 {'、'.join(times)}{f' 等 {len(down)} 段' if more > 0 else ''}（{where.key}）"


def _middle_distance(moments: Sequence[datetime]) -> float | None:
    distances = [(following - moment).total_seconds() for moment, following in pairwise(sorted(moments))]
    return round(median(distances), 3) if distances else None


def _rounded(seconds: float | None, language: Language, *, units: int = 2) -> str:
    """A time as exact as anybody wants to read it: in the largest unit of which it has so many."""
    assert seconds is not None
    for size in (86400, 3600, 60):
        if seconds >= units * size:
            seconds = round(seconds / size) * size
            break
    return span_in_words(round(seconds), language)


def _runs(number: int) -> str:
    return {0: "no run", 1: "only one run"}.get(number, f"only {number} runs")
