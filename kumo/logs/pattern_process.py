"""The process that searches for a regular expression: `python -I -m kumo.logs.pattern_process`.

It reads a task from its standard input and writes what it finds, line by line as JSON: first that it is ready, or what
is wrong with the expression, then each step of the search. It is killed when its time is over, since an expression may
take for ever on one line.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kumo.logs.finders import Query, finder_of
from kumo.logs.search import Match, Place, Step, search
from kumo.logs.store import LogFile

_MEMORY_BYTES = 1 << 30
_CPU_SECONDS = 30  # should whoever started it be gone
_NICENESS = 5


def main(open_log: Callable[[Path], LogFile] = LogFile) -> None:
    """Carry out one task; `open_log` says how what is searched is read."""
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    task = json.load(sys.stdin)
    try:
        finder = finder_of(Query(**task["query"]))
    except (re.error, OverflowError, RecursionError) as error:
        _say({"error": str(error)})
        return
    _say({})
    places = [Place(log=open_log(Path(path)), offset=offset) for path, offset in task["places"]]
    for step in search(finder, places, most_per_log=task["most_per_log"], most_logs=task["most_logs"]):
        _say(dataclasses.asdict(step))


def task_to_json(query: Query, places: Sequence[Place], *, most_per_log: int, most_logs: int | None) -> bytes:
    """The task, for the process's standard input."""
    return json.dumps(
        {
            "query": dataclasses.asdict(query),
            "places": [(str(place.log.path), place.offset) for place in places],
            "most_per_log": most_per_log,
            "most_logs": most_logs,
        }
    ).encode()


def step_from_json(values: dict[str, Any]) -> Step:
    """A step that the process has written."""
    match = values.pop("match")
    return Step(**values, match=None if match is None else Match(**match))


def _say(values: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
