from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kumo.runs.comparison import COMPARED, Difference, differences
from kumo.runs.models import Run

_OBJECTS = {"parameters", "variable_versions", "limits", "rate_limit", "retry"}
_values = st.one_of(st.none(), st.integers(), st.text(max_size=5))
_objects = st.one_of(st.none(), st.dictionaries(st.text(max_size=3), _values))
_runs = st.fixed_dictionaries({}, optional={name: _objects if name in _OBJECTS else _values for name in COMPARED})


@given(run=_runs)
def test_a_run_does_not_differ_from_itself(run: dict[str, Any]) -> None:
    assert differences(run, run) == []


@given(one=_runs, two=_runs)
def test_a_difference_has_two_sides(one: dict[str, Any], two: dict[str, Any]) -> None:
    turned = [Difference(field=each.field, this=each.other, other=each.this) for each in differences(two, one)]
    assert differences(one, two) == turned


def test_entries_of_objects_are_told_one_by_one() -> None:
    one = {"command": "python a.py", "limits": {"memory_bytes": 1, "processes": 2}, "variable_versions": {"TOKEN": 3}}
    two = {"command": "python a.py", "limits": {"memory_bytes": 9, "processes": 2}, "variable_versions": None}
    assert differences(one, two) == [
        Difference(field="variable_versions.TOKEN", this=3, other=None),
        Difference(field="limits.memory_bytes", this=1, other=9),
    ]


def test_everything_that_is_compared_is_a_column_or_in_one() -> None:
    assert set(COMPARED) - {"own_variables"} <= set(Run.__table__.c.keys())
