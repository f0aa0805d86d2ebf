"""The scripts that Kumo runs here. They are the witnesses: what counts is what they write down about themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STARTS = "starts"
ENDS = "ends"

# Written with one write(2) to a file opened with O_APPEND: lines of several processes do not mix.
_WITNESS = """
import json, os, time

OUT = os.environ["OUTPUT_DIR"]
RUN = int(os.environ["KUMO_RUN_ID"])

def record(name, **facts):
    about = {
        "run": RUN,
        "task": int(os.environ["KUMO_TASK_ID"]),
        "attempt": int(os.environ["KUMO_ATTEMPT"]),
        "due": os.environ["KUMO_DUE_AT"],
        "pid": os.getpid(),
        "at": time.time(),
        "ticks": time.monotonic(),
    }
    line = json.dumps(about | facts) + "\\n"
    descriptor = os.open(os.path.join(OUT, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)

def wait_for(name):
    while not os.path.exists(os.path.join(OUT, name)):
        time.sleep(0.01)
"""


def script(body: str) -> str:
    """A script that can `record` and `wait_for`; with nothing but the standard library."""
    return "from witness import OUT, RUN, record, wait_for\n" + body


def files(**bodies: str) -> dict[str, str | bytes]:
    """A project of such scripts, each named for its argument."""
    return {"witness.py": _WITNESS, **{f"{name}.py": script(body) for name, body in bodies.items()}}


def records(folder: Path, name: str) -> list[dict[str, Any]]:
    """What the scripts of one project wrote down, in the order in which they did."""
    path = folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
