"""Two texts as a unified diff, in bounded time and size. Pure."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_CONTEXT_LINES = 3
# The time that difflib takes grows with the product of both sides; what is longer is shown as replaced altogether.
_MOST_COMPARED = 4_000_000
_ENDS = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")


@dataclass(frozen=True, kw_only=True)
class UnifiedDiff:
    """The lines from the first `@@` on."""

    text: str
    truncated: bool  # there is more than `most_chars`


def unified(before: str, after: str, *, most_chars: int) -> UnifiedDiff:
    """What to change in one text to get the other; a missing last end of line is told as other tools tell it."""
    old, new = _lines(before), _lines(after)
    taken, lines, truncated = 0, [], False
    for line in _hunks(old, new):
        whole = line if line.endswith("\n") else f"{line}\n"
        if line[:1] in "+- " and not line.endswith("\n"):
            whole += "\\ No newline at end of file\n"
        taken += len(whole)
        if taken > most_chars:
            truncated = True
            break
        lines.append(whole)
    return UnifiedDiff(text="".join(lines), truncated=truncated)


def _lines(text: str) -> list[str]:
    """Divided at ends of lines alone, not at every character that Python counts as one."""
    return [line for line in _ENDS.split(text) if line]


def _hunks(old: list[str], new: list[str]) -> list[str]:
    """The diff of what is between the lines that both begin and end with, with some of those around it."""
    shorter = min(len(old), len(new))
    start = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    most = shorter - start
    end = next((at for at in range(most) if old[-1 - at] != new[-1 - at]), most)
    if (len(old) - start - end) * (len(new) - start - end) > _MOST_COMPARED:
        return _replaced(old, new, start, end)
    first, last = max(0, start - _CONTEXT_LINES), max(0, end - _CONTEXT_LINES)
    found = difflib.unified_diff(
        old[first : len(old) - last], new[first : len(new) - last], n=_CONTEXT_LINES, lineterm=""
    )
    return [_moved(line, first) if line.startswith("@@") else line for line in list(found)[2:]]


def _replaced(old: list[str], new: list[str], start: int, end: int) -> list[str]:
    first, last = max(0, start - _CONTEXT_LINES), max(0, end - _CONTEXT_LINES)
    sizes = [len(lines) - first - last for lines in (old, new)]
    return [
        f"@@ -{first + 1},{sizes[0]} +{first + 1},{sizes[1]} @@",
        *(" " + line for line in old[first:start]),
        *("-" + line for line in old[start : len(old) - end]),
        *("+" + line for line in new[start : len(new) - end]),
        *(" " + line for line in old[len(old) - end : len(old) - last]),
    ]


def _moved(header: str, lines: int) -> str:
    """A hunk's header as counted from the begin of the whole text."""
    return re.sub(r"([-+])(\d+)", lambda found: f"{found[1]}{int(found[2]) + lines}", header)
