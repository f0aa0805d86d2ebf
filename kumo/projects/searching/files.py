"""Which files of a state a search goes through, and what it found in each."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kumo.logs.finders import Query
from kumo.logs.search import Match, Place
from kumo.logs.searching import Limits, Searches
from kumo.projects.searching.texts import TextFile
from kumo.projects.store.snapshots import SnapshotStore

Fits = Callable[[str], bool]

PROCESS = "kumo.projects.searching.pattern_process"
MATCHES_PER_FILE = 50


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a search goes on: in this file at this byte of its text, or at the next one where it is gone."""

    path: str
    offset: int = 0


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """A file with matches."""

    path: str
    matches: list[Match]
    has_more: bool  # there may be more in it


@dataclass(kw_only=True)
class FoundFiles:
    """How far a search came."""

    files: list[FoundFile] = field(default_factory=list)
    position: Position | None = None  # None: all files have been searched


def files_to_search(
    store: SnapshotStore, tree_hash: str, *, include: str | None, largest_bytes: int, position: Position | None
) -> list[tuple[str, Path]]:
    """The files of a state that fit a pattern, from a position on, with where their contents lie; sorted by path.

    Larger ones than `largest_bytes` are left out.
    """
    fits = _fits(include)
    return [
        (found.path, store.content_path(found.entry))
        for found in store.entries(tree_hash)
        if not found.entry.is_directory
        and 0 < found.entry.size_bytes <= largest_bytes
        and (position is None or found.path >= position.path)
        and fits(found.path)
    ]


async def search_files(
    searches: Searches, query: Query, files: Sequence[tuple[str, Path]], *, position: Position | None, limits: Limits
) -> FoundFiles:
    """Search files, by their paths and where their contents lie, until the limits.

    `SlowPattern` for an expression that does not get through the first one.
    """
    paths = [path for path, _ in files]
    places = [Place(log=TextFile(content)) for _, content in files]
    if position is not None and paths[:1] == [position.path]:
        places[0] = Place(log=places[0].log, offset=position.offset)
    outcome = await searches.search(query, places, limits, process=PROCESS)
    found = FoundFiles()
    for path, log in zip(paths, outcome.logs, strict=False):
        if log.matches:
            found.files.append(FoundFile(path=path, matches=log.matches, has_more=not log.is_at_end))
    reached = len(outcome.logs)
    if reached and not outcome.logs[-1].is_done:
        found.position = Position(path=paths[reached - 1], offset=outcome.logs[-1].offset)
    elif reached < len(files):
        found.position = Position(path=paths[reached])
    return found


def _fits(include: str | None) -> Fits:
    """Patterns divided by commas: `*.py` fits names, `quotes/*.py` paths, `quotes` a folder with all that is in it."""
    wanted = [one.strip().strip("/") for one in (include or "").split(",") if one.strip(" /")]
    if not wanted:
        return lambda _: True
    of_names = [_compiled(one) for one in wanted if "/" not in one]
    of_paths = [_compiled(pattern) for one in wanted for pattern in (one, f"{one}/*")]

    def fits(path: str) -> bool:
        name = path.rpartition("/")[2]
        return any(one.match(name) for one in of_names) or any(one.match(path) for one in of_paths)

    return fits


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))
