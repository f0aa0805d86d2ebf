from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kumo.declarations.document import TaskTable
from kumo.declarations.planning import Plan, Present, plan
from kumo.declarations.problems import InvalidDeclaration
from kumo.declarations.quantities import duration_text, size_text, to_bytes, to_seconds
from kumo.declarations.reading import read
from kumo.declarations.writing import write
from kumo.tasks.schemas import TaskFields
from tests.declarations.saying import NOW, applied, projects, there


def planned(text: str, present: Present) -> Plan:
    return plan(read(text), present, NOW)


def actions(made: Plan) -> dict[str, str]:
    return {step.name: step.action for step in made.tasks}


def task(name: str = "nightly", **fields: Any) -> dict[str, Any]:
    """A task that is there, made of what a file says of it."""
    said = f'[tasks.{name}]\ncommand = "true"\n'
    made = applied(planned(said, there([])), there([])).tasks[0].fields
    return dict(made) | fields


@settings(max_examples=15)
@given(projects())
def test_what_is_exported_is_what_there_is(tasks: list[dict[str, Any]]) -> None:
    text = write(tasks)
    made = planned(text, there(tasks, declared=True))
    assert made.is_done, (text, made)
    # And on a machine that has none of it, it makes the same.
    elsewhere = applied(planned(text, there([])), there([]))
    assert [dict(each.fields) for each in elsewhere.tasks] == tasks


@settings(max_examples=15)
@given(projects(), projects())
def test_what_is_applied_leaves_nothing_to_do(wanted: list[dict[str, Any]], present: list[dict[str, Any]]) -> None:
    text = write(wanted)
    before = there(present, declared=True)
    first = planned(text, before)
    after = applied(first, before)
    again = planned(text, after)
    assert again.is_done, (text, again)
    assert {each.name for each in after.tasks} == {each["name"] for each in wanted}
    assert first.hash == planned(text, before).hash
    assert first.is_done == (first.hash == again.hash)


@given(st.floats(0, 10**9) | st.integers(0, 10**9).map(lambda n: n * 30))
def test_a_duration_is_read_as_it_is_written(seconds: float) -> None:
    assert to_seconds(duration_text(seconds)) == seconds


@given(st.integers(0, 1 << 50) | st.integers(0, 1 << 20).map(lambda n: n << 20))
def test_a_size_is_read_as_it_is_written(size: int) -> None:
    assert to_bytes(size_text(size)) == size


def test_every_field_of_a_task_can_be_said() -> None:
    ids_and_names = {"name", "project_id", "environment_id"}
    assert TaskFields.model_fields.keys() - ids_and_names == TaskTable.model_fields.keys() - {
        "environment",
        "previously",
    }


def test_only_what_was_declared_is_removed() -> None:
    made_by_hand, declared = task("by_hand"), task("declared")
    present = Present(
        project_id=1,
        project_name="shop",
        tasks=there([made_by_hand]).tasks + tuple(there([task("x"), declared], declared=True).tasks[1:]),
    )
    assert actions(planned("", present)) == {"declared": "remove"}


def test_a_task_of_the_same_name_is_adopted_with_what_changes() -> None:
    made = planned('[tasks.nightly]\ncommand = "false"\n', there([task()]))
    assert [(step.action, [each.field for each in step.fields]) for step in made.tasks] == [("adopt", ["command"])]


def test_a_declared_task_that_was_renamed_gets_its_name_back() -> None:
    renamed = there([task()], declared=True).tasks[0]
    present = Present(
        **vars(there([]))
        | {"tasks": (type(renamed)(id=1, fields=dict(renamed.fields) | {"name": "other"}, declared_as="nightly"),)}
    )
    made = planned('[tasks.nightly]\ncommand = "true"\n', present)
    assert [(step.action, step.task_id, step.fields[0].field) for step in made.tasks] == [("change", 1, "name")]


def test_a_task_is_renamed_by_its_previous_name_and_only_once() -> None:
    text = '[tasks.new]\ncommand = "true"\npreviously = "old"\n'
    made = planned(text, there([task("old")], declared=True))
    assert [(step.action, step.name, step.task_id) for step in made.tasks] == [("change", "new", 1)]
    assert planned(text, applied(made, there([task("old")], declared=True))).is_done


def test_of_one_task_alone_nothing_else_is_done() -> None:
    text = (
        '[environment]\npackages = []\n[tasks.a]\ncommand = "true"\nenvironment = "{}"\n[tasks.b]\ncommand = "true"\n'
    )
    present = there([task("a")], declared=True)
    for environment, is_needed in (("none", False), ("shop", True)):
        made = plan(read(text.format(environment)), present, NOW, only=1)
        assert [step.name for step in made.tasks] == ["a"]
        assert (made.environment is not None) == is_needed


