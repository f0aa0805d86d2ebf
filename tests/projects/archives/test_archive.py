from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from kumo.errors import KumoError, TooLarge
from kumo.projects.archives.unpacking import BadArchive, Limits, unpack
from kumo.settings import MIB
from tests.projects.hostile import HOSTILE_PATHS
from tests.projects.packing import LIMITS, tar_info, tar_of, tree_of, zip_info, zip_of


class Unpack(Protocol):
    def __call__(self, content: bytes, limits: Limits = LIMITS) -> dict[str, bytes | None]: ...


def noise(size: int) -> bytes:
    """Bytes that no compression makes smaller, the same each time."""
    return random.Random(1).randbytes(size)  # noqa: S311 - nothing is kept secret by them


@pytest.fixture
def unpacked(tmp_path: Path) -> Iterator[Unpack]:
    """Unpacks, and shows at the end that nothing lies anywhere but in the new directory."""
    yard = tmp_path / "yard"
    (yard / "in").mkdir(parents=True)
    archive = yard / "in" / "archive"
    into = yard / "in" / "files"

    def run(content: bytes, limits: Limits = LIMITS) -> dict[str, bytes | None]:
        archive.write_bytes(content)
        try:
            result = unpack(archive, into, limits)
        except BaseException:
            assert not into.exists(), "a failed unpacking has left something"
            raise
        tree = tree_of(into)
        assert result.file_count == sum(content is not None for content in tree.values())
        assert result.size_bytes == sum(len(content or b"") for content in tree.values())
        shutil.rmtree(into)
        return tree

    yield run
    outside = {path for path in yard.rglob("*") if not path.is_relative_to(into)}
    assert outside <= {archive, yard / "in"}


# --- what is meant well ----------------------------------------------------------------------------------------------

FILES = (("main.py", b"print(1)\n"), ("pkg/lib.py", b"x = 1\n"), ("data/", b""))
TREE = {"main.py": b"print(1)\n", "pkg": None, "pkg/lib.py": b"x = 1\n", "data": None}


def tar_members(*names: tuple[str, bytes]) -> list[tuple[str | tarfile.TarInfo, bytes]]:
    return [
        (tar_info(n.rstrip("/"), tarfile.DIRTYPE, mode=0o755), b"") if n.endswith("/") else (n, c) for n, c in names
    ]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_archive_of_each_kind_is_unpacked(unpacked: Unpack, mode: str, form: int) -> None:
    assert unpacked(tar_of(*tar_members(*FILES), mode=mode, form=form)) == TREE


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_zip_archive_of_each_kind_is_unpacked(unpacked: Unpack, method: int) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in FILES:
            archive.writestr(name, content)
    assert unpacked(target.getvalue()) == TREE


def test_two_compressed_streams_in_one_file_are_one_archive(unpacked: Unpack) -> None:
    plain = tar_of(("a.py", b"1"), mode="w")
    for compress in (gzip.compress, bz2.compress, lzma.compress):
        content = compress(plain[:700]) + compress(plain[700:])
        assert unpacked(content) == {"a.py": b"1"}


def test_a_single_folder_that_holds_everything_is_left_out(unpacked: Unpack) -> None:
    assert unpacked(
        zip_of(("quotes-main/", b""), ("quotes-main/a.py", b"1"), ("__MACOSX/quotes-main/._a.py", b"x"))
    ) == {"a.py": b"1"}


def test_a_single_file_is_a_project(unpacked: Unpack) -> None:
    assert unpacked(zip_of(("a.py", b"1"))) == {"a.py": b"1"}


def test_dots_in_front_are_no_folder(unpacked: Unpack) -> None:
    members: list[tuple[str | tarfile.TarInfo, bytes]] = [
        (tar_info("./", tarfile.DIRTYPE, mode=0o755), b""),
        ("./a.py", b"1"),
        ("././b/c.py", b"2"),
    ]
    assert unpacked(tar_of(*members)) == {"a.py": b"1", "b": None, "b/c.py": b"2"}


def test_what_can_be_made_again_is_left_out(unpacked: Unpack) -> None:
    junk = [".git/HEAD", ".git/hooks/x", "pkg/__pycache__/a.pyc", "web/node_modules/x/index.js", ".DS_Store", "._a.py"]
    junk += ["__MACOSX/a", "venv/pyvenv.cfg", "venv/lib/x.py", "sub/.venv/lib/y.py", "sub/.venv/pyvenv.cfg"]
    kept = {
        "a.py": b"1",
        "venv2": None,
        "venv2/pyvenv.cfg": b"",
        "docs": None,
        "docs/venv": None,
        "docs/venv/a.md": b"",
    }
    members = [(name, b"junk") for name in junk] + [
        (name, content) for name, content in kept.items() if content is not None
    ]
    assert unpacked(zip_of(*members)) == kept


