"""Scenarios of `chaos` in a small size, each from a seed that a failure shows and CHAOS_SEED sets."""

from __future__ import annotations

import os
from random import Random, SystemRandom

import pytest


@pytest.fixture
def random() -> Random:
    seed = os.environ.get("CHAOS_SEED") or str(SystemRandom().randrange(1_000_000))
    print(f"CHAOS_SEED={seed}")  # noqa: T201 - shown when the test fails
    return Random(seed)  # noqa: S311 - faults, not secrets
