"""Every state of every project, each file once; and the directories that runs work in.

A state is named by its tree hash. `<home>/store/` holds the blobs, `<home>/trees/<tree_hash>/` a directory with the
files of one state, made when the first run asks for it.

The files in such a directory are copies. A script may write beside its code, as it did at home: that changes neither
the store nor another state of the project, but the next run of the same state finds what was written. What must be
kept belongs into the output directory.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from kumo.errors import Conflict, InvalidInput, NotFound
from kumo.projects.paths import collision_key, project_path, shown
from kumo.projects.store.disk import full_disk_is_unavailable, sync_tree
from kumo.projects.store.objects import Batch, Damaged, ObjectStore
from kumo.projects.store.trees import (
    DIRECTORY,
    EMPTY,
    EXECUTABLE,
    FILE,
    Entry,
    PathEntry,
    Tree,
    decode,
    directory_entry,
    encode,
    find,
    replaced,
)

_UNFINISHED = ".incoming-"
_HASH = re.compile(r"[0-9a-f]{64}")
_LINE = re.compile(rb"^([dfx]) ([0-9a-f]{64}) ", re.MULTILINE)


class Blob(NamedTuple):
    """A content that is in the store."""

    digest: str
    size_bytes: int


class SnapshotStore:
    """The states of all projects; all its calls block, call them in a thread."""

    def __init__(self, home: Path) -> None:
        self._objects = ObjectStore(home)
        self._trees = home / "trees"
        self._checking_out = threading.Lock()

    def remove_leftovers(self) -> None:
        """Delete what a crash has left half-made or half-removed; once, at start."""
        self._objects.remove_leftovers()
        for path in self._trees.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(path, ignore_errors=True)

    # --- new states ---

    def put_empty(self) -> Tree:
        """The state without any file."""
        with self._objects.batch() as batch:
            return _as_tree(_store_directory(batch, "", EMPTY))

    def put_directory(self, directory: Path, *, move: bool = False) -> Tree:
        """Store a directory with everything in it; `move` takes the files themselves and leaves empty folders.

        Raises `InvalidInput` for a link, a device, or a name that a project may not have.
        """
        with self._objects.batch() as batch:
            return _as_tree(_store_from_disk(batch, directory, "", move=move))

    def with_file(self, tree_hash: str, path: str, content: bytes) -> Tree:
        """The state in which one file has this content; an executable file stays one."""
        with self._objects.batch() as batch:
            blob = Blob(batch.add(content), len(content))
            return _as_tree(self._with_blob(batch, tree_hash, project_path(path), blob))

    def put_files(self, files: Sequence[Path]) -> list[Blob]:
        """Store the contents of some files, and take these away; one for each, in their order."""
        with self._objects.batch() as batch:
            return [Blob(*batch.add_file(file, move=True)) for file in files]

    def with_blobs(self, tree_hash: str, files: Sequence[tuple[str, Blob]], *, overwrite: bool) -> Tree:
        """The state in which some files have these contents; `Conflict` where one is there, but for `overwrite`."""
        with self._objects.batch() as batch:
            for path, blob in files:
                tree_hash = self._with_blob(batch, tree_hash, project_path(path), blob, overwrite=overwrite).digest
            return _as_tree(directory_entry("", tree_hash, batch.read(tree_hash)))

    def with_folder(self, tree_hash: str, path: str) -> Tree:
        """The state with a further folder that nothing is in; `Conflict` when there is something of that name."""

        def make(old: Entry | None) -> Entry:
            if old is not None:
                raise Conflict(f"There is already {_kind(old)} {shown(path)}. Choose another name.")
            return _store_directory(batch, path.rpartition("/")[2], EMPTY)

        with self._objects.batch() as batch:
            return _as_tree(self._changed(batch, tree_hash, project_path(path), make))

    def moved(self, tree_hash: str, source: str, target: str) -> Tree:
        """The state in which a file or folder has another path; folders above it are made as needed.

        `NotFound` when it is not there, `Conflict` when the target is taken or lies in the folder itself. The folder
        that it leaves stays, even when nothing is left in it.
        """
        if f"{target}/".startswith(f"{source}/"):
            raise Conflict(f"{shown(source)} cannot be moved to {shown(target)}, which is itself or lies in it.")
        taken: list[Entry] = []

        def take(old: Entry | None) -> None:
            if old is None:
                raise _no_file(source)
            taken.append(old)

        def put(old: Entry | None) -> Entry:
            if old is not None:
                raise Conflict(
                    f"There is already {_kind(old)} {shown(target)}. Choose another name, or delete it first."
                )
            return taken[0]._replace(name=target.rpartition("/")[2])

        with self._objects.batch() as batch:
            without = self._changed(batch, tree_hash, project_path(source), take)
            self._check_paths_below(taken[0], project_path(target))
            return _as_tree(self._changed(batch, without.digest, target, put))

    def _check_paths_below(self, entry: Entry, path: str) -> None:
        """Whether all that is in a folder has a path that a project may have, when the folder has this one."""
        if entry.is_directory:
            for below in self.entries(entry.digest):
                project_path(f"{path}/{below.path}", field="target")

    def _with_blob(self, batch: Batch, tree_hash: str, path: str, blob: Blob, *, overwrite: bool = True) -> Entry:
        def replace(old: Entry | None) -> Entry:
            if old is not None and old.is_directory:
                raise Conflict(f"{shown(path)} is a folder. Choose another name for the file.")
            if old is not None and not overwrite:
                raise Conflict(f"There is already a file {shown(path)}. Overwrite it, or choose another name.")
            kind = FILE if old is None else old.kind
            return Entry(kind, blob.digest, blob.size_bytes, 1, path.rpartition("/")[2])

        return self._changed(batch, tree_hash, path, replace)

    def without(self, tree_hash: str, path: str) -> Tree:
        """The state in which a file, or a folder with all that is in it, is gone; `NotFound` when it is not there."""

        def remove(old: Entry | None) -> None:
            if old is None:
                raise _no_file(path)

        with self._objects.batch() as batch:
            return _as_tree(self._changed(batch, tree_hash, project_path(path), remove))

    def _changed(
        self, batch: Batch, tree_hash: str, path: str, change: Callable[[Entry | None], Entry | None]
    ) -> Entry:
        """The root after one entry was changed: only the directories above it are read and written."""
        return self._change_below(batch, Entry(DIRECTORY, tree_hash, 0, 0, ""), path.split("/"), 0, change)

    def _change_below(
        self,
        batch: Batch,
        directory: Entry | None,
        parts: list[str],
        depth: int,
        change: Callable[[Entry | None], Entry | None],
    ) -> Entry:
        name, is_last = parts[depth], depth == len(parts) - 1
        if directory is not None and not directory.is_directory:
            raise Conflict(f"{shown('/'.join(parts[:depth]))} is a file, so nothing can be in it.")
        text = EMPTY if directory is None else batch.read(directory.digest)
        old = find(text, name)
        new = change(old) if is_last else self._change_below(batch, old, parts, depth + 1, change)
        if old is not None:
            text = replaced(text, old, new)
        elif new is not None:
            text = _with_new(text, new, parts[:depth])
        return _store_directory(batch, "" if depth == 0 else parts[depth - 1], text)

    # --- reading ---

    def entries(self, tree_hash: str) -> list[PathEntry]:
        """All files and folders of a state, sorted by path."""
        found: list[PathEntry] = []
        pending = [("", tree_hash)]
        while pending:
            prefix, digest = pending.pop()
            for entry in self.directory(digest).values():
                path = prefix + entry.name
                found.append(PathEntry(path, entry))
                if entry.is_directory:
                    pending.append((path + "/", entry.digest))
        found.sort()
        return found

    def level(self, tree_hash: str, path: str) -> list[Entry]:
        """What is in one folder of a state, sorted by name; "" is the top. `NotFound` when there is no such folder."""
        entry = self.find(tree_hash, path) if path else Entry(DIRECTORY, tree_hash, 0, 0, "")
        if entry is None or not entry.is_directory:
            raise NotFound(f"There is no folder {shown(path)} in the project.")
        return list(decode(self._objects.read(entry.digest)).values())

    def missing(self, tree_hash: str) -> list[str]:
        """The paths of a state whose content is not in the store, folders with a slash; contents are not read."""
        absent: list[str] = []
        pending = [("", tree_hash)]
        while pending:
            prefix, digest = pending.pop()
            try:
                entries = self.directory(digest).values()
            except Damaged:
                absent.append(prefix or "/")
                continue
            for entry in entries:
                if entry.is_directory:
                    pending.append((f"{prefix}{entry.name}/", entry.digest))
                elif not self._objects.path(entry.digest).exists():
                    absent.append(prefix + entry.name)
        return sorted(absent)

    def find(self, tree_hash: str, path: str) -> Entry | None:
        """One file or folder of a state; None when it is not there."""
        entry = Entry(DIRECTORY, tree_hash, 0, 0, "")
        for part in path.split("/"):
            if not entry.is_directory or (found := find(self._objects.read(entry.digest), part)) is None:
                return None
            entry = found
        return entry

    def read_file(self, tree_hash: str, path: str) -> bytes | None:
        """A file's content; None when there is no such file."""
        entry = self.find(tree_hash, path)
        return None if entry is None or entry.is_directory else self.read(entry)

    def read(self, entry: Entry) -> bytes:
        """The content of a file that was found."""
        return self._objects.read(entry.digest)

    def content_path(self, entry: Entry) -> Path:
        """Where the content of a file lies, to be read in parts; never to be written."""
        return self._objects.path(entry.digest)

    def directory(self, digest: str) -> dict[str, Entry]:
        """The entries of one folder by name."""
        return decode(self._objects.read(digest))

    # --- removing ---

    def forget_ended_claims(self) -> None:
        """Give back the memory of changes that were stored long ago."""
        self._objects.claims.forget_ended()

    def sweep(self, tree_hashes: Iterable[str]) -> tuple[int, int]:
        """Remove what none of these states needs, nor a change under way; how many blobs and bytes that were.

        The states are all that rows name at some moment, not longer ago than a claim lasts. `Damaged` when a folder of
        one cannot be read: then nobody knows what is in it, and everything stays.
        """
        return self._objects.sweep(self._reachable(tree_hashes))

    def _reachable(self, tree_hashes: Iterable[str]) -> set[str]:
        """Each blob of these states, every folder read once. By pattern: a folder may have ten thousand lines."""
        found: set[str] = set()
        pending = list(tree_hashes)
        while pending:
            digest = pending.pop()
            if digest in found:
                continue
            found.add(digest)
            for kind, blob in _LINE.findall(self._objects.read(digest)):
                if kind == DIRECTORY.encode():
                    pending.append(blob.decode())
                else:
                    found.add(blob.decode())
        return found

    def laid_out(self) -> list[str]:
        """The states that have a directory for runs."""
        if not self._trees.exists():
            return []
        return sorted(entry.name for entry in self._trees.iterdir() if _HASH.fullmatch(entry.name))

    def is_laid_out(self, tree_hash: str) -> bool:
        """Whether a state has a directory for runs just now; whoever wants to use it asks `materialised`."""
        return (self._trees / tree_hash).is_dir()

    def laid_out_at(self, tree_hash: str) -> float | None:
        """When the directory was made, or something in its top folder changed last, in seconds since 1970."""
        try:
            return (self._trees / tree_hash).stat().st_ctime
        except FileNotFoundError:
            return None

    def remove_laid_out(self, tree_hash: str, *, looked_at: float) -> bool:
        """Remove the directory of a state unless somebody has asked for it since `looked_at`, by the monotonic clock.

        That is when it was looked up, or before, who uses it: whoever asked earlier has been seen there. It loses its
        name at once and its files after that; a crash in between leaves them to the next start.
        """
        unwanted = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._trees))

        def take() -> None:
            (self._trees / tree_hash).rename(unwanted / tree_hash)

        try:
            return self._objects.claims.take_tree(tree_hash, take, looked_at=looked_at)
        except FileNotFoundError:
            return False
        finally:
            shutil.rmtree(unwanted, ignore_errors=True)

    def changed_by_scripts(self, tree_hash: str) -> list[str]:
        """The files of a state that its directory has otherwise, or not at all; reads them, so not for each run."""
        root = self._trees / tree_hash
        return [
            path
            for path, entry in self.entries(tree_hash)
            if not entry.is_directory and not _is_as_stored(root / path, entry)
        ]

    # --- directories for runs ---

    def materialised(self, tree_hash: str) -> Path | None:
        """The directory with the files of a state, if there is one; as cheap as a glance at the disk.

        Whoever asks has written down before that a run is to use it; so nobody removes it.
        """
        self._objects.claims.claim_tree(tree_hash)
        target = f"{self._trees}/{tree_hash}"
        return Path(target) if os.path.isdir(target) else None  # noqa: PTH112 - pathlib takes as long again

    def materialise(self, tree_hash: str) -> Path:
        """The directory with the files of a state, made at the first call; runs of one state share it.

        Every file is checked against its hash as it is copied. The directory is complete or absent, also after a
        crash: it gets its name last.
        """
        assert _HASH.fullmatch(tree_hash), "a state is named by its hash"
        if (there := self.materialised(tree_hash)) is not None:
            return there
        target = self._trees / tree_hash
        with self._checking_out, full_disk_is_unavailable():
            if not target.is_dir():
                self._trees.mkdir(parents=True, exist_ok=True)
                self._check_out(tree_hash, target)
        # It may have taken long.
        self._objects.claims.claim_tree(tree_hash)
        return target

    def _check_out(self, tree_hash: str, target: Path) -> None:
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._trees))
        try:
            unfinished.chmod(0o755)
            written = [unfinished, *self._write_files(tree_hash, unfinished, "")]
            sync_tree(unfinished, written)
            unfinished.rename(target)
            sync_tree(self._trees, [self._trees])
        except OSError as error:
            # Another process has made the same directory meanwhile: it is the same.
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _write_files(self, digest: str, directory: Path, prefix: str) -> Iterator[Path]:
        """Write the files of a directory and those below it; the answer is all that was made."""
        for entry in self.directory(digest).values():
            path = directory / entry.name
            if entry.is_directory:
                path.mkdir()
                yield from self._write_files(entry.digest, path, f"{prefix}{entry.name}/")
            else:
                mode = 0o755 if entry.kind == EXECUTABLE else 0o644
                try:
                    self._objects.copy(entry.digest, path, size_bytes=entry.size_bytes, mode=mode)
                except Damaged as error:
                    raise Damaged(error.digest, prefix + entry.name) from None
            yield path


