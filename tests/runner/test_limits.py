from __future__ import annotations

import pytest

from kumo.runner.limits import DutyCycle, human_size, memory_reason, processes_reason

GIB = 1 << 30


def cpu_percent_used(limit: float, cores: float, *, seconds: float = 60.0) -> float:
    """What a tree that would keep `cores` busy uses under the limit, its time told in hundredths as the kernel does."""
    duty = DutyCycle(limit, 0.0, 0.0)
    at = used = 0.0
    while at < seconds:
        if not duty.stands:
            used += cores * (duty.next_at - at)
        at = duty.next_at
        duty.decide(at, int(used * 100) / 100)
        assert at + 0.01 <= duty.next_at
    return 100 * used / at


@pytest.mark.parametrize("limit", [1, 5, 10, 50, 100, 150, 400])
@pytest.mark.parametrize("cores", [1, 4, 16])
def test_a_busy_tree_gets_its_share_and_no_more(limit: float, cores: int) -> None:
    wanted = min(limit, 100 * cores)
    # Time is told in hundredths of a second, which is much where little is allowed.
    assert 0.9 * wanted <= cpu_percent_used(limit, cores) <= 1.02 * wanted


def test_a_tree_below_its_limit_is_never_held_back() -> None:
    assert cpu_percent_used(50, 0.4) == pytest.approx(40)


def test_idle_time_cannot_be_saved_up() -> None:
    duty = DutyCycle(50, 0.0, 0.0)
    duty.decide(3600.0, 0.0)
    assert not duty.stands
    duty.decide(3600.1, 0.1)
    assert duty.stands
    assert duty.next_at - 3600.1 == pytest.approx(0.1)


def test_time_that_is_not_told_yet_is_not_given_twice() -> None:
    duty = DutyCycle(50, 0.0, 0.0)
    duty.decide(0.1, 0.1)
    duty.decide(0.2, 0.08)  # a child has ended, and nobody has waited for it yet
    duty.decide(0.3, 0.1)
    assert not duty.stands


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1 MiB"),
        (int(1.02 * GIB), "1.02 GiB"),
        (int(99.96 * (1 << 20)), "100 MiB"),
        (200 << 20, "200 MiB"),
        (5000 << 50, "5000 PiB"),
    ],
)
def test_sizes_have_three_digits(size: int, text: str) -> None:
    assert human_size(size) == text


def test_reasons_name_what_was_used_and_what_was_allowed() -> None:
    assert memory_reason(int(1.02 * GIB), GIB) == "Ended because it used 1.02 GiB of 1 GiB of memory."
    assert processes_reason(65, 64) == "Ended because it started 65 of 64 processes allowed."