def test_links_in_an_environment_do_no_harm_because_it_is_left_out(unpacked: Unpack) -> None:
    python = tar_info(".venv/bin/python", tarfile.SYMTYPE, target="/usr/bin/python3")
    assert unpacked(tar_of((python, b""), (".venv/pyvenv.cfg", b"home"), ("a.py", b"1"))) == {"a.py": b"1"}


def test_the_executable_bit_is_kept_and_nothing_else_of_the_mode(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    for content in (
        tar_of(
            (tar_info("x.sh", tarfile.REGTYPE, mode=0o6777), b"x"), (tar_info("y", tarfile.REGTYPE, mode=0o000), b"")
        ),
        zip_of((zip_info("x.sh", mode=stat.S_IFREG | 0o6777), b"x"), (zip_info("y", mode=stat.S_IFREG), b"")),
    ):
        archive.write_bytes(content)
        unpack(archive, into := tmp_path / f"files{len(content)}", LIMITS)
        assert stat.S_IMODE((into / "x.sh").stat().st_mode) & 0o7111 == 0o111
        assert stat.S_IMODE((into / "y").stat().st_mode) & 0o7711 == 0o600


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "utf-8"])
def test_a_chinese_name_without_the_utf8_flag_is_read(unpacked: Unpack, encoding: str) -> None:
    raw = "采集数据/主程序.py".encode(encoding)
    content = zip_of(("x" * len(raw), b"1"), ("main.py", b"")).replace(b"x" * len(raw), raw)
    assert unpacked(content)["采集数据/主程序.py"] == b"1"


def test_a_name_with_accents_taken_apart_is_put_together(unpacked: Unpack) -> None:
    assert list(unpacked(zip_of((unicodedata.normalize("NFD", "été.py"), b"1")))) == ["été.py"]


# --- what is not -----------------------------------------------------------------------------------------------------


def can_be_in_a_zip(path: str) -> bool:
    """Not half characters; not what there is the top, a plain folder, or left out."""
    is_folder = path.endswith("/") and not path.endswith("//") and path.strip("./") != ""
    is_left_out = ".git" in path.split("/")
    has_half_characters = any("\ud800" <= char <= "\udfff" for char in path)
    return path not in {"", ".", "./", "./a"} and not (is_folder or is_left_out or has_half_characters)


@pytest.mark.parametrize("path", [path for path in HOSTILE_PATHS if can_be_in_a_zip(path)], ids=ascii)
def test_a_hostile_path_in_an_archive_is_refused(unpacked: Unpack, path: str) -> None:
    raw = path.encode()
    stand_in = "x" * len(raw)  # no program would write such a name: it is put in afterwards
    with pytest.raises(BadArchive):
        unpacked(zip_of((stand_in, b"1"), ("main.py", b"")).replace(stand_in.encode(), raw))


@pytest.mark.parametrize(
    "path", ["../evil", "/etc/evil", "a/../../evil", "a\nb", "c:/x", "aux", "a\\b", "x" * 256, "a/" * 65 + "b"]
)
def test_a_hostile_path_in_a_tar_archive_is_refused(unpacked: Unpack, path: str) -> None:
    with pytest.raises(BadArchive):
        unpacked(tar_of((path, b"1"), ("main.py", b"")))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"V"]
)
@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "main.py", "."])
def test_a_link_or_device_in_a_tar_archive_is_refused_by_name(unpacked: Unpack, kind: bytes, target: str) -> None:
    with pytest.raises(BadArchive, match="pkg/odd"):
        unpacked(tar_of(("main.py", b"1"), (tar_info("pkg/odd", kind, target=target), b""), ("pkg/odd/x", b"")))


