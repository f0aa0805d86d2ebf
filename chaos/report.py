"""The page that says what was measured: docs/reliability.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import psutil

from chaos.outcome import Outcome

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"

_PROMISES = {
    "1": "A due slot is run exactly once, or is skipped with a reason",
    "2": "`kill -9` of the server never loses, doubles or interrupts a run",
    "3": "No byte of output is lost; a viewer sees each line once",
    "4": "Stop means that the whole tree is gone within grace + 2 s",
    "5": "A timeout holds while everything else is dead",
    "6": "Answered “accepted” means stored",
    "8": "A bad script cannot take the house down",
    "10": "Never more than N at once; higher priority first",
    "13b": "A database outage kills nothing, and the first new start follows within 10 s",
}
_INTRODUCTION = """# Reliability

What Kumo promises when things go wrong, and what was found when they were made to. `make chaos` writes this page: it
starts real servers and real scripts, kills, stops and floods them at random moments, and counts afterwards. The
witness is each script itself, which appends a line to a file when it starts and when it ends; Kumo's own tables are
only compared with that file. `make test` runs the same scenarios in a small size."""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Where, when and how it was measured."""

    on: date
    seed: int
    size: float
    took: timedelta
    version: str

    def describe(self) -> str:
        """One paragraph."""
        memory = round(psutil.virtual_memory().total / 2**30)
        minutes = round(self.took.total_seconds() / 60)
        return (
            f"Measured on {self.on.isoformat()} with Kumo {self.version} on {os.cpu_count()} cores and {memory} GiB, "
            f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}; load average "
            f"{os.getloadavg()[2]:.1f}; seed {self.seed}, size {self.size:g}, {minutes} minutes. Run it again with "
            f"`make chaos CHAOS_SEED={self.seed} CHAOS_SIZE={self.size:g}`: the seed fixes which faults come when, not "
            "what the machine does meanwhile."
        )


def page(outcomes: Sequence[Outcome], circumstances: Circumstances) -> str:
    """The whole page."""
    parts = [_INTRODUCTION, circumstances.describe(), summary(outcomes)]
    parts += [_section(outcome) for outcome in outcomes]
    return "\n\n".join(parts) + "\n"


def summary(outcomes: Sequence[Outcome]) -> str:
    """One line for each scenario."""
    lines = ["| Promise | Scenario | Verdict |", "| --- | --- | --- |"]
    lines += [f"| {each.promise}. {_PROMISES[each.promise]} | {each.name} | {_verdict(each)} |" for each in outcomes]
    return "\n".join(lines)


def _verdict(outcome: Outcome) -> str:
    if outcome.left_out:
        return "left out"
    return "holds" if outcome.holds else "**does not hold**"


def _section(outcome: Outcome) -> str:
    heading = f"## {outcome.promise}. {outcome.name}"
    if outcome.left_out:
        return f"{heading}\n\nLeft out: {outcome.left_out}"
    lines = [heading, "", f"Load: {outcome.load}.", "", f"Faults: {outcome.faults}.", ""]
    lines += ["| Counted | Expected | Found | |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {count.what} | {count.expected} | {count.found} | {'yes' if count.holds else '**no**'} |"
        for count in outcome.counts
    ]
    return "\n".join(lines)
