"""Blobs named by the SHA-256 of their content: written once, never changed, each content once.

`<home>/store/objects/ab/cdef…` holds them; what is being written lies in `<home>/store/incoming/` until it is durable
and is renamed. A crash leaves files in `incoming` only, which the next start removes. What nothing needs any more is
swept; what a batch has written or found is claimed first, so that the sweep passes it by.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from kumo.errors import Unavailable
from kumo.projects.paths import shown
from kumo.projects.store.claims import Claims, claims_of
from kumo.projects.store.disk import full_disk_is_unavailable, sync_tree

CHUNK_BYTES = 1024 * 1024
_DIGEST_CHARS = hashlib.sha256().digest_size * 2
_SHARD_CHARS = 2


class Damaged(Unavailable):
    """A stored file is missing on the disk or its content has changed."""

    def __init__(self, digest: str, path: str | None = None) -> None:
        """`path` is what the file is called in its project, where that is known."""
        what = f"The stored file {digest[:12]}…" if path is None else f"The stored copy of {shown(path)}"
        super().__init__(
            f"{what} is damaged or missing on the disk of the data directory. "
            "Restore a backup, or upload the project again."
        )
        self.digest = digest


class ObjectStore:
    """The blobs; all its calls block, call them in a thread."""

    def __init__(self, home: Path) -> None:
        self._objects = home / "store" / "objects"
        self._incoming = home / "store" / "incoming"
        self.claims: Claims = claims_of(home)

    def remove_leftovers(self) -> None:
        """Delete what a crash has left half-written; only while nobody writes."""
        shutil.rmtree(self._incoming, ignore_errors=True)

    def path(self, digest: str) -> Path:
        """Where a blob lies, or would lie."""
        assert len(digest) == _DIGEST_CHARS, "an object is named by its SHA-256"
        return self._objects / digest[:_SHARD_CHARS] / digest[_SHARD_CHARS:]

    def read(self, digest: str) -> bytes:
        """A blob's content, checked; `Damaged` when it is not what it was."""
        try:
            content = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise Damaged(digest) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise self._set_aside(digest)
        return content

    def _set_aside(self, digest: str) -> Damaged:
        """Take a changed blob out of the way, so that uploading the same file again mends the store."""
        path = self.path(digest)
        path.rename(path.with_name(f"{path.name}.damaged"))
        return Damaged(digest)

    def copy(self, digest: str, target: Path, *, size_bytes: int, mode: int) -> None:
        """Write a blob's content to a new file, checked on the way."""
        if size_bytes > CHUNK_BYTES:
            self._copy_large(digest, target, mode)
            return
        content = self.read(digest)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        # Through a buffer: without one, a disk that is almost full takes a part of it and raises nothing.
        with os.fdopen(descriptor, "wb") as writer:
            writer.write(content)

    def _copy_large(self, digest: str, target: Path, mode: int) -> None:
        try:
            reader = self.path(digest).open("rb")
        except FileNotFoundError:
            raise Damaged(digest) from None
        descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        with reader, os.fdopen(descriptor, "w+b") as writer:
            _copy_in_kernel(reader.fileno(), writer.fileno())
            writer.seek(0)
            if hashlib.file_digest(writer, "sha256").hexdigest() != digest:
                raise self._set_aside(digest)

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Add blobs; at the end of the block all of them are durable, after an error none has been added."""
        with full_disk_is_unavailable():
            if not self._incoming.exists():
                self._incoming.mkdir(parents=True, exist_ok=True)
                sync_tree(self._incoming, [self._incoming.parent.parent])
            directory = Path(tempfile.mkdtemp(dir=self._incoming))
            batch = Batch(self, directory)
            try:
                yield batch
                batch.publish(self._objects)
            finally:
                batch.release()
                shutil.rmtree(directory, ignore_errors=True)

    def sweep(self, kept: Collection[str]) -> tuple[int, int]:
        """Remove all blobs but some and those that are claimed, and say how many these were, with how many bytes.

        Takes with it what `_set_aside` has left. A crash leaves the rest to the next sweep.
        """
        count = size = 0
        for shard in sorted(self._objects.iterdir()) if self._objects.exists() else ():
            with os.scandir(shard) as found:
                names = [item.name for item in found]
            for name in names:
                digest = shard.name + name[: _DIGEST_CHARS - _SHARD_CHARS]
                if digest in kept or (freed := self.claims.remove_blob(digest, shard / name)) is None:
                    continue
                count, size = count + 1, size + freed
        return count, size


class Batch:
    """Blobs on their way into the store."""

    def __init__(self, store: ObjectStore, directory: Path) -> None:
        self._store = store
        self._directory = directory
        self._new: dict[str, Path] = {}
        self._claimed: set[str] = set()

    def add(self, content: bytes) -> str:
        """Add a content; its digest names it."""
        digest = hashlib.sha256(content).hexdigest()
        if not self._has(digest):
            path = self._directory / digest
            path.write_bytes(content)
            self._new[digest] = path
        return digest

    def read(self, digest: str) -> bytes:
        """The content of a blob that is in the store, or on its way there."""
        path = self._new.get(digest)
        return self._store.read(digest) if path is None else path.read_bytes()

    def add_file(self, source: Path, *, move: bool) -> tuple[str, int]:
        """Add a file's content: digest and size. `move` takes the file itself, without a second copy of its bytes."""
        taken = source
        if not move:
            taken = self._directory / "file"
            _copy_without_following(source, taken)
        with taken.open("rb") as reader:
            digest = hashlib.file_digest(reader, "sha256").hexdigest()
        size = taken.stat().st_size
        if self._has(digest):
            taken.unlink()
        else:
            self._new[digest] = taken.rename(self._directory / digest)
        return digest, size

    def _has(self, digest: str) -> bool:
        if digest not in self._claimed:
            self._claimed.add(digest)
            self._store.claims.claim_blob(digest)
        return digest in self._new or self._store.path(digest).exists()

    def release(self) -> None:
        """Let go of what was claimed; what comes of the batch is known soon."""
        self._store.claims.release_blobs(self._claimed)

    def publish(self, objects: Path) -> None:
        """Move everything to its place: first the contents are durable, then the names."""
        if not self._new:
            return
        sync_tree(self._directory, self._new.values())
        changed = {objects, objects.parent}
        for digest, path in self._new.items():
            target = self._store.path(digest)
            if target.parent not in changed:
                target.parent.mkdir(parents=True, exist_ok=True)
                changed.add(target.parent)
            path.chmod(0o444)
            path.rename(target)
        sync_tree(objects, changed)


def _copy_without_following(source: Path, target: Path) -> None:
    # NONBLOCK: a pipe that took the file's place a moment ago must not hold us.
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer, CHUNK_BYTES)


def _copy_in_kernel(source: int, target: int) -> None:
    """Copy the rest of a file; where the file system can, both then share the same blocks until one is changed."""
    try:
        while os.copy_file_range(source, target, 2**30):
            pass
    except OSError:
        # Not possible between these two places, or the disk is full: the plain way says which.
        os.lseek(source, 0, os.SEEK_SET)
        os.lseek(target, 0, os.SEEK_SET)
        while chunk := os.read(source, CHUNK_BYTES):
            _write_all(target, chunk)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
