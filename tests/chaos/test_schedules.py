"""Due moments while the server is killed, and while its database is away."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from chaos import outage, schedules

pytestmark = pytest.mark.acceptance


def test_each_due_moment_runs_once_or_is_skipped_with_a_reason(tmp_path: Path, random: Random) -> None:
    outcome = schedules.carry_out(tmp_path, random, kills=3)
    assert outcome.holds, outcome.describe()


def test_an_outage_of_postgresql_kills_nothing(tmp_path: Path, random: Random) -> None:
    outcome = outage.carry_out(tmp_path, random, seconds=15)
    assert outcome.holds, outcome.describe()