def test_what_a_file_does_not_say_of_activity_and_starts_stays() -> None:
    text = '[tasks.nightly]\ncommand = "true"\ntriggers = [{type = "interval", seconds = "2m"}]\n'
    made = applied(planned(text, there([])), there([])).tasks[0]
    paused = dict(made.fields) | {"active": False}
    assert planned(text, there([paused], declared=True)).is_done
    changed = planned(text.replace("2m", "3m"), there([paused], declared=True))
    assert [(each.field, each.present, each.said) for each in changed.tasks[0].fields] == [
        ("triggers[0].seconds", 120, 180)
    ]


BAD = """\
[environment]
python = "three"

[tasks.nightly]
command = "python main.py | tee log"
timeout = "10m"
max_parallel = "2"
pool = "none such"
environment = "nowhere"
proxy = "http://me:secret@proxy.example.com"

[tasks.nightly.limits]
memory_bytes = "512 megabytes"

[[tasks.nightly.triggers]]
type = "cron"
expression = "0 0 31 2 *"

[tasks.other]
command = "echo a > b"
pool = "none such"
environment = "nowhere"
blackouts = [{ start = "22:00", end = "06:00", timezone = "Mars/Olympus" }]

[[tasks.other.triggers]]
type = "cron"
expression = "0 0 31 2 *"

[[tasks.other.triggers]]
type = "date"
at = 2027-01-01T00:00:00Z

[[tasks.other.triggers]]
type = "after"
task = "nothing"

[tasks.taken]
command = "true"

[tasks."third one"]
command = "true"
[[tasks."third one".triggers]]
at = 2020-01-01T00:00:00Z
type = "date"

[[tasks.nightly.triggers]]
type = "webhook"
secret = "in the repository"
"""


def test_everything_that_is_wrong_is_said_at_once_with_its_line() -> None:
    present = Present(**vars(there([])) | {"tasks_elsewhere": {"taken": "bakery"}})
    with pytest.raises(InvalidDeclaration) as refused:
        planned(BAD, present)
    found = {(each.path, each.line) for each in refused.value.problems}
    assert found == {
        ("environment.python", 2),
        ("tasks.nightly.command", 5),
        ("tasks.nightly.timeout", 6),
        ("tasks.nightly.max_parallel", 7),
        ("tasks.nightly.pool", 8),
        ("tasks.nightly.environment", 9),
        ("tasks.nightly.proxy", 10),
        ("tasks.nightly.limits.memory_bytes", 13),
        ("tasks.nightly.triggers[0].expression", 17),
        ("tasks.nightly.triggers[1]", 46),
        ("tasks.other.command", 20),
        ("tasks.other.pool", 21),
        ("tasks.other.environment", 22),
        ("tasks.other.blackouts[0].timezone", 23),
        ("tasks.other.triggers[0].expression", 27),
        ("tasks.other.triggers[2].task", 35),
        ("tasks.taken", 37),
        ('tasks."third one".triggers[0].at', 43),
    }
    messages = {each.path: each.message for each in refused.value.problems}
    assert messages["tasks.nightly.timeout"] == "The key 'timeout' is not known. Do you mean timeout_seconds?"
    assert "512 megabytes" in messages["tasks.nightly.limits.memory_bytes"]
    assert "kumo.toml: " in refused.value.message
    assert "Nothing was changed." in refused.value.message


@settings(max_examples=80)
@given(st.text(max_size=200) | st.text("[]{}=.\"'\n#abctasks0:-", max_size=60))
def test_no_text_is_a_failure(text: str) -> None:
    reading = read(text)
    assert reading.problems or set(reading.lines) or not text.strip() or "#" in text or text.isspace()


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 5000,
        "x = " + "[" * 400 + "]" * 400,
        "x = " + "9" * 5000,
        "[tasks.a]\nx = " + "[" * 400 + "]" * 400,
    ],
)
def test_what_no_one_would_write_is_no_failure(text: str) -> None:
    assert read(text).problems


def test_a_text_that_no_database_stores_is_refused() -> None:
    assert "NUL" in read('[tasks.a]\ncommand = "a\\u0000"\n').problems[0].message
    assert read("[tasks.a]\ncommand = 'a\\u0000'\n").problems == ()


@pytest.mark.parametrize(
    ("text", "line"), [("a = [1,\n", 1), ("\n\n[tasks", 3), ('x = "\n', 1), ("[a]\n[a]\n", 2), ("x = 1\nx = 2", 2)]
)
def test_what_is_no_toml_says_where(text: str, line: int) -> None:
    (problem,) = read(text).problems
    assert problem.message.startswith("This is no TOML")
    assert problem.line is not None
    assert problem.line >= line
