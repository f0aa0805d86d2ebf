"""Searching logs block by block, with never more than a block in memory. Whoever iterates says how long it goes on."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kumo.logs.finders import Finder, Spot
from kumo.logs.index import IndexEntry
from kumo.logs.store import LogFile

_MOST_SHOWN_BYTES = 4096
_SHOWN_BEFORE_BYTES = 1024  # of a line that is longer than what is shown
_CONTINUATION_BYTES = frozenset(range(0x80, 0xC0))  # of UTF-8: no character begins with one


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """One line that a search found, and its first match."""

    offset: int  # of the line's first byte
    line: int  # counted from 1
    written_at_ms: int | None  # since the epoch, to the second; None without an index
    text: str  # at most 4 KiB of the line, around the match
    match_offset: int  # of the match's first byte
    match_start: int  # in the text, in characters
    match_end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A log, and the byte from which on it is searched."""

    log: LogFile
    offset: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of a search: a match, or a block without a further one."""

    place: int  # which of the places
    offset: int  # where to go on in its log: everything before has been searched
    is_at_end: bool = False
    match: Match | None = None


def search(
    finder: Finder, places: Sequence[Place], *, most_per_log: int, most_logs: int | None = None
) -> Iterator[Step]:
    """Search one log after the other.

    A log is left after `most_per_log` matches, and the search ends after `most_logs` logs that had any.
    """
    logs_with_matches = 0
    for number, place in enumerate(places):
        found = 0
        for step in _search_one(finder, place, number):
            found += step.match is not None
            yield step
            if found == most_per_log:
                break
        logs_with_matches += found > 0
        if logs_with_matches == most_logs:
            return


def _search_one(finder: Finder, place: Place, number: int) -> Iterator[Step]:
    """Whole lines, as many as a block holds; of a line longer than that one block after the other."""
    log, position = place.log, place.offset
    describe = _Describer(log)
    # Where the line begins that the byte at `position` belongs to; None where that has not been looked for.
    line = position if position == 0 or log.read(position - 1, 1) == b"\n" else None
    while True:
        block = log.read(position, finder.block_bytes)
        is_at_end = len(block) < finder.block_bytes
        if finder.overlap is None and line != position:
            # Only a line's beginning counts, which has been searched.
            newline = block.find(b"\n")
            position += newline + 1 or len(block)
            line = None if newline < 0 else position
            yield Step(place=number, offset=position, is_at_end=is_at_end and newline < 0)
            if is_at_end and newline < 0:
                return
            continue
        end = len(block) if is_at_end else block.rfind(b"\n") + 1
        is_part_of_line = not end and not is_at_end
        following = position + end
        if is_part_of_line:
            end = len(block)
            following = position + end - (finder.overlap or 0)
        for spot in finder.spots(block, end):
            match = describe(block, spot, position=position, line=line)
            if is_part_of_line:
                line = match.offset
            offset = following if is_part_of_line else position + spot.next_line
            yield Step(place=number, offset=offset, match=match)
        position = following
        if not is_part_of_line:
            line = position
        yield Step(place=number, offset=position, is_at_end=is_at_end)
        if is_at_end:
            return


class _Describer:
    """Tells of matches in one log, in their order: the number, the time and the text of each one's line."""

    def __init__(self, log: LogFile) -> None:
        self._log = log
        self._counted_to = self._lines = 0

    def __call__(self, block: bytes, spot: Spot, *, position: int, line: int | None) -> Match:
        newline = block.rfind(b"\n", 0, spot.start)
        if newline >= 0:
            line = position + newline + 1
        elif line is None:
            line = self._log.line_start(position)
        start, end = position + spot.start, position + spot.end
        shown_from, raw, is_cut = self._shown(line, start, end)
        entry = self._log.index.before(line)
        text = _decode(raw, is_cut=is_cut)
        match_start = len(_decode(raw[: start - shown_from]))
        match_end = match_start + len(_decode(raw[start - shown_from : end - shown_from]))
        return Match(
            offset=line,
            line=self._lines_before(line, entry) + 1,
            written_at_ms=None if entry is None else entry.written_at_ms,
            text=text,
            match_offset=start,
            match_start=match_start,
            match_end=min(match_end, len(text)),
        )

    def _shown(self, line: int, start: int, end: int) -> tuple[int, bytes, bool]:
        """What is shown of a line: where it begins, its bytes, and whether the line goes on."""
        offset = line
        if end - line > _MOST_SHOWN_BYTES:
            offset = max(line, start - _SHOWN_BEFORE_BYTES)
            offset += _continuation_bytes(self._log.read(offset, 3))
        raw, newline, _ = self._log.read(offset, _MOST_SHOWN_BYTES).partition(b"\n")
        return offset, raw, not newline and len(raw) == _MOST_SHOWN_BYTES

    def _lines_before(self, offset: int, entry: IndexEntry | None) -> int:
        """Counted from the match before or from the index, whichever is nearer."""
        if entry is not None and entry.offset > self._counted_to:
            self._counted_to, self._lines = entry.offset, entry.lines
        self._lines += self._log.count_lines(self._counted_to, offset)
        self._counted_to = offset
        return self._lines


def _continuation_bytes(raw: bytes) -> int:
    """How many bytes belong to a character that began before."""
    for number, byte in enumerate(raw):
        if byte not in _CONTINUATION_BYTES:
            return number
    return len(raw)


def _decode(raw: bytes, *, is_cut: bool = False) -> str:
    """The text; without the character of which a cut has left only the beginning."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(raw, final=not is_cut)
