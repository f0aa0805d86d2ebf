"""A state of a project as a zip archive, made while it is sent."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import datetime

from kumo.errors import InvalidInput
from kumo.projects.archives.unpacking import JUNK_NAMES
from kumo.projects.paths import project_path
from kumo.projects.store.objects import CHUNK_BYTES
from kumo.projects.store.snapshots import SnapshotStore
from kumo.projects.store.trees import EXECUTABLE, PathEntry

_UNSAFE = re.compile(r'[\x00-\x1f\\/:*?"<>|]+')
_DIRECTORY_MODE = 0o040755 << 16 | 0x10  # the last bit is how DOS says it


def folder_name(project_name: str, project_id: int) -> str:
    """The one folder in the archive: the project's name, where that can be a folder's name."""
    name = _UNSAFE.sub("-", project_name).strip(" .")
    try:
        name = project_path(name, field="name")
    except InvalidInput:
        name = ""
    return f"project-{project_id}" if not name or name in JUNK_NAMES or name.startswith("._") else name


def zip_chunks(store: SnapshotStore, entries: list[PathEntry], folder: str, moment: datetime) -> Iterator[bytes]:
    """The archive, piece by piece. All is in one folder, so that uploading it again gives the same state."""
    sink = ZipSink()
    stamp = moment.timetuple()[:6]
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, entry in entries:
            info = zipfile.ZipInfo(f"{folder}/{path}", stamp)
            if entry.is_directory:
                info.filename += "/"
                info.external_attr = _DIRECTORY_MODE
                archive.writestr(info, b"")
                continue
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if entry.kind == EXECUTABLE else 0o100644) << 16
            info.file_size = entry.size_bytes
            with store.content_path(entry).open("rb") as reader, archive.open(info, "w") as writer:
                while chunk := reader.read(CHUNK_BYTES):
                    writer.write(chunk)
                    yield from sink.full()
            yield from sink.full()
    yield sink.take()


class ZipSink:
    """Takes what the archive writes, until it is sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes, /) -> int:
        """Take some bytes, as a file would."""
        self._pieces.append(bytes(data))
        self._size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """There is nothing to close."""

    def full(self) -> Iterator[bytes]:
        """One piece, once there is enough for it."""
        if self._size >= CHUNK_BYTES // 4:
            yield self.take()

    def take(self) -> bytes:
        """All that was written since the last time."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return data
