"""What a search looks for in a block of a log: words as they stand, in any letter case, or a regular expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

# So small that a block and its folded copy stay in the processor's cache, that other threads soon have their turn, and
# that a block of lines, each of them costly for an expression, is done within the time of a request.
_BLOCK_BYTES = 1 << 16
# The time that an expression takes may grow much faster than its line.
LONGEST_LINE_FOR_PATTERNS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """What is looked for, in one line."""

    words: str
    is_pattern: bool = False
    minds_case: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """The first match in one line of a block, as places in the block."""

    start: int
    end: int
    next_line: int  # where the line after it begins; the block's end after the last


class Finder(Protocol):
    """Looks through one block at a time."""

    block_bytes: int
    # How many bytes of a block without a newline the next one must begin with; None: only a line's beginning counts.
    overlap: int | None

    def spots(self, block: bytes, end: int) -> Iterator[Spot]:
        """The lines of `block[:end]` with a match; what follows the last newline is a line too."""
        ...


def finder_of(query: Query) -> Finder:
    """Whoever finds what the query says; `re.error` for what is no regular expression."""
    return PatternFinder(query) if query.is_pattern else WordsFinder(query)


class WordsFinder:
    """Finds words by their bytes, at the speed of memory.

    Letters that differ in case alone are equal, if UTF-8 writes both in as many bytes: É and é, Я and я, not ß and SS.
    Block and words are folded: of bytes that may stand for each other each becomes the same one. That may make too much
    equal, so what is found is compared again, letter by letter.
    """

    block_bytes = _BLOCK_BYTES

    def __init__(self, query: Query) -> None:
        raw = query.words.encode()
        self.overlap: int | None = len(raw) - 1
        self._length = len(raw)
        self._spellings: list[frozenset[bytes]] = []
        self._fold: Callable[[bytes], bytes] = _unchanged
        if not query.minds_case and query.words.isascii():
            self._fold = bytes.lower
        elif not query.minds_case and any(len(forms) > 1 for forms in map(_spellings, query.words)):
            self._spellings = [_spellings(character) for character in query.words]
            table = _fold_table(self._spellings)
            self._fold = lambda block: block.translate(table)
        self._needle = self._fold(raw)

    def spots(self, block: bytes, end: int) -> Iterator[Spot]:
        """The lines with a match."""
        folded = self._fold(block)
        at = folded.find(self._needle, 0, end)
        while at >= 0:
            if self._spellings and not self._fits(block, at):
                at = folded.find(self._needle, at + 1, end)
                continue
            newline = block.find(b"\n", at, end)
            next_line = newline + 1 if newline >= 0 else end
            yield Spot(at, at + self._length, next_line)
            at = folded.find(self._needle, next_line, end)

    def _fits(self, block: bytes, at: int) -> bool:
        for spellings in self._spellings:
            length = len(next(iter(spellings)))
            if block[at : at + length] not in spellings:
                return False
            at += length
        return True


class PatternFinder:
    """Finds a regular expression, in each line by itself, and in its first 10,000 characters.

    Python's `re` may take for ever and holds the interpreter meanwhile: this runs in a process that can be killed.
    """

    block_bytes = _BLOCK_BYTES
    overlap: int | None = None

    def __init__(self, query: Query) -> None:
        self._search = re.compile(query.words, 0 if query.minds_case else re.IGNORECASE).search

    def spots(self, block: bytes, end: int) -> Iterator[Spot]:
        """The lines with a match."""
        if not end:
            return
        # Bytes that are no UTF-8 become one character each, so that a character's place can be told in bytes again.
        text = block[:end].removesuffix(b"\n").decode("utf-8", "surrogateescape")
        start = 0
        for raw, line in zip(block[:end].split(b"\n"), text.split("\n"), strict=False):
            next_line = start + len(raw) + 1
            if found := self._search(line[:LONGEST_LINE_FOR_PATTERNS]):
                before = len(line[: found.start()].encode("utf-8", "surrogateescape"))
                length = len(found[0].encode("utf-8", "surrogateescape"))
                yield Spot(start + before, start + before + length, min(next_line, end))
            start = next_line


def _unchanged(block: bytes) -> bytes:
    return block


def _spellings(character: str) -> frozenset[bytes]:
    """A character's cases, as far as they are as long as itself."""
    own = character.encode()
    forms = (character, character.lower(), character.upper(), character.casefold())
    return frozenset(raw for form in forms if len(form) == 1 and len(raw := form.encode()) == len(own))


def _fold_table(spellings: list[frozenset[bytes]]) -> bytes:
    """The table for `bytes.translate` under which all spellings of a character are equal."""
    equal = list(range(256))
    for forms in spellings:
        for alike in zip(*forms, strict=True):
            joined = {equal[byte] for byte in alike}
            equal = [min(joined) if byte in joined else byte for byte in equal]
    return bytes(equal)
