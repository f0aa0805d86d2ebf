"""At every change of clocks in every zone Kumo says of a cron what the written rule says, worked out by walking."""

from __future__ import annotations

import zoneinfo
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.tasks import time_zones
from kumo.tasks.clock_changes import left_out, told
from kumo.tasks.cron import count_between, moments_after
from kumo.tasks.triggers import Cron
from tests.tasks.dst_oracle import Due, Transition, Wall, due, goes_on_evenly, is_fixed, lost, transitions

BEGIN, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
# What there was to compare in the release of `tzdata` that is locked. A later one may know of fewer changes, as zones
# give up setting their clocks; then write down what it has, once it is clear that nothing else is missing.
ZONES, TRANSITIONS, COMPARISONS = 598, 7077, 19_000

# What clocks have been through before, and may be again.
ODD = {
    "Pacific/Apia": (2009, 2012),  # a day is skipped: from the end of Thursday to Saturday
    "Pacific/Fakaofo": (2011, 2012),
    "Pacific/Kiritimati": (1994, 1996),  # Sunday is skipped
    "Pacific/Kwajalein": (1969, 1994),  # 23 hours come twice, and a day is skipped
    "Antarctica/Vostok": (1994, 1995),  # seven hours twice
    "Antarctica/Casey": (2009, 2019),  # three hours, and back
    "Antarctica/Davis": (2009, 2013),
    "Europe/London": (1941, 1948),  # double summer time
    "Europe/Berlin": (1945, 1948),
    "America/St_Johns": (1987, 1990),  # a minute after midnight; two hours in 1988
    "America/Caracas": (2007, 2017),  # half an hour, at midnight
    "Asia/Pyongyang": (2015, 2019),
    "Asia/Kathmandu": (1985, 1987),  # a quarter of an hour
    "Africa/Casablanca": (2012, 2016),  # four changes a year: summer, Ramadan
    "Africa/Cairo": (2014, 2015),
    "Asia/Hebron": (2010, 2013),
    "America/Sao_Paulo": (2017, 2020),  # no midnight
    "Asia/Amman": (2012, 2014),
    "America/Argentina/San_Luis": (2007, 2010),
    "America/Juneau": (1983, 1984),  # two hours twice
}

_MINUTE = timedelta(minutes=1)
_TICK = timedelta(microseconds=1)
_MOST_TOLD = 10

# As far as is looked on each side of a change: a day and some, or shortly where a cron is due often.
FAR, NEAR = timedelta(hours=26), timedelta(minutes=75)


@pytest.fixture(scope="module", autouse=True)
def _packaged_zones() -> Iterator[None]:
    """The zones of the package `tzdata`: a machine has its own, which may be old."""
    path = zoneinfo.TZPATH
    _take_zones_from([])
    yield
    _take_zones_from(path)


def _take_zones_from(path: list[str] | tuple[str, ...]) -> None:
    zoneinfo.reset_tzpath(to=path)
    ZoneInfo.clear_cache()
    time_zones.zone.cache_clear()
    time_zones._zone_names.cache_clear()


# --- what is compared ------------------------------------------------------------------------------------------------


def expressions(change: Transition) -> list[tuple[str, timedelta]]:
    """Crons that are due around a change, and how far from it they are compared.

    Some for each change; and of the others, to save time, a third in one year and the next third in the next.
    """
    low, last, high = change.lowest, change.highest - _MINUTE, change.highest
    middle = (low + (high - low) / 2).replace(second=0)
    at, day, weekday = f"{middle:%-M %-H}", low.day, low.isoweekday() % 7
    always = [
        # fixed times: within, at each border, and at midnight
        (f"{at} * * *", FAR),
        (f"{low:%-M %-H} * * *", FAR),
        (f"{last:%-M %-H} * * *", FAR),
        (f"{high:%-M %-H} * * *", FAR),
        (f"{low - _MINUTE:%-M %-H} * * *", FAR),
        ("@daily", FAR),
        # real time
        ("0 * * * *", FAR),
        (f"{middle.minute} */2 * * *", FAR),
        ("*/15 * * * *", NEAR),
        (f"*/20 {low.hour},{high.hour} * * {weekday}", FAR),
    ]
    in_turns = [
        # several fixed times
        (f"0,15,30,45 {middle.hour} * * *", FAR),
        (f"{low.minute},{middle.minute} {low.hour},{high.hour},{middle.hour} * * *", FAR),
        ("20 0-23 * * *", FAR),
        ("0 1-5/2 * * 1-5", FAR),
        # on some days only
        (f"{at} * * {weekday}", FAR),
        (f"{at} * * {weekday}L", FAR),
        (f"{at} * * {weekday or 7}#{(day + 6) // 7}", FAR),
        (f"{at} L * *", FAR),
        (f"{at} LW * *", FAR),
        (f"{at} {day} {low.month} *", FAR),
        (f"{at} {day % 28 + 1} * {high:%a}", FAR),
        (f"0 0 {day} * {(weekday + 1) % 7}", FAR),
        ("59 23 * * SUN,sat", FAR),
        # with seconds
        (f"10 {at} * * *", FAR),
        (f"*/25 {at} * * *", FAR),
        # real time
        (f"{middle.minute} * * * *", FAR),
        (f"*/7 {middle.hour} * * *", FAR),
        (f"0 */6 {day} * {(weekday + 6) % 7}", FAR),
        ("*/30 */12 L * *", FAR),
        ("* * * * *", NEAR),
        ("*/30 * * * *", NEAR),
        ("7-59/12 * * * *", NEAR),
        (f"*/10 */1 * * {weekday}", NEAR),
        ("0,45 59,0,1 * * * *", NEAR),
    ]
    return always + in_turns[change.at.year % 3 :: 3]


