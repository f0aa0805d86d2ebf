"""Promise 3: no byte of output is lost, and a viewer sees each line once; whoever is killed or breaks off."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from chaos.house import PATIENCE_SECONDS, House, beside
from chaos.outcome import Count, Outcome, equal, listed, none
from chaos.viewer import Viewer
from chaos.witness import ENDS, files

_HASHED = """
import hashlib, os, random, sys, time
digest, written = hashlib.sha256(), 0

def say(data):
    global written
    digest.update(data)
    written += len(data)
    while data:
        data = data[os.write(1, data):]
"""
# Each ends when it is told to, or when it has printed enough not to fill a disk.
_SCRIPTS = {
    "lines": _HASHED
    + """
number = 0
while number < 200_000 and not os.path.exists(os.path.join(OUT, "enough")):
    number += 1
    say(f"line {number}: {'云x' * (number % 70)}\\n".encode())
    time.sleep(0.002)
record("ends", sha256=digest.hexdigest(), bytes=written, lines=number)
""",
    # No line ever ends, and writes end in the middle of characters.
    "endless_line": _HASHED
    + """
rest = b""
while written < 50_000_000 and not os.path.exists(os.path.join(OUT, "enough")):
    rest += "云の行方は風まかせ, ".encode() * 10
    cut = random.randrange(len(rest))
    say(rest[:cut])
    rest = rest[cut:]
    time.sleep(0.002)
say(rest)
record("ends", sha256=digest.hexdigest(), bytes=written, lines=0)
""",
    "long_lines": _HASHED
    + """
number = 0
while number < 2_000 and not os.path.exists(os.path.join(OUT, "enough")):
    number += 1
    say(f"line {number}: ".encode() + b"x" * 100_000 + b"\\n")
    time.sleep(0.05)
record("ends", sha256=digest.hexdigest(), bytes=written, lines=number)
""",
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One run's output as three parties know it, each as a hash: the script, Kumo, and a viewer."""

    run_id: int
    printed: str
    kept: str
    viewed: str
    lines: int  # as the script counted them; 0 where there are none
    viewed_numbers: Sequence[int]  # the numbers of the lines that the viewer saw


def carry_out(workplace: Path, random: Random, *, kills: int, viewers: int, longest_look: float = 3.0) -> Outcome:
    """Watch scripts that print, while the server is killed and connections break; then compare hashes."""
    with House(workplace, random, files(**_SCRIPTS)) as house:
        run_ids = [house.run_now(house.add_task(f"python {name}.py")) for name in _SCRIPTS]
        watchers = [
            Viewer(house.server, run_id, Random(random.random()), longest_look=longest_look)
            for run_id in run_ids
            for _ in range(viewers)
        ]
        give_up_at = time.monotonic() + PATIENCE_SECONDS + kills * 10
        with beside(*(partial(watcher.watch, give_up_at=give_up_at) for watcher in watchers)):
            house.storm(kills)
            (house.outputs / "enough").touch()
        house.wait_until_all_is_over()
        house.faults["breaks of viewers' connections"] = sum(watcher.breaks for watcher in watchers)
        seen = [_compare(house, watcher) for watcher in watchers]
        size = sum(end["bytes"] for end in house.records(ENDS))
        return Outcome(
            promise="3",
            name="Output under kill -9 of the server and broken connections",
            load=f"{len(run_ids)} scripts that printed {size / 1e6:.1f} MB: numbered lines, one endless line, lines of "
            f"100 kB; {len(watchers)} viewers",
            faults=listed(house.faults),
            counts=[
                *judge(seen),
                none("events that did not begin where the last had ended", [g for each in watchers for g in each.gaps]),
                equal("viewers told that the run succeeded", len(watchers), _told(watchers)),
                house.defects(),
            ],
        )


def judge(seen: Sequence[Seen]) -> list[Count]:
    """Compare what was printed with what was kept and what was seen."""
    numbered = [each for each in seen if each.lines]
    return [
        none("logs that differ from what was printed", [each.run_id for each in seen if each.kept != each.printed]),
        none("viewers who saw other bytes", [each.run_id for each in seen if each.viewed != each.printed]),
        equal(
            "lines that viewers saw, each once and in order",
            sum(each.lines for each in numbered),
            sum(
                sum(a == b for a, b in zip(each.viewed_numbers, range(1, each.lines + 1), strict=False))
                for each in numbered
            ),
        ),
        none(
            "viewers who saw a line twice", [each.run_id for each in numbered if len(each.viewed_numbers) > each.lines]
        ),
    ]


def _compare(house: House, watcher: Viewer) -> Seen:
    (end,) = [end for end in house.records(ENDS) if end["run"] == watcher.run_id]
    log = house.server.client.get(f"/runs/{watcher.run_id}/log/download").raise_for_status().content
    numbers = (
        [int(line.partition(":")[0].removeprefix("line ")) for line in watcher.text.splitlines()]
        if end["lines"]
        else []
    )
    return Seen(
        run_id=watcher.run_id,
        printed=end["sha256"],
        kept=hashlib.sha256(log).hexdigest(),
        viewed=hashlib.sha256(watcher.text.encode()).hexdigest(),
        lines=end["lines"],
        viewed_numbers=numbers,
    )


def _told(watchers: Sequence[Viewer]) -> int:
    return sum(watcher.state == "succeeded" for watcher in watchers)
