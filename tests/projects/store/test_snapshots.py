from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kumo.errors import Conflict, InvalidInput, NotFound
from kumo.projects.archives.unpacking import JUNK_NAMES, Limits, unpack
from kumo.projects.archives.zipping import zip_chunks
from kumo.projects.paths import collision_key, project_path
from kumo.projects.store.objects import Damaged
from kumo.projects.store.snapshots import SnapshotStore
from kumo.projects.store.trees import Tree
from kumo.settings import MIB, Settings
from tests.projects.packing import tree_of


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory as a person has it."""
    directory = tmp_path / "source"
    (directory / "pkg" / "deep").mkdir(parents=True)
    (directory / "empty").mkdir()
    (directory / "main.py").write_text("print(1)\n")
    (directory / "run.sh").write_text("echo\n")
    (directory / "run.sh").chmod(0o755)
    (directory / "pkg" / "lib.py").write_text("x = 1\n")
    (directory / "pkg" / "deep" / "twin.py").write_text("print(1)\n")
    (directory / "large.bin").write_bytes(os.urandom(3 * MIB + 17))
    return directory


def objects_in(settings: Settings) -> int:
    return sum(path.is_file() for path in (settings.home / "store" / "objects").rglob("*"))


def everything(home: Path) -> dict[str, bytes | None]:
    return tree_of(home / "store" / "objects")


def test_a_directory_comes_back_as_it_was(store: SnapshotStore, source: Path) -> None:
    tree = store.put_directory(source)
    assert tree.file_count == 5
    assert tree.size_bytes == sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    directory = store.materialise(tree.tree_hash)
    assert tree_of(directory) == tree_of(source)
    assert (directory / "run.sh").stat().st_mode & stat.S_IXUSR
    assert not (directory / "main.py").stat().st_mode & stat.S_IXUSR
    assert [path for path, _ in store.entries(tree.tree_hash)] == sorted(tree_of(source))


def test_equal_files_and_equal_states_are_stored_once(store: SnapshotStore, source: Path, settings: Settings) -> None:
    tree = store.put_directory(source)
    stored = objects_in(settings)
    assert stored == 4 + 4  # four different contents, four folders
    assert store.put_directory(source) == tree
    assert objects_in(settings) == stored


def test_taking_the_files_themselves_gives_the_same_state(store: SnapshotStore, source: Path) -> None:
    copied = store.put_directory(source)
    assert store.put_directory(source, move=True) == copied
    assert not [path for path in source.rglob("*") if path.is_file()]
    assert store.read_file(copied.tree_hash, "main.py") == b"print(1)\n"


def test_compiled_modules_are_left_out(store: SnapshotStore, source: Path) -> None:
    tree = store.put_directory(source)
    (source / "pkg" / "__pycache__").mkdir()
    (source / "pkg" / "__pycache__" / "lib.cpython-311.pyc").write_bytes(b"x")
    assert store.put_directory(source) == tree


def test_a_saved_file_makes_a_new_state_and_leaves_the_old_one(store: SnapshotStore, source: Path) -> None:
    old = store.put_directory(source)
    new = store.with_file(old.tree_hash, "pkg/deep/new/a.py", b"1")
    new = store.with_file(new.tree_hash, "run.sh", b"echo 2\n")
    assert store.read_file(new.tree_hash, "pkg/deep/new/a.py") == b"1"
    assert store.read_file(old.tree_hash, "pkg/deep/new/a.py") is None
    assert store.read_file(old.tree_hash, "run.sh") == b"echo\n"
    assert (new.file_count, new.size_bytes) == (old.file_count + 1, old.size_bytes + 3)
    assert (store.materialise(new.tree_hash) / "run.sh").stat().st_mode & stat.S_IXUSR
    assert (
        store.without(new.tree_hash, "pkg/deep/new").tree_hash
        == store.with_file(old.tree_hash, "run.sh", b"echo 2\n").tree_hash
    )


def test_edits_one_by_one_lead_to_the_state_of_a_whole_upload(store: SnapshotStore, source: Path) -> None:
    (source / "empty").rmdir()
    tree = store.put_empty()
    for path, content in tree_of(source).items():
        if content is not None and path != "run.sh":
            tree = store.with_file(tree.tree_hash, path, content)
    (source / "run.sh").unlink()
    assert tree == store.put_directory(source)


def test_a_deleted_file_is_gone_and_its_folder_stays(store: SnapshotStore, source: Path) -> None:
    tree = store.without(store.put_directory(source).tree_hash, "pkg/deep/twin.py")
    assert store.find(tree.tree_hash, "pkg/deep/twin.py") is None
    assert store.find(tree.tree_hash, "pkg/deep") is not None
    with pytest.raises(NotFound, match=r"twin\.py"):
        store.without(tree.tree_hash, "pkg/deep/twin.py")
    with pytest.raises(NotFound):
        store.without(tree.tree_hash, "no/such/folder/x.py")


@pytest.mark.parametrize("path", ["MAIN.py", "Pkg/x.py", "pkg", "main.py/x.py", "pkg/lib.py/a/b.py"])
def test_a_file_that_would_collide_is_refused(store: SnapshotStore, source: Path, path: str) -> None:
    tree = store.put_directory(source)
    with pytest.raises(Conflict):
        store.with_file(tree.tree_hash, path, b"")


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a\0", ".git/config"])
def test_a_path_that_leads_out_is_refused(store: SnapshotStore, path: str) -> None:
    tree = store.put_empty()
    with pytest.raises(InvalidInput):
        store.with_file(tree.tree_hash, path, b"")
    with pytest.raises(InvalidInput):
        store.without(tree.tree_hash, path)


def test_a_link_or_a_pipe_in_a_directory_is_refused(store: SnapshotStore, source: Path, settings: Settings) -> None:
    (source / "link").symlink_to("/etc/passwd")
    with pytest.raises(InvalidInput, match="link"):
        store.put_directory(source)
    (source / "link").unlink()
    os.mkfifo(source / "pipe")
    with pytest.raises(InvalidInput, match="pipe"):
        store.put_directory(source)
    assert not list((settings.home / "store" / "incoming").iterdir())


def test_what_a_script_writes_beside_its_code_changes_no_other_state(
    store: SnapshotStore, source: Path, settings: Settings
) -> None:
    old = store.put_directory(source)
    new = store.with_file(old.tree_hash, "pkg/lib.py", b"x = 2\n")
    before = everything(settings.home)
    directory = store.materialise(old.tree_hash)
    script = "import os\nfor r, _, fs in os.walk('.'):\n for f in fs: open(os.path.join(r, f), 'r+b').write(b'EVIL')"
    subprocess.run([sys.executable, "-c", script], cwd=directory, check=True)
    assert (directory / "main.py").read_bytes().startswith(b"EVIL")
    assert everything(settings.home) == before
    other = store.materialise(new.tree_hash)
    assert other != directory
    assert (other / "main.py").read_bytes() == b"print(1)\n"
    assert (other / "large.bin").read_bytes() == (source / "large.bin").read_bytes()
    assert store.read_file(old.tree_hash, "main.py") == b"print(1)\n"


def test_the_directory_of_a_state_is_made_once(store: SnapshotStore, source: Path) -> None:
    tree_hash = store.put_directory(source).tree_hash
    directory = store.materialise(tree_hash)
    (directory / "left by a run").touch()
    assert store.materialise(tree_hash) == directory
    assert (directory / "left by a run").exists()


def test_runs_that_start_together_get_one_whole_directory(
    settings: Settings, store: SnapshotStore, source: Path
) -> None:
    tree_hash = store.put_directory(source).tree_hash
    found: list[dict[str, bytes | None]] = []

    def ask() -> None:
        # A store of its own, as another process would have.
        found.append(tree_of(SnapshotStore(settings.home).materialise(tree_hash)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tree_of(source)] * 8
    assert list((settings.home / "trees").iterdir()) == [settings.home / "trees" / tree_hash]


@pytest.mark.parametrize("name", ["main.py", "large.bin"])
def test_a_damaged_blob_is_noticed_and_mended_by_the_next_upload(store: SnapshotStore, source: Path, name: str) -> None:
    tree_hash = store.put_directory(source).tree_hash
    entry = store.find(tree_hash, name)
    assert entry is not None
    blob = store.content_path(entry)
    blob.chmod(0o644)
    with blob.open("r+b") as file:
        file.write(b"?")
    with pytest.raises(Damaged, match="upload the project again"):
        store.materialise(tree_hash)
    with pytest.raises(Damaged):
        store.read(entry)
    store.put_directory(source)
    assert tree_of(store.materialise(tree_hash)) == tree_of(source)


def test_a_crash_leaves_only_what_the_next_start_removes(settings: Settings, source: Path) -> None:
    """A process that is killed while it stores and checks out, again and again."""
    script = (
        "import sys, itertools; from pathlib import Path; from kumo.projects.store.snapshots import SnapshotStore\n"
        "store = SnapshotStore(Path(sys.argv[1])); source = Path(sys.argv[2])\n"
        "for number in itertools.count():\n"
        "    (source / 'main.py').write_text(f'print({number}, {sys.argv[3]})')\n"
        "    tree = store.put_directory(source).tree_hash; print(tree, flush=True)\n"
        "    store.materialise(tree)\n"
    )
    told: list[str] = []
    for attempt in range(6):
        command = [sys.executable, "-c", script, str(settings.home), str(source), str(attempt)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told.append(process.stdout.readline().strip())
            time.sleep(0.013 * attempt)  # so that each kill hits another place
            process.kill()
            told += process.stdout.read().split()
    store = SnapshotStore(settings.home)
    store.remove_leftovers()
    assert not (settings.home / "store" / "incoming").exists()
    for tree_hash in {told[0], *[hash_ for hash_ in told if len(hash_) == 64]}:
        names = set(tree_of(source))
        assert {path for path, _ in store.entries(tree_hash)} == names
        assert set(tree_of(store.materialise(tree_hash))) == names
    assert all(len(path.name) == 64 for path in (settings.home / "trees").iterdir())


# --- random trees ----------------------------------------------------------------------------------------------------


def is_good(path: str) -> bool:
    try:
        parts = path.split("/")
        return project_path(path) == path and not any(part in JUNK_NAMES or part.startswith("._") for part in parts)
    except InvalidInput:
        return False


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12) | st.sampled_from(
    ["a", "b", "数据"]
)
paths = st.lists(names, min_size=1, max_size=4).map("/".join).filter(is_good)
contents = st.binary(max_size=200)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, tuple[bytes, bool]]:
    """Files with their executable bit, at paths that get along with each other."""
    taken: dict[str, str] = {}  # by what file systems tell apart: "file" or the folder's spelling
    files = {}
    for path in draw(st.lists(paths, min_size=1, max_size=12)):
        parents = [path[:at] for at, char in enumerate(path) if char == "/"]
        if collision_key(path) in taken or any(taken.get(collision_key(p), p) != p for p in parents):
            continue
        taken.update({collision_key(parent): parent for parent in parents})
        taken[collision_key(path)] = "\0file"
        files[path] = (draw(contents), draw(st.booleans()))
    return files


def modes_of(directory: Path) -> dict[str, tuple[bytes, bool]]:
    return {
        str(path.relative_to(directory)): (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
        for path in directory.rglob("*")
        if path.is_file()
    }


@given(files=trees())
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tree_survives_the_way_through_the_store_a_download_and_an_upload(
    files: dict[str, tuple[bytes, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    work = tmp_path_factory.mktemp("tree")
    for path, (content, executable) in files.items():
        target = work / "source" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o755 if executable else 0o644)
    store = SnapshotStore(work / "home")
    tree = store.put_directory(work / "source")
    assert tree == Tree(
        tree_hash=tree.tree_hash, file_count=len(files), size_bytes=sum(len(content) for content, _ in files.values())
    )
    assert modes_of(store.materialise(tree.tree_hash)) == files
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    archive = work / "download.zip"
    archive.write_bytes(b"".join(zip_chunks(store, store.entries(tree.tree_hash), "project", moment)))
    unpack(archive, work / "unpacked", Limits(max_bytes=MIB, max_files=100))
    assert store.put_directory(work / "unpacked", move=True) == tree
