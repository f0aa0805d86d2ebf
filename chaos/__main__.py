"""`make chaos`: carry out every scenario in full, or those that are named, and write down what came of it.

The environment says how: CHAOS_SIZE multiplies kills and runs (1 takes about half an hour), CHAOS_SEED fixes the
random moments. Only a run of all scenarios renews the page; others print what they would have written.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random, SystemRandom

import kumo
from chaos import accepted, burdens, kills, outage, output, places, report, schedules, steps, stops, timeouts
from chaos.outcome import Outcome
from chaos.report import Circumstances

Scenario = Callable[[Path, Random], Outcome]

_CLOCK_STEPS = (90, -15, 3700, -10, 20, -20)


def scenarios(size: float) -> dict[str, Scenario]:
    """Every scenario, so large."""

    def count(full: int) -> int:
        return max(1, round(full * size))

    return {
        "schedules": partial(schedules.carry_out, kills=count(30), long_outages=count(2)),
        "clock": _clock_steps,
        "kills": partial(kills.carry_out, runs=count(500), kills=count(40)),
        "kills-postgresql": partial(kills.carry_out_on_postgresql, runs=count(200), kills=count(15)),
        "steps": partial(steps.carry_out, rounds=count(5)),
        "output": partial(output.carry_out, kills=count(25), viewers=3),
        "stops": partial(stops.carry_out, rounds=count(5)),
        "timeouts": partial(timeouts.carry_out, timeout_seconds=10, killed_after_seconds=3),
        "burdens": partial(burdens.carry_out, flood_bytes=round((10 << 30) * min(size, 1)), is_timed=True),
        "accepted": partial(accepted.carry_out, kills=count(30)),
        "order": partial(places.in_order, ends=count(300)),
        "at-once": partial(places.at_once, runs=count(500), kills=count(15)),
        "outage": partial(outage.carry_out, seconds=60),
    }


def _clock_steps(workplace: Path, random: Random) -> Outcome:
    library = os.environ.get("CHAOS_FAKETIME", "")
    if not library:
        return Outcome(
            promise="1",
            name=schedules.CLOCK_STEPS,
            left_out="there is no libfaketime here, without which a test cannot set the clock of one process alone.",
        )
    return schedules.clock_steps(workplace, random, library=Path(library), steps=_CLOCK_STEPS)


def main(wanted: Sequence[str]) -> int:
    """Carry out what is wanted; the exit code is 0 when every promise held."""
    began = time.monotonic()
    size = float(os.environ.get("CHAOS_SIZE") or 1)
    seed = int(os.environ.get("CHAOS_SEED") or SystemRandom().randrange(1_000_000))
    print(f"seed {seed}, size {size:g}", flush=True)
    known = scenarios(size)
    outcomes = [_carry_out(name, known[name], seed) for name in wanted or known]
    circumstances = Circumstances(
        on=datetime.now(UTC).date(),
        seed=seed,
        size=size,
        took=timedelta(seconds=time.monotonic() - began),
        version=kumo.__version__,
    )
    page = report.page(outcomes, circumstances)
    if wanted:
        print(page)
    else:
        report.PAGE.write_text(page, "utf-8")
        print(report.summary(outcomes))
    return 0 if all(outcome.holds or outcome.left_out for outcome in outcomes) else 1


def _carry_out(name: str, scenario: Scenario, seed: int) -> Outcome:
    """One scenario in a directory of its own, from the same seed whether it runs alone or with all others."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"kumo-chaos-{name}-") as workplace:
        outcome = scenario(Path(workplace), Random(f"{seed} {name}"))
    print(f"\n{name}, {time.monotonic() - began:.0f} s\n{outcome.describe()}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
