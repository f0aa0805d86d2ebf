"""Archives that come through another program, or another library: .tar.zst, .7z, .rar."""

from __future__ import annotations

import io
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import py7zr
import pytest

from kumo.errors import TooLarge
from kumo.projects.archives import converting
from kumo.projects.archives.unpacking import BadArchive, Limits, unpack
from kumo.settings import MIB
from tests.projects.hostile import HOSTILE_PATHS
from tests.projects.packing import LIMITS, tar_of, tree_of
from tests.projects.packing_rar import rar_of

FILES = {
    "main.py": b"print('hi')\n" * 100,
    "数据/größe.csv": b"1\n",
    "empty.txt": b"",
    "deep/er/a.bin": bytes(range(256)) * 50,
}


def zstd_of(*members: tuple[str, bytes]) -> bytes:
    zstd = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    options = {zstd.CompressionParameter.checksum_flag: 1}  # as the program zstd packs
    return bytes(zstd.compress(tar_of(*members, mode="w"), options=options))


def seven_of(*members: tuple[str, bytes], **options: Any) -> bytes:
    target = io.BytesIO()
    with py7zr.SevenZipFile(target, "w", **options) as archive:
        for name, content in members:
            archive.writestr(content, name)
    return target.getvalue()


PACKERS: dict[str, Callable[..., bytes]] = {"tar.zst": zstd_of, "7z": seven_of, "rar": rar_of}
every_format = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS.keys())


def unpacked(tmp_path: Path, content: bytes, limits: Limits = LIMITS) -> dict[str, bytes]:
    """The files of an archive; after a failure nothing is left of them."""
    archive, into = tmp_path / "archive", tmp_path / "files"
    archive.write_bytes(content)
    try:
        unpack(archive, into, limits)
    except BaseException:
        assert sorted(tmp_path.iterdir()) == [archive]
        raise
    return {path: data for path, data in tree_of(into).items() if data is not None}


@every_format
def test_the_files_come_out_as_they_went_in(tmp_path: Path, pack: Callable[..., bytes]) -> None:
    assert unpacked(tmp_path, pack(*FILES.items())) == FILES


@every_format
def test_whatever_is_cut_off_or_changed_is_refused_or_whole(tmp_path: Path, pack: Callable[..., bytes]) -> None:
    whole = pack(*FILES.items())
    for cut in (len(whole) // 3, len(whole) - 20):
        with pytest.raises(BadArchive):
            unpacked(tmp_path, whole[:cut])
    if pack is rar_of:
        return  # the program does not compare the sums of what is stored as it is
    middle = len(whole) // 2
    with pytest.raises(BadArchive):
        unpacked(
            tmp_path, whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 8]) + whole[middle + 8 :]
        )


@every_format
def test_what_grows_beyond_the_limits_is_stopped(tmp_path: Path, pack: Callable[..., bytes]) -> None:
    large = pack(("zeros", bytes(LIMITS.max_bytes + MIB)))
    with pytest.raises((TooLarge, BadArchive)):
        unpacked(tmp_path, large)
    many = pack(*((f"{number}.txt", b"x") for number in range(30)))
    with pytest.raises(TooLarge):
        unpacked(tmp_path, many, Limits(max_bytes=MIB, max_files=20))


def test_a_path_that_leads_out_is_refused_or_written_inside(tmp_path: Path) -> None:
    """Some of each kind through the real programs; each path itself is tried with the formats that need none."""
    for pack in (rar_of, seven_of):
        for path in HOSTILE_PATHS[::80]:
            try:
                content = pack((path, b"evil"), ("main.py", b""))
            except (ValueError, UnicodeError):
                continue  # the writer does not write it
            inside = tmp_path / "in"
            inside.mkdir()
            with suppress(BadArchive):
                unpacked(inside, content)
            assert [found.name for found in tmp_path.iterdir()] == ["in"]
            shutil.rmtree(inside)


def test_links_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match="link"):
        unpacked(tmp_path, rar_of(("main.py", b""), links=(("passwords", "/etc/passwd"),)))
    (tmp_path / "passwords").symlink_to("/etc/passwd")
    with py7zr.SevenZipFile(tmp_path / "links.7z", "w") as archive:
        archive.write(tmp_path / "passwords", "passwords")
    content = (tmp_path / "links.7z").read_bytes()
    (tmp_path / "in").mkdir()
    with pytest.raises(BadArchive, match="link"):
        unpacked(tmp_path / "in", content)


def test_an_encrypted_archive_is_refused_with_the_reason(tmp_path: Path) -> None:
    for options in ({"password": "s3cret"}, {"password": "s3cret", "header_encryption": True}):
        with pytest.raises(BadArchive, match="encrypted"):
            unpacked(tmp_path, seven_of(*FILES.items(), **options))


def test_without_a_program_for_rar_the_answer_says_which_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadArchive, match="bsdtar"):
        unpacked(tmp_path, rar_of(*FILES.items()))


def test_a_program_that_is_no_longer_wanted_is_ended(tmp_path: Path) -> None:
    archive = tmp_path / "large.7z"
    archive.write_bytes(seven_of(("zeros", bytes(8 * MIB))))
    stream = converting.seven_zip(archive)
    stream.read(10)
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 5  # it would write for ever into a pipe that nobody reads
