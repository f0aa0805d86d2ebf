"""Unpacking what somebody uploads, without believing a word of it.

Two passes over the archive. The first reads the names and decides about each member; the second writes. An archive
that holds one forbidden thing is refused as a whole, before anything is written:

- links of any kind, devices, pipes; encrypted members;
- paths that `paths.project_path` refuses, two members for one path, two paths that differ by case only;
- more files or bytes than a project may have. The bytes are counted as they come out, whatever the headers say;
- more than a hundred bytes out of one, beyond the first 10 MiB.

What can be made again is left out: `__MACOSX`, `.DS_Store`, `._*`, `.git`, `__pycache__`, `node_modules`, and virtual
environments (a folder `venv`, `.venv` or `env` with a `pyvenv.cfg`). If all is in one folder, that folder is left out
too. Files keep their executable bit and nothing else of their mode, owner or time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kumo.errors import InvalidInput, TooLarge
from kumo.projects.archives.formats import CHUNK_BYTES, BadArchive, Kind, Member, damage_is_bad_archive, open_archive
from kumo.projects.paths import collision_key, project_path, shown
from kumo.projects.store.disk import full_disk_is_unavailable

__all__ = ["JUNK_NAMES", "BadArchive", "Limits", "Unpacked", "unpack"]

_LARGEST_RATIO = 100
_RATIO_FREE_BYTES = 10 * 1024 * 1024
# What is left out is read too, and may be more than the project: environments, packages of node.
_READ_PER_KEPT = 4
_NAME_BYTES_PER_FILE = 256
JUNK_NAMES = frozenset({"__MACOSX", ".DS_Store", ".git", "__pycache__", "node_modules"})
_VENV_NAMES = frozenset({"venv", ".venv", "env"})
_VENV_MARK = "pyvenv.cfg"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a project may be."""

    max_bytes: int
    max_files: int


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """What came out."""

    file_count: int
    size_bytes: int


def unpack(archive: Path, into: Path, limits: Limits) -> Unpacked:
    """Unpack an archive into a new directory; after an error there is no such directory.

    Blocks; call it in a thread. Raises `BadArchive` or `TooLarge` with what to do about it.
    """
    meter = _Meter(archive.stat().st_size, limits)
    with damage_is_bad_archive("The archive"):
        targets = _Plan(limits).targets(_survey(archive, limits, meter))
        with full_disk_is_unavailable():
            into.mkdir()
            try:
                return _write(archive, into, targets, meter)
            except BaseException:
                shutil.rmtree(into, ignore_errors=True)
                raise


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """A member as the first pass keeps it."""

    name: str
    kind: Kind
    size_bytes: int


class _Meter:
    """Counts what comes out of an archive, and stops it."""

    def __init__(self, archive_bytes: int, limits: Limits) -> None:
        self._archive_bytes = archive_bytes
        self._limits = limits

    def on_read(self, count: int) -> None:
        """Refuse a stream that grows out of proportion, whether it is kept or not."""
        if count > max(_RATIO_FREE_BYTES, _LARGEST_RATIO * self._archive_bytes):
            raise BadArchive.because(
                f"The archive grows to more than {_LARGEST_RATIO} times its size when it is unpacked, as only archives "
                "made to do harm do. Upload large data into the output directory, or leave it out."
            )
        if count > _READ_PER_KEPT * self._limits.max_bytes:
            raise _too_many_bytes(self._limits)

    def on_write(self, count: int) -> None:
        """Refuse more than a project may be."""
        self.on_read(count)
        if count > self._limits.max_bytes:
            raise _too_many_bytes(self._limits)

    def open(self, archive: Path) -> Iterator[Member]:
        """The members, through this meter."""
        most_names = _NAME_BYTES_PER_FILE * self._limits.max_files + CHUNK_BYTES
        with open_archive(archive, most_names_bytes=most_names, on_read=self.on_read) as members:
            yield from members


def _too_many_bytes(limits: Limits) -> TooLarge:
    return TooLarge(
        f"The project would be larger than {limits.max_bytes:,} bytes. Leave data and environments out of the archive, "
        "or raise KUMO_PROJECT_MAX_BYTES."
    )


def _too_many_files(limits: Limits) -> TooLarge:
    return TooLarge(
        f"The archive holds more than {limits.max_files:,} files or folders. Leave environments and caches out of it, "
        "or raise KUMO_PROJECT_MAX_FILES."
    )


# --- first pass: decide ----------------------------------------------------------------------------------------------


def _survey(archive: Path, limits: Limits, meter: _Meter) -> list[_Seen]:
    seen: list[_Seen] = []
    for member in meter.open(archive):
        if len(seen) >= _READ_PER_KEPT * limits.max_files:
            raise _too_many_files(limits)
        seen.append(_Seen(name=_without_dot(member.name), kind=member.kind, size_bytes=member.size_bytes))
    return seen


