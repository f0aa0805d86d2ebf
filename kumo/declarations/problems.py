"""What is wrong with a file, each with its place in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kumo.errors import Detail, InvalidInput


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, and what to do."""

    path: str  # "tasks.nightly.triggers[0].expression"; "" for the file as a whole
    message: str
    line: int | None = None


class InvalidDeclaration(InvalidInput):
    """The file says what cannot be; nothing of it is applied."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        problems = sorted(problems, key=lambda each: each.line or 0)
        first, *others = problems
        more = f" And {len(others)} more." if others else ""
        super().__init__(
            f"kumo.toml: {_placed(first)}{more} Nothing was changed.",
            details=tuple(Detail(field=each.path, message=_with_line(each)) for each in problems),
        )
        self.problems = tuple(problems)


def _placed(problem: Problem) -> str:
    where = f"{problem.path}: " if problem.path else ""
    return f"{where}{_with_line(problem)}"


def _with_line(problem: Problem) -> str:
    return problem.message if problem.line is None else f"Line {problem.line}: {problem.message}"
