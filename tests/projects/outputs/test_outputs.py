from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from kumo.errors import InvalidInput, KumoError, NotFound
from kumo.projects.outputs import folder
from kumo.projects.outputs.folder import delete_output, list_outputs, open_output
from kumo.projects.outputs.place import OutputPlace
from kumo.projects.outputs.walk import measure
from kumo.projects.outputs.zipping import files_to_zip, zip_outputs
from tests.projects.hostile import HOSTILE_PATHS, STRANGE_BUT_PLAIN

SECRET = b"the secret of another project"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An output directory in which a script has been busy, and a secret beside it."""
    root = tmp_path / "outputs" / "1"
    (root / "2026" / "01").mkdir(parents=True)
    (root / "2026" / "01" / "quotes.csv").write_bytes(b"a,b\n")
    (tmp_path / "outputs" / "2").mkdir()
    (tmp_path / "outputs" / "2" / "secret").write_bytes(SECRET)
    (root / "link").symlink_to("../2/secret")
    (root / "absolute").symlink_to(tmp_path / "outputs" / "2" / "secret")
    (root / "folder").symlink_to("../2")
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    return root


def at(root: Path) -> OutputPlace:
    return OutputPlace(base=root.parent, below=root.name)


def read(root: Path, path: str) -> bytes:
    file, size = open_output(at(root), path)
    with file:
        content = file.read()
    assert len(content) == size
    return content


def test_a_file_is_listed_and_read(root: Path) -> None:
    assert read(root, "2026/01/quotes.csv") == b"a,b\n"
    (found,) = list_outputs(at(root), "2026/01").entries
    assert (found.name, found.type, found.size_bytes) == ("quotes.csv", "file", 4)


def test_links_and_pipes_are_shown_for_what_they_are(root: Path) -> None:
    types = {entry.name: entry.type for entry in list_outputs(at(root), "").entries}
    assert types == {
        "2026": "directory", "link": "link", "absolute": "link", "folder": "link", "up": "link", "loop": "link",
        "pipe": "other",
    }  # fmt: skip


@pytest.mark.parametrize(
    "path", ["link", "absolute", "folder/secret", "up/2/secret", "loop", "pipe", "2026", "no", "2026/01/quotes.csv/x"]
)
def test_nothing_but_a_plain_file_is_read(root: Path, path: str) -> None:
    with pytest.raises(NotFound):
        open_output(at(root), path)


@pytest.mark.parametrize("path", ["folder", "up", "up/2", "link", "loop", "no"])
def test_a_link_is_not_a_folder_to_look_into(root: Path, path: str) -> None:
    with pytest.raises(NotFound):
        list_outputs(at(root), path)


@pytest.mark.parametrize("path", [*HOSTILE_PATHS, *STRANGE_BUT_PLAIN], ids=ascii)
def test_no_path_leads_to_the_secret(root: Path, path: str) -> None:
    for way in (path, path.replace("etc/passwd", "2/secret"), f"up/{path}", f"folder/{path}", f"{path}secret"):
        with pytest.raises(KumoError):
            open_output(at(root), way)
        if way:
            with pytest.raises(KumoError):
                delete_output(at(root), way)
    assert (root.parent / "2" / "secret").read_bytes() == SECRET


def test_a_deleted_link_leaves_what_it_points_to(root: Path) -> None:
    for name in ("link", "folder", "up", "loop", "pipe", "2026"):
        delete_output(at(root), name)
    assert [entry.name for entry in list_outputs(at(root), "").entries] == ["absolute"]
    assert (root.parent / "2" / "secret").read_bytes() == SECRET


def test_a_deleted_folder_takes_its_links_and_not_their_targets(root: Path) -> None:
    (root / "2026" / "01" / "link").symlink_to(root.parent / "2")
    delete_output(at(root), "2026")
    assert not (root / "2026").exists()
    assert (root.parent / "2" / "secret").exists()


def test_the_output_directory_itself_is_not_deleted(root: Path) -> None:
    with pytest.raises(InvalidInput):
        delete_output(at(root), "")
    assert root.is_dir()


def test_no_outputs_yet_is_an_empty_list(tmp_path: Path) -> None:
    assert list_outputs(at(tmp_path / "none"), "").entries == []
    with pytest.raises(NotFound):
        list_outputs(at(tmp_path / "none"), "x")


def test_names_as_scripts_make_them_are_shown_and_read(root: Path) -> None:
    for name in ["a\\b", "ends with dot.", " ", "new\nline", "数据.csv", "e\u0301.csv"]:
        (root / "2026" / name).write_bytes(name.encode())
        assert read(root, f"2026/{name}") == name.encode()
    (root / os.fsdecode(b"bad\xff")).write_bytes(b"")
    assert "bad\ufffd" in [entry.name for entry in list_outputs(at(root), "").entries]


def test_a_socket_is_no_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(NotFound):
            open_output(at(root), "socket")


def test_a_folder_with_very_many_files_is_cut_and_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MOST_ENTRIES", 3)
    for number in range(5):
        (root / "2026" / f"{number}").touch()
    listing = list_outputs(at(root), "2026")
    assert ([entry.name for entry in listing.entries], listing.truncated) == (["0", "01", "1"], True)


def test_what_is_added_up_and_packed_is_never_behind_a_link(root: Path) -> None:
    files = files_to_zip(at(root), "")
    assert [file.path for file in files] == ["2026/01/quotes.csv"]
    for path in ("folder", "up/2", "link", "none"):
        with pytest.raises(NotFound):
            files_to_zip(at(root), path)
        with pytest.raises(NotFound):
            measure(at(root), path, most_entries=100, most_seconds=10.0)
    # A link comes into the place of a file after the files were counted.
    (root / "2026" / "01" / "quotes.csv").unlink()
    (root / "2026" / "01" / "quotes.csv").symlink_to(root.parent / "2" / "secret")
    assert SECRET not in b"".join(zip_outputs(at(root), "", files, "outputs"))