def _without_dot(name: str) -> str:
    """`tar -C project .` writes “./main.py”."""
    while name.startswith("./"):
        name = name[2:]
    return "" if name == "." else name


class _Plan:
    """Where each member goes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken: dict[str, tuple[str, Kind]] = {}  # path and kind, by what every file system tells apart
        self._files: set[str] = set()
        self._bytes = 0

    def targets(self, seen: Sequence[_Seen]) -> list[str | None]:
        """The path of each member, None for those that are left out."""
        environments = _environments(seen)
        targets = [None if _is_left_out(item, environments) else self._target(item) for item in seen]
        if not self._files:
            raise BadArchive.because("The archive holds no files.")
        return self._without_single_folder(targets)

    def _target(self, item: _Seen) -> str:
        path = _member_path(item)
        if item.kind not in {"file", "directory"}:
            what = "a link" if item.kind == "link" else "a device or another special file"
            raise BadArchive.because(
                f"{shown(path)} in the archive is {what}. Replace it by the file itself, or leave it out."
            )
        self._claim(path, item.kind)
        if item.kind == "file":
            if path in self._files:
                raise BadArchive.because(f"{shown(path)} is in the archive twice. Pack it again with one of them.")
            self._files.add(path)
            self._bytes += item.size_bytes
        if len(self._taken) > 2 * self._limits.max_files or len(self._files) > self._limits.max_files:
            raise _too_many_files(self._limits)
        if self._bytes > self._limits.max_bytes:
            raise _too_many_bytes(self._limits)
        return path

    def _claim(self, path: str, kind: Kind) -> None:
        """Take a path, and the folders above it; nothing else may be there."""
        cut = path.find("/")
        while cut != -1:
            self._claim_one(path[:cut], "directory")
            cut = path.find("/", cut + 1)
        self._claim_one(path, kind)

    def _claim_one(self, path: str, kind: Kind) -> None:
        there = self._taken.setdefault(collision_key(path), (path, kind))
        if there[0] != path:
            raise BadArchive.because(
                f"{shown(path)} and {shown(there[0])} in the archive differ by upper and lower case or by how an "
                "accent is stored only. Rename one of them."
            )
        if there[1] != kind:
            raise BadArchive.because(f"{shown(path)} is both a file and a folder in the archive. Rename one of them.")

    def _without_single_folder(self, targets: list[str | None]) -> list[str | None]:
        tops = {path.partition("/")[0] for path in targets if path is not None}
        top = tops.pop()
        if tops or self._taken[collision_key(top)][1] == "file":
            return targets
        return [None if path is None else path[len(top) + 1 :] or None for path in targets]


def _member_path(item: _Seen) -> str:
    name = item.name.removesuffix("/") if item.kind == "directory" else item.name
    try:
        return project_path(name, field="file")
    except InvalidInput as error:
        raise BadArchive.because(f"{error.message} Pack the archive again without it.") from None


def _environments(seen: Sequence[_Seen]) -> set[str]:
    """The folders that are virtual environments, by the file that makes them one."""
    folders = {item.name.removesuffix(f"/{_VENV_MARK}") for item in seen if item.name.endswith(f"/{_VENV_MARK}")}
    return {folder for folder in folders if folder.rpartition("/")[2] in _VENV_NAMES}


def _is_left_out(item: _Seen, environments: set[str]) -> bool:
    parts = item.name.split("/")
    if ".." in parts:
        return False  # whatever else it is, it is an attack: let it be refused
    if not item.name or any(part in JUNK_NAMES or part.startswith("._") for part in parts):
        return True
    return bool(environments) and any("/".join(parts[:depth]) in environments for depth in range(1, len(parts) + 1))


# --- second pass: write ----------------------------------------------------------------------------------------------


def _write(archive: Path, into: Path, targets: Sequence[str | None], meter: _Meter) -> Unpacked:
    files = size = 0
    for member, target in zip(meter.open(archive), targets, strict=True):
        if target is None:
            continue
        path = into / target
        if member.kind == "directory":
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with damage_is_bad_archive(f"{shown(target)} in the archive"):
            size = _write_file(member, path, size, meter)
        files += 1
    return Unpacked(file_count=files, size_bytes=size)


def _write_file(member: Member, path: Path, written: int, meter: _Meter) -> int:
    """Write one file; the answer is `written` and its bytes."""
    mode = 0o755 if member.executable else 0o644
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as writer, member.open() as reader:
        while chunk := reader.read(CHUNK_BYTES):
            written += len(chunk)
            meter.on_write(written)
            writer.write(chunk)
    return written