@pytest.mark.parametrize("form", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_a_link_or_device_in_a_zip_archive_is_refused_by_name(unpacked: Unpack, form: int) -> None:
    with pytest.raises(BadArchive, match="pkg/odd"):
        unpacked(zip_of(("main.py", b"1"), (zip_info("pkg/odd", mode=form | 0o777), b"/etc/passwd")))


@pytest.mark.parametrize(
    "names",
    [
        ("a.py", "a.py"),
        ("a.py", "A.py"),
        ("Src/a.py", "src/b.py"),
        ("straße.py", "STRASSE.py"),
        ("é.py", unicodedata.normalize("NFD", "é.py")),
        ("É.py", unicodedata.normalize("NFD", "é.py")),
        ("a", "a/b"),
        ("a/b", "a"),
        ("a", "a/"),
        ("a/", "a"),
        ("x/a", "X/"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_for_one_place_are_refused(unpacked: Unpack, names: tuple[str, str]) -> None:
    for content in (zip_of(*((n, b"1") for n in names)), tar_of(*tar_members(*((n, b"1") for n in names)))):
        with pytest.raises(BadArchive, match=r"(twice|both|case)"):
            unpacked(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an archive",
        b"7z\xbc\xaf\x27\x1c\0\4",
        b"Rar!\x1a\x07\x01\0",
        gzip.compress(b"print(1)\n"),
        b"\0" * 10240,
        zip_of(),
        zip_of(("folder/", b"")),
        zip_of(("__MACOSX/x", b""), (".git/HEAD", b"")),
        tar_of(),
        tar_of((tar_info("a", tarfile.DIRTYPE), b"")),
    ],
    ids=[
        "nothing",
        "text",
        "7z",
        "rar",
        "gzip of a text",
        "zeros",
        "empty zip",
        "folders",
        "junk",
        "empty tar",
        "tar of folders",
    ],
)
def test_what_holds_no_files_is_refused(unpacked: Unpack, content: bytes) -> None:
    with pytest.raises(BadArchive) as caught:
        unpacked(content)
    assert caught.value.message


def test_an_encrypted_member_is_refused_by_name(unpacked: Unpack) -> None:
    content = bytearray(zip_of(("secret.py", b"1")))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(BadArchive, match=r"secret\.py.*password"):
        unpacked(bytes(content))


def test_a_compression_that_is_not_read_is_refused_by_name(unpacked: Unpack) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.py", b"1")
    with pytest.raises(BadArchive, match=r"a\.py"):
        unpacked(target.getvalue())


def test_a_damaged_member_is_named(unpacked: Unpack) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("good.py", b"1")
        archive.writestr("bad.py", b"original")
    with pytest.raises(BadArchive, match=r"bad\.py.*damaged"):
        unpacked(target.getvalue().replace(b"original", b"0riginal"))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_that_is_cut_off_anywhere_is_refused(unpacked: Unpack, mode: str) -> None:
    content = tar_of(("a.py", noise(3000)), ("b.py", noise(3000)), mode=mode)
    end = len(content) if mode != "w" else 2 * 3584  # an uncompressed archive ends with more zeros than are needed
    for length in sorted({*range(1, end - 1, 157), end - 1}):
        with pytest.raises(BadArchive):
            unpacked(content[:length])


def test_a_zip_archive_that_is_cut_off_anywhere_is_refused(unpacked: Unpack) -> None:
    content = zip_of(("a.py", noise(300)), ("b.py", b"2"))
    for length in range(len(content)):
        with pytest.raises(BadArchive):
            unpacked(content[:length])


@pytest.mark.parametrize("kind", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_damaged_anywhere_is_unpacked_or_refused_and_nothing_else(tmp_path: Path, kind: str) -> None:
    members = [("pkg/a.py", b"print(1)\n" * 30), ("pkg/数据.py", b"x"), ("b.py", b"2" * 700)]
    good = zip_of(*members) if kind == "zip" else tar_of(*members, mode=kind)
    chance = random.Random(7)  # noqa: S311 - the same each time
    archive = tmp_path / "archive"
    for attempt in range(600):
        content = bytearray(good)
        for _ in range(chance.choice([1, 1, 2, 8])):
            content[chance.randrange(len(content))] = chance.choice([0, 0xFF, 0x2F, 0x2E, chance.randrange(256)])
        archive.write_bytes(content)
        into = tmp_path / "yard" / f"{attempt}"
        into.parent.mkdir(exist_ok=True)
        try:
            unpack(archive, into, LIMITS)
        except KumoError:
            assert not into.exists()
        assert set(tmp_path.iterdir()) == {archive, tmp_path / "yard"}


# --- too much --------------------------------------------------------------------------------------------------------


def test_more_files_than_a_project_may_have_are_refused(unpacked: Unpack) -> None:
    names = [(f"f{number}", b"") for number in range(LIMITS.max_files + 1)]
    assert len(unpacked(zip_of(*names[1:]))) == LIMITS.max_files
    for content in (zip_of(*names), tar_of(*names)):
        with pytest.raises(TooLarge, match="KUMO_PROJECT_MAX_FILES"):
            unpacked(content)


def test_folders_count_too(unpacked: Unpack) -> None:
    with pytest.raises(TooLarge):
        unpacked(zip_of(*((f"d{number}/" * 8 + "f", b"") for number in range(LIMITS.max_files - 1))))


def test_a_list_of_names_that_is_too_long_is_not_even_read(unpacked: Unpack) -> None:
    limits = Limits(max_bytes=MIB, max_files=10)
    with pytest.raises(TooLarge, match="too many files"):
        unpacked(zip_of(*((f"{number:0200}", b"") for number in range(6000))), limits)


def test_more_bytes_than_a_project_may_have_are_refused(unpacked: Unpack) -> None:
    members = (("a", noise(MIB)), ("b", noise(MIB)))
    for content in (zip_of(*members), tar_of(*members)):
        with pytest.raises(TooLarge, match="KUMO_PROJECT_MAX_BYTES"):
            unpacked(content, Limits(max_bytes=2 * MIB - 1, max_files=9))
        assert len(unpacked(content)) == 2


def test_bytes_are_counted_whatever_the_header_says(unpacked: Unpack) -> None:
    content = bytearray(zip_of(("a", noise(MIB))))
    directory = content.index(b"PK\1\2")
    struct.pack_into("<I", content, directory + 24, 1)  # “one byte long”
    struct.pack_into("<I", content, 22, 1)
    with pytest.raises((BadArchive, TooLarge)):
        unpacked(bytes(content), Limits(max_bytes=MIB // 2, max_files=9))


def test_an_archive_that_grows_beyond_measure_is_refused(unpacked: Unpack) -> None:
    zeros = b"\0" * (15 * MIB)
    for content in (zip_of(("a", zeros)), tar_of(("a", zeros)), tar_of(("a", zeros), mode="w:xz")):
        with pytest.raises(BadArchive, match="100 times"):
            unpacked(content)


def test_what_is_left_out_counts_too_where_it_must_be_read(unpacked: Unpack) -> None:
    content = tar_of(("node_modules/a", b"\0" * (15 * MIB)), ("a.py", b""))
    with pytest.raises(BadArchive, match="100 times"):
        unpacked(content)


def test_members_that_share_their_bytes_are_counted_each(unpacked: Unpack) -> None:
    """The list names one piece of data many times: each name is unpacked, and counted, for itself."""
    one = zip_of(("f000", b"\0" * MIB))
    start, end = one.index(b"PK\1\2"), one.index(b"PK\5\6")
    entry = one[start:end]
    entries = b"".join(entry for _ in range(100))
    tail = bytearray(one[end:])
    struct.pack_into("<HHI", tail, 8, 100, 100, len(entries))
    with pytest.raises(BadArchive):
        unpacked(one[:start] + entries + bytes(tail))


def test_a_header_that_is_too_long_is_not_read(unpacked: Unpack) -> None:
    long_name = tar_info("a.py", tarfile.REGTYPE)
    long_name.pax_headers = {"comment": "x" * 200_000}
    with pytest.raises(BadArchive, match="headers"):
        unpacked(tar_of((long_name, b"1")))


def test_headers_before_headers_before_headers_come_to_an_end(unpacked: Unpack) -> None:
    header = tarfile.TarInfo.create_pax_global_header({"comment": "x"})
    for count in (3, 5000):
        content = gzip.compress(header * count + tar_of(("a.py", b"1"), mode="w"))
        if count == 3:
            assert unpacked(content) == {"a.py": b"1"}
        else:
            with pytest.raises(BadArchive, match="headers"):
                unpacked(content)


def test_a_sparse_file_is_refused(unpacked: Unpack) -> None:
    sparse = tar_info("hole", tarfile.REGTYPE)
    sparse.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(10**15), "GNU.sparse.numblocks": "1"}
    with pytest.raises(BadArchive):
        unpacked(tar_of((sparse, b"1")))


def test_an_xz_archive_that_wants_too_much_memory_is_refused(unpacked: Unpack) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 * MIB, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    with pytest.raises(BadArchive):
        unpacked(lzma.compress(tar_of(("a.py", b"1"), mode="w"), filters=filters))