class Notes:
    """What the clock of a zone shows around one change: far, and near by, which is quicker to look through."""

    def __init__(self, name: str, change: Transition, *, far: timedelta = FAR) -> None:
        self.name, self.change = name, change
        # So long ago begins what the clock may repeat.
        before = abs(change.shift) + timedelta(hours=3)
        self.far = Wall(ZoneInfo(name), change.at - far - before, change.at + far)
        self.reach = NEAR + abs(change.shift)
        self.near = Wall(ZoneInfo(name), change.at - self.reach - before, change.at + self.reach)

    def due(self, expression: str, after: datetime, until: datetime) -> list[Due]:
        """What the rule says."""
        is_near = self.change.at - self.reach <= after and until <= self.change.at + self.reach
        return [each for each in due(expression, self.near if is_near else self.far) if after < each.at <= until]


def differences(notes: Notes, expression: str, after: datetime, until: datetime, asked: datetime) -> Iterator[str]:
    """In what Kumo departs from the oracle, about one cron in (after, until], and what comes next after `asked`."""
    wanted = [each.at for each in notes.due(expression, after, until)]
    found = list(takewhile(lambda moment: moment <= until, moments_after(expression, notes.name, after)))
    if found != wanted:
        yield f"due at {_only_in(found, wanted)}, and not at {_only_in(wanted, found)}"
    following = next(moments_after(expression, notes.name, asked))
    rest = wanted[bisect_right(wanted, asked) :]
    if (following != rest[0]) if rest else (following <= until):
        yield f"after {asked} next due at {following}"
    if (count := count_between(expression, notes.name, after, until)) != len(wanted):
        yield f"counted {count} times, not {len(wanted)}"


def differences_in_words(notes: Notes, expression: str) -> Iterator[str]:
    """In what a preview's words about one change depart from the oracle."""
    change, trigger = notes.change, Cron(expression=expression, timezone=notes.name)
    after, until = change.at - notes.reach, change.at + notes.reach
    expected = notes.due(expression, after, until)
    skipped = [local for local in lost(expression, notes.near) if change.lowest <= local < change.highest]
    is_quiet = False
    if skipped or any(each.is_second for each in expected):
        is_quiet = goes_on_evenly(expression, notes.far, change)
    if (named := left_out(trigger, after, until)) != ([] if is_quiet else skipped[:_MOST_TOLD]):
        yield f"leaves out {[str(local) for local in named]}, not {[str(local) for local in skipped]}"
    for each, says in zip(expected, told(trigger, [each.at for each in expected]), strict=True):
        if (says.change, list(says.meant)) != _note(trigger, each, is_quiet=is_quiet):
            yield f"says {says}, not {_note(trigger, each, is_quiet=is_quiet)}"


def _note(trigger: Cron, each: Due, *, is_quiet: bool) -> tuple[str | None, list[datetime]]:
    """What is to be said of one moment."""
    local = each.at.astimezone(ZoneInfo(trigger.timezone)).replace(tzinfo=None)
    if each.instead_of:
        return "moved", each.instead_of[:_MOST_TOLD]
    if is_fixed(trigger.expression):
        return ("once", [local]) if each.comes_again else (None, [])
    return ("again", [local]) if each.is_second and not is_quiet else (None, [])


def _only_in(some: list[datetime], others: list[datetime]) -> list[str]:
    return [str(moment) for moment in sorted(set(some) - set(others))]


# --- every zone, every change ----------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Compared:
    """How much was compared, and what differed."""

    zones: int = 0
    transitions: int = 0
    comparisons: int = 0
    differences: list[str] = field(default_factory=list)

    def add(self, name: str, change: Transition) -> None:
        notes = Notes(name, change)
        within = abs(change.shift) / 2 + _TICK
        for expression, reach in expressions(change):
            self.comparisons += 1
            # By turns, to save time: from where on one looks, from where one asks, and what is said of it.
            until = change.at + (FAR if reach == FAR else notes.reach)
            after = change.at - (until - change.at) * (1 - self.comparisons * 37 % 240 / 1440)
            asked = change.at + (within if self.comparisons % 2 else -_TICK)
            found = [*differences(notes, expression, after, until, asked)]
            if self.comparisons % 5 == 0:
                found += differences_in_words(notes, expression)
            self.differences += [f"{expression!r} in {name} at {change.at}: {difference}" for difference in found]


