"""Every kind of task that a file can declare, made up by hypothesis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from kumo.declarations.planning import Plan, Present, PresentTask, to_trigger
from kumo.declarations.reading import NOTHING_SAID
from kumo.tasks.declared import moment_as_json, trigger_as_json

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)

# Everything that a text may hold but what no database stores.
words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
names = words.map(str.strip).filter(bool)
_zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Shanghai"])
_moments = st.datetimes(datetime(2027, 1, 1), datetime(2120, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
_stamps = _moments.map(lambda each: moment_as_json(each.replace(microsecond=each.microsecond // 1000 * 1000)))
_seconds = st.integers(1, 10**6) | st.floats(1, 10**6) | st.sampled_from([60, 90, 3600, 5400, 86400, 604800])
_bytes = st.integers(1 << 20, 1 << 50) | st.sampled_from([1 << 20, 512_000_000, 1 << 30, 3 << 40])


def _triggers(tasks: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    spread: dict[str, st.SearchStrategy[Any]] = {"jitter_seconds": st.integers(0, 3600)}
    cron: dict[str, st.SearchStrategy[Any]] = {
        "type": st.just("cron"),
        "expression": st.sampled_from(["30 2 * * *", "@daily", "*/5 * * * * *", "0 9 1 * 1-5"]),
        "timezone": _zones,
        "start_at": st.none() | _stamps,
        "end_at": st.none(),
    }
    interval: dict[str, st.SearchStrategy[Any]] = {
        "type": st.just("interval"),
        "seconds": _seconds,
        "start_at": _stamps,
        "end_at": st.none(),
    }
    after = {
        "type": st.just("after"),
        "task": st.sampled_from(tasks),
        "on": st.sampled_from(["success", "failure", "end"]),
    }
    return st.one_of(
        st.fixed_dictionaries(cron | spread),
        st.fixed_dictionaries(interval | spread),
        st.fixed_dictionaries({"type": st.just("date"), "at": _stamps}),
        st.fixed_dictionaries(after),
        st.just({"type": "webhook"}),
    )


def _task(name: str, others: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """One task as it is compared, with every field away from its default now and then."""
    clock = st.sampled_from(["00:00", "06:30", "22:00"])
    blackout = {
        "start": clock,
        "end": clock,
        "days": st.none() | st.lists(st.sampled_from(["mon", "sun"]), min_size=1),
        "timezone": _zones,
    }
    retry = {
        "max_attempts": st.integers(1, 100),
        "delay_seconds": st.floats(0, 604800) | st.sampled_from([60, 90.0, 3600]),
        "backoff": st.floats(1, 100),
        "max_delay_seconds": st.just(3600) | st.integers(0, 604800),
        "exit_codes": st.none() | st.lists(st.integers(0, 255), min_size=1, max_size=3),
    }
    limits = {
        "cpu_percent": st.none() | st.floats(1, 100_000),
        "memory_bytes": st.none() | _bytes,
        "processes": st.none() | st.integers(1, 1000),
        "log_bytes": st.none() | _bytes,
    }
    rate_limit = {
        "request_interval_ms": st.none() | st.integers(1, 3_600_000) | st.sampled_from([60_000, 90_000]),
        "max_requests_per_second": st.none() | st.floats(0.001, 1_000_000),
    }
    return st.fixed_dictionaries(
        {
            "name": st.just(name),
            "description": words,
            "environment": st.sampled_from([None, "etl", "own"]),
            "tags": st.lists(names, max_size=3, unique=True),
            "command": st.sampled_from(["python main.py", "python 'a b.py' --x=\"ü\"", "python -c 'print(1)\n'"]),
            "shell": st.booleans(),
            "active": st.booleans(),
            "overlap": st.sampled_from(["skip", "queue", "allow", "replace"]),
            "max_parallel": st.integers(1, 1000),
            "catch_up": st.sampled_from(["skip", "latest", "all"]),
            "catch_up_window_seconds": st.just(3600) | st.integers(0, 10**7),
            "priority": st.integers(-100, 100),
            "timeout_seconds": st.none() | _seconds,
            "stop_grace_seconds": st.floats(0, 3600) | st.integers(0, 3600),
            "pool": st.sampled_from([None, "database"]),
            "retry": st.fixed_dictionaries(retry),
            "failure_threshold": st.none() | st.integers(1, 1000),
            "limits": st.fixed_dictionaries(limits),
            "rate_limit": st.fixed_dictionaries(rate_limit),
            "blackouts": st.lists(st.fixed_dictionaries(blackout), max_size=2),
            "proxy": st.sampled_from([None, "http://proxy.example.com:3128"]),
            "triggers": st.lists(_triggers(others), max_size=4),
        }
    )


@st.composite
def projects(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The tasks of one project."""
    found = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    return [draw(_task(name, found)) for name in found]


def there(tasks: list[dict[str, Any]], *, declared: bool = False) -> Present:
    """A project that has these tasks."""
    return Present(
        project_id=1,
        project_name="shop",
        tasks=tuple(
            PresentTask(id=number, fields=task, declared_as=task["name"] if declared else None)
            for number, task in enumerate(tasks, 1)
        ),
        pools=frozenset({"database"}),
        environments=frozenset({"etl", "own"}),
    )


def applied(plan: Plan, present: Present) -> Present:
    """The project once the plan is done, as the database would have it."""
    before = {task.id: task.fields for task in present.tasks}
    tasks = []
    for number, step in enumerate(plan.tasks, 1001):
        if step.action == "remove":
            continue
        old = dict(before.get(step.task_id or 0, {}))
        made = {"active": True} | NOTHING_SAID | old | dict(step.said)
        triggers = []
        for pair in step.pairs:
            if pair.said is not None:
                said = step.said["triggers"][pair.said]
                was = None if pair.present is None else old["triggers"][pair.present]
                moved = trigger_as_json(to_trigger(said, was, now=NOW + timedelta(seconds=1)))
                triggers.append(moved | ({"task": said["task"]} if said["type"] == "after" else {}))
        for trigger in triggers:
            trigger.pop("task_id", None)
        tasks.append(
            PresentTask(id=step.task_id or number, fields=made | {"triggers": triggers}, declared_as=step.name)
        )
    return Present(**vars(present) | {"tasks": tuple(tasks)})
