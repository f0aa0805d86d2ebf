"""`make bench`: measure everything, or the parts that are named, and print a table."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench import builds, idle, lists, logs, projects, punctuality, throughput, triggers
from bench.figures import Figure, show

_PARTS = {
    "throughput": throughput.measure,
    "punctuality": punctuality.measure,
    "triggers": triggers.measure,
    "lists": lists.measure,
    "logs": logs.measure,
    "builds": builds.measure,
    "projects": projects.measure,
    "idle": idle.measure,
}


def main() -> None:
    """Measure."""
    wanted = sys.argv[1:] or list(_PARTS)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="kumo-bench-") as workplace:
        for name in wanted:
            figures += _PARTS[name](Path(workplace))
    print(show(figures))


if __name__ == "__main__":
    main()