def _as_tree(root: Entry) -> Tree:
    return Tree(tree_hash=root.digest, file_count=root.file_count, size_bytes=root.size_bytes)


def _is_as_stored(path: Path, entry: Entry) -> bool:
    try:
        # NONBLOCK: what scripts put there may be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != entry.size_bytes:
            return False
        return hashlib.file_digest(file, "sha256").hexdigest() == entry.digest


def _store_directory(batch: Batch, name: str, text: bytes) -> Entry:
    return directory_entry(name, batch.add(text), text)


def _store_from_disk(batch: Batch, directory: Path, prefix: str, *, move: bool) -> Entry:
    entries: dict[str, Entry] = {}
    twins: dict[str, str] = {}
    with os.scandir(directory) as found:
        # As a list: before any of them is moved away. Compiled modules are Python's to make again.
        items = [item for item in found if item.name != "__pycache__"]
    for item in items:
        path = project_path(prefix + item.name)
        if twin := twins.get(key := collision_key(path)):
            raise _near_twins(path, twin)
        twins[key] = path
        entry = _store_item(batch, item, path, move=move)
        entries[entry.name] = entry
    return _store_directory(batch, prefix[:-1].rpartition("/")[2], encode(entries.values()))


def _store_item(batch: Batch, item: os.DirEntry[str], path: str, *, move: bool) -> Entry:
    if item.is_dir(follow_symlinks=False):
        return _store_from_disk(batch, Path(item.path), f"{path}/", move=move)
    if not item.is_file(follow_symlinks=False):
        raise InvalidInput(f"{shown(path)} is a link or a device. A project holds plain files and folders only.")
    executable = item.stat(follow_symlinks=False).st_mode & 0o100
    digest, size = batch.add_file(Path(item.path), move=move)
    return Entry(EXECUTABLE if executable else FILE, digest, size, 1, path.rpartition("/")[2])


def _with_new(text: bytes, new: Entry, parents: list[str]) -> bytes:
    """A directory's text with a further entry; `Conflict` when some systems cannot tell its name from one there."""
    entries = decode(text)
    key = collision_key(new.name)
    twin = next((other for other in entries if collision_key(other) == key), None)
    if twin is not None:
        raise _near_twins("/".join([*parents, new.name]), "/".join([*parents, twin]))
    return encode([*entries.values(), new])


def _no_file(path: str) -> NotFound:
    return NotFound(f"There is no file {shown(path)} in the project.")


def _kind(entry: Entry) -> str:
    return "a folder" if entry.is_directory else "a file"


def _near_twins(path: str, twin: str) -> Conflict:
    return Conflict(
        f"{shown(path)} differs from {shown(twin)} by upper and lower case or by how an accent is stored only. "
        "Choose another name."
    )
