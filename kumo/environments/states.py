"""The states of a build, and the legal moves between them. Pure."""

from __future__ import annotations

from enum import StrEnum


class BuildState(StrEnum):
    """Where a build stands."""

    QUEUED = "queued"  # waits for the builder
    BUILDING = "building"  # the builder resolves, downloads or installs
    READY = "ready"  # its directory is complete and never changes again
    FAILED = "failed"  # `error` says why
    CANCELLED = "cancelled"  # somebody ended it before it was ready; `error` says who
    COLLECTED = "collected"  # its directory was removed, because nothing had used it for long; its lock is kept


TRANSITIONS: dict[BuildState, frozenset[BuildState]] = {
    BuildState.QUEUED: frozenset({BuildState.BUILDING, BuildState.CANCELLED}),
    # Back to queued: the server was killed or stopped meanwhile.
    BuildState.BUILDING: frozenset(
        {BuildState.READY, BuildState.FAILED, BuildState.CANCELLED, BuildState.QUEUED},
    ),
    # Back to queued: its directory is gone (a restored backup, a disk that was changed); made again from its lock.
    BuildState.READY: frozenset({BuildState.COLLECTED, BuildState.QUEUED}),
    # Back to queued: a run needs it, or somebody activates it.
    BuildState.FAILED: frozenset({BuildState.QUEUED}),
    BuildState.CANCELLED: frozenset({BuildState.QUEUED}),
    BuildState.COLLECTED: frozenset({BuildState.QUEUED}),
}
UNFINISHED = (BuildState.QUEUED, BuildState.BUILDING)
