"""Archives made for a test."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

from kumo.projects.archives.unpacking import Limits
from kumo.settings import MIB

LIMITS = Limits(max_bytes=20 * MIB, max_files=200)


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """A zip archive; also of members that no ordinary program would put into one."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo("placeholder")
            if not isinstance(name, zipfile.ZipInfo):
                info.filename = name  # set afterwards: the constructor would cut it at a NUL
                info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return target.getvalue()


def zip_info(name: str, *, mode: int = 0, flags: int = 0) -> zipfile.ZipInfo:
    """A member of a zip archive with a Unix mode."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.flag_bits |= flags
    return info


def tar_of(*members: tuple[str | tarfile.TarInfo, bytes], mode: str = "w:gz", form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive; also of members that no ordinary program would put into one."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def tar_info(name: str, kind: bytes, *, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    """A member of a tar archive of any kind."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    info.mode = mode
    return info


def tree_of(directory: Path) -> dict[str, bytes | None]:
    """What is in a directory: files with their content, folders with None."""
    return {
        str(path.relative_to(directory)): None if path.is_dir() else path.read_bytes()
        for path in sorted(directory.rglob("*"))
    }
