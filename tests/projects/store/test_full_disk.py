"""A disk that is full: the person is told, and nothing is left half-made."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from kumo.errors import Unavailable
from kumo.projects.archives.unpacking import unpack
from kumo.projects.store.snapshots import SnapshotStore
from kumo.settings import MIB
from tests.projects.packing import LIMITS, tar_of, tree_of, zip_of


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 - the same each time


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    directory.mkdir()
    (directory / "a.bin").write_bytes(noise(300_000))
    (directory / "b.bin").write_bytes(noise(200_000))
    return directory


def fill(disk: Path, leave: int) -> Path:
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    ballast.write_bytes(b"\0" * (free - leave))
    return ballast


@pytest.mark.parametrize("make", [zip_of, tar_of], ids=["zip", "tar"])
def test_unpacking_onto_a_full_disk_leaves_nothing(small_disk: Path, tmp_path: Path, make: object) -> None:
    assert callable(make)
    archive = tmp_path / "archive"
    archive.write_bytes(make(("a.bin", noise(400_000)), ("b/c.bin", noise(MIB))))
    with pytest.raises(Unavailable, match="full"):
        unpack(archive, small_disk / "files", LIMITS)
    assert not list(small_disk.iterdir())


def test_storing_onto_a_full_disk_leaves_the_store_as_it_was(small_disk: Path, source: Path) -> None:
    store = SnapshotStore(small_disk)
    old = store.put_directory(source)
    ballast = fill(small_disk, 100_000)
    before = tree_of(small_disk / "store")
    (source / "c.bin").write_bytes(noise(400_000))
    with pytest.raises(Unavailable, match="full"):
        store.put_directory(source)
    with pytest.raises(Unavailable, match="full"):
        store.with_file(old.tree_hash, "d.bin", noise(150_000))
    assert tree_of(small_disk / "store") == before
    ballast.unlink()
    assert store.put_directory(source).file_count == 3
    assert store.read_file(old.tree_hash, "a.bin") == noise(300_000)


def test_checking_out_onto_a_full_disk_leaves_no_half_directory(small_disk: Path, source: Path) -> None:
    store = SnapshotStore(small_disk)
    tree = store.put_directory(source)
    ballast = fill(small_disk, 350_000)
    with pytest.raises(Unavailable, match="full"):
        store.materialise(tree.tree_hash)
    assert not list((small_disk / "trees").iterdir())
    ballast.unlink()
    (source / "a.bin").unlink()
    smaller = store.without(tree.tree_hash, "a.bin")
    assert tree_of(store.materialise(smaller.tree_hash)) == tree_of(source)


def test_a_large_file_does_not_fit_either(tmp_path: Path, small_disk: Path) -> None:
    """Above a megabyte the kernel copies; its “no space” must be told the same way."""
    store = SnapshotStore(tmp_path / "home")
    tree = store.with_file(store.put_empty().tree_hash, "large.bin", noise(3 * MIB))
    (tmp_path / "home" / "trees").symlink_to(small_disk)
    with pytest.raises(Unavailable, match="full"):
        store.materialise(tree.tree_hash)
    assert not list(small_disk.iterdir())
