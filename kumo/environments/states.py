"""The states of a build, and the legal moves between them. Pure."""

from __future__ import annotations

from enum import StrEnum


class BuildState(StrEnum):
    """Where a build stands."""

    QUEUED = "queued"  # waits for the builder
    BUILDING = "building"  # the builder resolves, downloads or installs
    READY = "ready"  # its directory is complete and never changes again
    FAILED = "failed"  # `error` says why; another build must be asked for


TRANSITIONS: dict[BuildState, frozenset[BuildState]] = {
    BuildState.QUEUED: frozenset({BuildState.BUILDING}),
    # Back to queued: the server was killed or stopped meanwhile.
    BuildState.BUILDING: frozenset({BuildState.READY, BuildState.FAILED, BuildState.QUEUED}),
    # Back to queued: its directory is gone (a restored backup, a disk that was changed); made again from its lock.
    BuildState.READY: frozenset({BuildState.QUEUED}),
    BuildState.FAILED: frozenset(),
}
