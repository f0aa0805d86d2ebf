"""Where outputs may be: only where the operator allows it, and by no link."""

from __future__ import annotations

from pathlib import Path

import pytest

from kumo.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from kumo.projects.outputs.folder import list_outputs
from kumo.projects.outputs.place import chosen_place, default_place, make_place, refuse_overlap
from kumo.settings import load_settings


@pytest.mark.parametrize(
    "path",
    ["", "crawls", "~/crawls", "/srv/data/../secret", "/srv/data/./x", "/srv/data//x", "/srv/data/x/", "/srv/data",
     "/srv", "/srv/database", "/etc", "/srv/data/\nx", "/srv/data/" + "x" * 1100],
)  # fmt: skip
def test_a_directory_outside_of_the_list_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        chosen_place(path, [Path("/srv/data"), Path("/mnt")])
    assert [detail.field for detail in refused.value.details] == ["output_dir"]
    with pytest.raises(InvalidInput):
        chosen_place("/srv/data/x", [])


def test_a_directory_below_the_list_is_made_and_a_link_on_the_way_is_not_followed(tmp_path: Path) -> None:
    outside, allowed = tmp_path / "outside", tmp_path / "allowed"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    allowed.mkdir()
    place = chosen_place(f"{allowed}/crawls/quotes", [allowed])
    make_place(place)
    make_place(place)  # a second time does no harm
    assert place.path.is_dir()
    (allowed / "link").symlink_to(outside)
    for path in (f"{allowed}/link", f"{allowed}/link/x"):
        with pytest.raises(InvalidInput, match="a link or a file is on the way"):
            make_place(chosen_place(path, [allowed]))
    assert [path.name for path in outside.iterdir()] == ["secret"]
    # A script puts a link there afterwards.
    place.path.rmdir()
    place.path.symlink_to(outside)
    with pytest.raises(NotFound):
        list_outputs(place, "")


def test_the_operators_own_directory_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "allowed").symlink_to(tmp_path / "disk")
    place = chosen_place(f"{tmp_path}/allowed/x", [tmp_path / "allowed"])
    make_place(place)
    (place.path / "a.csv").write_text("a")
    assert [entry.name for entry in list_outputs(place, "").entries] == ["a.csv"]


def test_places_of_kumo_and_of_other_projects_are_refused_by_whatever_path(tmp_path: Path) -> None:
    home, allowed = tmp_path / "home", [tmp_path, tmp_path / "alias"]
    (home / "outputs").mkdir(parents=True)
    (tmp_path / "alias").symlink_to(tmp_path)
    for path in ("home", "home/store", "alias/home", "home/outputs/7"):
        with pytest.raises(InvalidInput, match="Kumo's own data"):
            refuse_overlap(chosen_place(f"{tmp_path}/{path}", allowed[::-1]), home, [])
    taken = [("quotes", chosen_place(f"{tmp_path}/data/quotes", allowed))]
    for path in ("data/quotes", "alias/data/quotes", "data", "data/quotes/2026"):
        with pytest.raises(Conflict, match="“quotes” has its outputs in"):
            refuse_overlap(chosen_place(f"{tmp_path}/{path}", allowed[::-1]), home, taken)
    refuse_overlap(chosen_place(f"{tmp_path}/data/quotes2", allowed), home, taken)
    assert default_place(home, 7).path == home / "outputs" / "7"


def test_the_setting_names_absolute_directories(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, output_roots="/srv/data: /mnt/crawls ")
    assert settings.allowed_output_roots == [Path("/srv/data"), Path("/mnt/crawls")]
    assert load_settings(home=tmp_path).allowed_output_roots == []
    for wrong in ("data", "/srv:data", "/", "/srv/../etc"):
        with pytest.raises(ConfigurationError, match="KUMO_OUTPUT_ROOTS"):
            load_settings(home=tmp_path, output_roots=wrong)
