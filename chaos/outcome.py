"""What a scenario counted, beside what was promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Count:
    """One number that was promised, and the one that was found."""

    what: str
    expected: str
    found: str
    holds: bool
    details: str = ""  # for whoever must find out why it does not hold


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one scenario."""

    promise: str  # the numbers of docs/reliability.md, as "2" or "13b"
    name: str
    load: str = ""  # what was going on
    faults: str = ""  # what was done to it
    counts: list[Count] = field(default_factory=list)
    left_out: str = ""  # why it was not carried out; then there are no counts

    @property
    def holds(self) -> bool:
        """Whether it was carried out, and everything is as promised."""
        return bool(self.counts) and all(count.holds for count in self.counts)

    def describe(self) -> str:
        """Everything about it, for a person who reads a failed test."""
        lines = [f"{self.promise} {self.name}: {self.load}; {self.faults}{self.left_out}"]
        lines += [
            f"{'ok   ' if count.holds else 'FAILS'} {count.what}: expected {count.expected}, found {count.found}"
            f"{': ' * bool(count.details)}{count.details}"
            for count in self.counts
        ]
        return "\n".join(lines)


def equal(what: str, expected: int, found: int) -> Count:
    """Exactly so many."""
    return Count(what=what, expected=f"{expected:,}", found=f"{found:,}", holds=found == expected)


def none(what: str, found: Collection[object]) -> Count:
    """Not a single one of these."""
    return Count(what=what, expected="0", found=f"{len(found):,}", holds=not found, details=_some(found))


def at_most(what: str, most: float, found: float, unit: str = "") -> Count:
    """Not more than this."""
    return Count(what=what, expected=f"≤ {_plain(most)}{unit}", found=f"{_plain(found)}{unit}", holds=found <= most)


def same(what: str, expected: Collection[object], found: Collection[object]) -> Count:
    """The same things, each once."""
    wanted, there = Counter(expected), Counter(found)
    lacking, surplus = list((wanted - there).elements()), list((there - wanted).elements())
    holds = wanted == there
    details = "" if holds else f"lacking {_some(lacking)}; surplus {_some(surplus)}"
    return Count(what=what, expected=f"{len(expected):,}", found=f"{len(found):,}", holds=holds, details=details)


def listed(counts: Mapping[str, int]) -> str:
    """Faults as a phrase: "3 kills, 1 false start"."""
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _plain(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.2f}".rstrip("0").rstrip(".")


def _some(things: Collection[object]) -> str:
    shown = [str(thing) for thing in things][:_SHOWN]
    more = len(things) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
