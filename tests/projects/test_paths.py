from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo.errors import InvalidInput
from kumo.projects.paths import collision_key, existing_path, project_path, shown
from tests.projects.hostile import HOSTILE_PATHS, STRANGE_BUT_PLAIN


def test_there_are_enough_hostile_paths() -> None:
    assert len(set(HOSTILE_PATHS)) > 200


@pytest.mark.parametrize("path", HOSTILE_PATHS, ids=ascii)
def test_a_hostile_path_is_refused_with_a_sentence(path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        project_path(path, field="file")
    assert caught.value.details[0].field == "file"
    assert caught.value.message.isprintable()
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("path", STRANGE_BUT_PLAIN, ids=ascii)
def test_a_strange_name_stays_the_name_that_it_is(path: str, tmp_path: Path) -> None:
    assert project_path(path) == path
    assert (tmp_path / path).resolve().is_relative_to(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "main.py",
        "a/b/c.py",
        "数据/采集.py",
        "naïve.txt",
        ".env",
        ".gitignore",
        "a b.txt",
        "a.b.c",
        "console.py",
        "nullable.py",
    ],
)
def test_an_ordinary_path_is_kept(path: str) -> None:
    assert project_path(path) == path


def test_accents_are_stored_in_their_composed_form() -> None:
    assert project_path(unicodedata.normalize("NFD", "été.py")) == unicodedata.normalize("NFC", "été.py")


@given(st.text(max_size=60))
def test_what_is_accepted_stays_inside_and_is_its_own_form(raw: str) -> None:
    try:
        path = project_path(raw)
    except InvalidInput:
        return
    root = Path("/root-of-project")
    assert Path(f"{root}/{path}").parts[:2] == ("/", "root-of-project")
    assert not {"", ".", ".."} & set(path.split("/"))
    assert project_path(path) == path


@pytest.mark.parametrize(
    "path", ["..", "../x", "/etc/passwd", "a/../b", "a//b", "a/", ".", "a\0b", "\ud800", "x" * 300]
)
def test_a_path_of_an_output_leads_downwards(path: str) -> None:
    with pytest.raises(InvalidInput):
        existing_path(path)


@pytest.mark.parametrize(
    "path", ["", "a.csv", "aux.csv", "a\\b", "report. ", "a:b/c\n", unicodedata.normalize("NFD", "é")]
)
def test_a_script_may_name_its_outputs_as_it_likes(path: str) -> None:
    assert existing_path(path) == path


def test_names_that_some_systems_take_for_one_have_one_key() -> None:
    assert collision_key("README.md") == collision_key("readme.MD")
    assert collision_key("Straße") == collision_key("STRASSE")
    assert collision_key("Été") == collision_key(unicodedata.normalize("NFD", "éTÉ"))
    assert collision_key("a.py") != collision_key("b.py")


def test_a_path_in_a_sentence_is_short_and_obeys_no_terminal() -> None:
    assert shown("a\x1b[31m\u202eb") == "“a\\u001b[31m\\u202eb”"
    assert len(shown("x" * 5000)) < 130
