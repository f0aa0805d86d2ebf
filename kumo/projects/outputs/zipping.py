"""What scripts have left as a zip archive, made while it is sent."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator

from kumo.errors import KumoError, TooLarge
from kumo.projects.archives.zipping import ZipSink
from kumo.projects.outputs.folder import open_output
from kumo.projects.outputs.place import OutputPlace, open_folder
from kumo.projects.outputs.walk import SeenFile, Walk
from kumo.projects.paths import existing_path

MOST_FILES = 100_000
_MOST_SECONDS = 20.0
_CHUNK_BYTES = 256 * 1024
_FIRST_YEAR = 1980  # that zip knows
_LAST_YEAR = 2107


def files_to_zip(place: OutputPlace, raw_path: str) -> list[SeenFile]:
    """The plain files of a folder, by path; links are left out. `TooLarge` for more than one archive should hold."""
    path = existing_path(raw_path)
    with open_folder(place, path, path):
        pass  # there is such a folder; the walk would find it empty
    walk = Walk(place, path, most_entries=MOST_FILES, most_seconds=_MOST_SECONDS)
    files = sorted(walk, key=lambda file: file.path)
    if not walk.complete:
        raise TooLarge(
            f"The folder holds more than {MOST_FILES:,} files, or some that cannot be read. "
            "Download its folders one by one."
        )
    return files


def zip_outputs(place: OutputPlace, raw_path: str, files: list[SeenFile], folder: str) -> Iterator[bytes]:
    """The archive, piece by piece; what is gone meanwhile is left out, and what grows is cut where it was."""
    sink = ZipSink()
    below = len(raw_path) + 1 if raw_path else 0
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            try:
                reader, size = open_output(place, file.path)
            except KumoError:
                continue
            info = zipfile.ZipInfo(f"{folder}/{file.path[below:]}", _stamp(file.mtime_ns))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o100644 << 16
            info.file_size = size
            with reader, archive.open(info, "w") as writer:
                while size and (chunk := reader.read(min(_CHUNK_BYTES, size))):
                    size -= len(chunk)
                    writer.write(chunk)
                    yield from sink.full()
            yield from sink.full()
    yield sink.take()


def _stamp(mtime_ns: int) -> tuple[int, int, int, int, int, int]:
    moment = time.gmtime(mtime_ns // 1_000_000_000)
    if not _FIRST_YEAR <= moment.tm_year <= _LAST_YEAR:
        return (_FIRST_YEAR, 1, 1, 0, 0, 0)
    return (moment.tm_year, moment.tm_mon, moment.tm_mday, moment.tm_hour, moment.tm_min, moment.tm_sec)
