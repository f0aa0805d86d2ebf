"""What scripts print, and how those end that will not."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from chaos import burdens, output, places, stops, timeouts

pytestmark = pytest.mark.acceptance


def test_no_byte_is_lost_and_viewers_see_each_line_once(tmp_path: Path, random: Random) -> None:
    outcome = output.carry_out(tmp_path, random, kills=2, viewers=1, longest_look=1.0)
    assert outcome.holds, outcome.describe()


def test_a_stop_ends_whole_trees_in_time_whatever_becomes_of_the_server(tmp_path: Path, random: Random) -> None:
    outcome = stops.carry_out(tmp_path, random, rounds=1)
    assert outcome.holds, outcome.describe()


def test_a_timeout_holds_while_server_and_zygote_are_dead(tmp_path: Path, random: Random) -> None:
    outcome = timeouts.carry_out(tmp_path, random, timeout_seconds=6, killed_after_seconds=1)
    assert outcome.holds, outcome.describe()


def test_the_highest_priority_takes_each_place_that_becomes_free(tmp_path: Path, random: Random) -> None:
    outcome = places.in_order(tmp_path, random, ends=30)
    assert outcome.holds, outcome.describe()


def test_there_are_never_more_at_once_than_places_also_after_kills(tmp_path: Path, random: Random) -> None:
    outcome = places.at_once(tmp_path, random, runs=60, kills=2)
    assert outcome.holds, outcome.describe()


def test_bad_scripts_are_held_by_their_limits_and_disturb_nobody(tmp_path: Path, random: Random) -> None:
    outcome = burdens.carry_out(tmp_path, random, flood_bytes=300 << 20, is_timed=False)
    assert outcome.holds, outcome.describe()
