"""Runs while the server is killed: at random moments, and at each named step."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from chaos import accepted, kills, steps

pytestmark = pytest.mark.acceptance


def test_kills_at_random_moments_lose_double_and_interrupt_nothing(tmp_path: Path, random: Random) -> None:
    outcome = kills.carry_out(tmp_path, random, runs=40, kills=3)
    assert outcome.holds, outcome.describe()


def test_a_kill_at_each_step_between_queue_and_stored_end_harms_nothing(tmp_path: Path, random: Random) -> None:
    outcome = steps.carry_out(tmp_path, random, rounds=1)
    assert outcome.holds, outcome.describe()


def test_what_was_answered_with_accepted_is_stored_and_runs_once(tmp_path: Path, random: Random) -> None:
    outcome = accepted.carry_out(tmp_path, random, kills=3)
    assert outcome.holds, outcome.describe()
