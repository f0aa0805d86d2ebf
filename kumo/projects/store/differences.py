"""What two states differ in: folders that are equal are not even read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kumo.projects.store.snapshots import SnapshotStore
from kumo.projects.store.trees import Entry


class Difference(NamedTuple):
    """A file that two states do not have alike; None where one of them does not have it."""

    path: str
    before: Entry | None
    after: Entry | None


def differences(store: SnapshotStore, before: str | None, after: str) -> list[Difference]:
    """The files that are not alike, sorted by path; all of them where there is no state before."""
    return sorted(_below(store, "", before, after), key=lambda one: one.path)


def _below(store: SnapshotStore, prefix: str, before: str | None, after: str | None) -> Iterator[Difference]:
    if before == after:
        return
    old = {} if before is None else store.directory(before)
    new = {} if after is None else store.directory(after)
    for name in old.keys() | new.keys():
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        path = prefix + name
        folders = [entry.digest if entry is not None and entry.is_directory else None for entry in (was, now)]
        if folders != [None, None]:
            yield from _below(store, f"{path}/", *folders)
        files = [None if entry is None or entry.is_directory else entry for entry in (was, now)]
        if files != [None, None]:
            yield Difference(path, *files)
