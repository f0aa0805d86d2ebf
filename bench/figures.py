"""One figure of the report, and how it is printed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_VERDICT = {True: "yes", False: "**no**", None: ""}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What was measured, beside what it must reach; nothing where it only explains others."""

    what: str
    found: str
    must: str = "–"
    reached: bool | None = None


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which so many percent lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def show(figures: Sequence[Figure]) -> str:
    """The report as a table in Markdown."""
    lines = ["| What | Measured | Must reach | |", "| --- | --- | --- | --- |"]
    lines += [f"| {figure.what} | {figure.found} | {figure.must} | {_VERDICT[figure.reached]} |" for figure in figures]
    return "\n".join(lines)