def zones_of_equal_rules() -> list[list[str]]:
    """All zones that are packaged; those that are one zone under several names together."""
    files: dict[bytes, list[str]] = {}
    for name in sorted(zoneinfo.available_timezones()):
        rules = resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
        files.setdefault(rules, []).append(name)
    return list(files.values())


def test_every_change_of_every_zone_is_as_the_rule_says() -> None:
    compared = Compared()
    # Clocks that are set from the same to the same at the same moment show the same.
    done: set[Transition] = set()
    for names in zones_of_equal_rules():
        changes = transitions(ZoneInfo(names[0]), BEGIN, END)
        compared.zones += len(names)
        compared.transitions += len(names) * len(changes)
        for change in changes:
            if change not in done:
                compared.add(names[0], change)
        done.update(changes)
    assert compared.differences == []
    assert compared.zones >= ZONES, compared
    assert compared.transitions >= TRANSITIONS, compared
    assert compared.comparisons >= COMPARISONS, compared


@pytest.mark.parametrize("name", ODD)
def test_odd_changes_of_former_years_are_as_the_rule_says(name: str) -> None:
    compared = Compared()
    first, last = ODD[name]
    changes = transitions(ZoneInfo(name), datetime(first, 1, 1, tzinfo=UTC), datetime(last, 1, 1, tzinfo=UTC))
    for change in changes:
        compared.add(name, change)
    assert compared.differences == []
    assert compared.comparisons >= 18


# --- any cron, from any moment on ------------------------------------------------------------------------------------

starred = st.sampled_from(["*", "*/2", "*/7", "*/20", "*/1"])
minutes = starred | st.sampled_from(["0", "30", "59", "0,30", "15-45/15", "1/13", "0-59"])
hours = starred | st.sampled_from(["0", "1", "2", "3", "23", "0-3", "1,2", "0-23", "22/1", "1-23/2"])
days = st.sampled_from(["*", "*", "*", "*/2", "1-7", "25-31", "L", "LW", "1,L", "30/1"])
weekdays = st.sampled_from(["*", "*", "*", "*/3", "0", "7", "5-7", "6,0", "mon-FRI", "0L", "sun#1", "1#5,7#5", "sat/2"])
crons = st.builds(
    lambda *fields: " ".join(word for word in fields if word),
    st.sampled_from(["", "", "", "0", "30", "*/25"]),
    minutes,
    hours,
    days,
    st.sampled_from(["*", "*", "3,10", "mar-nov", "*/2"]),
    weekdays,
)
PLACES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Antarctica/Troll"]
PLACES += ["Africa/Casablanca", "Africa/Cairo", "Asia/Gaza", "Asia/Beirut", "America/Nuuk", *ODD]


@given(
    expression=crons,
    name=st.sampled_from(PLACES),
    number=st.integers(0, 99),
    begin=st.floats(0, 80 * 3600),
    length=st.integers(0, 60 * 60),
    asked=st.floats(0, 1),
)
def test_any_cron_from_any_moment_on_is_as_the_rule_says(
    expression: str, name: str, number: int, begin: float, length: int, asked: float
) -> None:
    changes = changes_of(name)
    change = changes[number % len(changes)]
    after = change.at - timedelta(seconds=begin)
    until = after + timedelta(minutes=length)
    notes = Notes(name, change, far=timedelta(hours=80))
    assert list(differences(notes, expression, after, until, after + (until - after) * asked)) == []


@cache
def changes_of(name: str) -> list[Transition]:
    first, last = ODD.get(name, (2020, 2038))
    return transitions(ZoneInfo(name), datetime(first, 1, 1, tzinfo=UTC), datetime(last, 1, 1, tzinfo=UTC))


# --- the oracle ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "day", "moments"),
    [
        ("30 2 * * *", "2026-03-29", ["01:00"]),  # skipped: right after the gap
        ("15,45 2 * * *", "2026-03-29", ["01:00"]),
        ("*/30 2 * * *", "2026-03-29", []),  # real time: the clock never shows it
        ("0 1-4 * * *", "2026-03-29", ["00:00", "01:00", "02:00"]),
        ("30 2 * * *", "2026-10-25", ["00:30"]),  # shown twice: the first time
        ("*/30 2 * * *", "2026-10-25", ["00:00", "00:30", "01:00", "01:30"]),
        ("0 1-3 * * sun", "2026-10-25", ["00:00", "02:00"]),  # 01:00 was the day before in UTC
        ("5 30 2 L 10 *", "2026-10-25", []),
        ("5 30 2 25 10 *", "2026-10-25", ["00:30:05"]),
    ],
)
def test_the_oracle_says_what_one_can_see(expression: str, day: str, moments: list[str]) -> None:
    begin = datetime.fromisoformat(f"{day}T00:00:00Z")
    wall = Wall(ZoneInfo("Europe/Berlin"), begin - timedelta(hours=4), begin + timedelta(hours=12))
    found = [each.at for each in due(expression, wall) if each.at >= begin]
    assert found == [datetime.fromisoformat(f"{day}T{moment}Z") for moment in moments]
