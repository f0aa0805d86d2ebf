"""Where a project's scripts leave their files: below the data directory, or below a directory that the operator allows.

What the operator has named may be a link. Below it scripts are at work, so that no link is followed there: neither when
a directory is chosen nor whenever it is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kumo.errors import Conflict, InvalidInput, NotFound
from kumo.projects.paths import shown

_FIELD = "output_dir"
_LONGEST_PATH = 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True, kw_only=True)
class OutputPlace:
    """An output directory: one that the operator has chosen, and the way down from there."""

    base: Path
    below: str

    @property
    def path(self) -> Path:
        """The whole path, as scripts get it."""
        return self.base / self.below

    def real_path(self) -> Path:
        """The path without links; asks the disk."""
        return self.base.resolve() / self.below


def default_place(home: Path, project_id: int) -> OutputPlace:
    """Below the data directory."""
    return OutputPlace(base=home / "outputs", below=str(project_id))


def allowed_place(path: str, roots: Iterable[Path]) -> OutputPlace | None:
    """Below the first of the allowed directories that the path leads into; None when it leads into none."""
    for root in roots:
        if (pure := PurePosixPath(path)).is_relative_to(root) and pure != PurePosixPath(root):
            return OutputPlace(base=root, below=str(pure.relative_to(root)))
    return None


def chosen_place(raw: str, roots: Sequence[Path]) -> OutputPlace:
    """The place that somebody wants; `InvalidInput` says what is wrong with it. Looks at no disk."""
    if problem := _problem(raw):
        raise InvalidInput.at(_FIELD, f"The output directory {shown(raw)} cannot be used: {problem}.")
    if not roots:
        raise InvalidInput.at(
            _FIELD, "Other output directories are not allowed here: the setting KUMO_OUTPUT_ROOTS names none."
        )
    place = allowed_place(raw, roots)
    if place is None:
        named = ", ".join(str(root) for root in roots)
        raise InvalidInput.at(
            _FIELD, f"The output directory {shown(raw)} must lie below a directory of KUMO_OUTPUT_ROOTS: {named}."
        )
    return place


def refuse_overlap(place: OutputPlace, home: Path, others: Iterable[tuple[str, OutputPlace]]) -> None:
    """`Conflict` when the place is in, or around, Kumo's own data or another project's outputs; asks the disk.

    Around as well: files of one project would be shown, and deleted, as those of another.
    """
    path = place.real_path()
    if _overlap(path, home.resolve()):
        raise InvalidInput.at(_FIELD, f"The output directory {place.path} cannot be used: Kumo's own data lie there.")
    for name, other in others:
        if _overlap(path, other.real_path()):
            raise Conflict(f"The project “{name}” has its outputs in {other.path}. Choose another directory.")


def make_place(place: OutputPlace) -> None:
    """Make the directory where it is not there; `InvalidInput` where that cannot be, as when a link is on the way."""
    try:
        descriptor = os.open(place.base, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in place.below.split("/"):
                if not _is_there(part, descriptor):
                    os.mkdir(part, dir_fd=descriptor)
                below = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            if not os.access(f"/proc/self/fd/{descriptor}", os.W_OK | os.X_OK):
                raise PermissionError("Permission denied")
        finally:
            os.close(descriptor)
    except (NotADirectoryError, FileExistsError):
        raise InvalidInput.at(
            _FIELD, f"The output directory {place.path} cannot be used: a link or a file is on the way to it."
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInput.at(
            _FIELD, f"The output directory {place.path} cannot be made, or not written to: {reason}."
        ) from None


@contextmanager
def open_folder(place: OutputPlace, path: str, asked: str) -> Iterator[int]:
    """The descriptor of a folder below the place, reached without following a link."""
    with missing_is_not_found(asked):
        descriptor = os.open(place.base, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in (*place.below.split("/"), *(path.split("/") if path else ())):
                below = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
        except BaseException:
            os.close(descriptor)
            raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def missing_is_not_found(path: str) -> Iterator[None]:
    """What the system says of a file, as whoever asked for it should hear it."""
    try:
        yield
    except PermissionError:
        raise Conflict(f"{shown(path)} may not be touched by Kumo: its owner or its mode forbids it.") from None
    except OSError:
        # Gone meanwhile, a link, a file where a folder was named, a socket: not there, for whoever asks.
        raise NotFound(f"There is no file {shown(path)} in the output directory.") from None


def _problem(raw: str) -> str | None:
    if not raw.isprintable():
        return "it has a character in it that is not shown"
    if not raw.startswith("/"):
        return "it is not absolute; begin with “/”"
    if len(raw.encode()) > _LONGEST_PATH:
        return f"it is longer than {_LONGEST_PATH:,} bytes"
    if any(part in {"", ".", ".."} for part in raw[1:].split("/")):
        return "write the path without “.”, “..”, “//” and a “/” at its end"
    return None


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
