"""What is just being used of the store, which therefore nobody removes.

The data directory belongs to one process, so that its memory is the whole truth about what is under way: a restart ends
every change that was under way, and begins with nothing claimed. No clock of the wall is asked: it may jump.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic

# From storing a state to the end of the transaction that names it takes seconds, at the worst. The rest is for the
# sweep: it begins with what the rows name at some moment, and must be over before a claim released just then ends.
LASTS_SECONDS = 3600.0


class Claims:
    """Blobs that changes under way have written or found, and directories that were handed out to runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blobs: Counter[str] = Counter()
        self._ended: deque[tuple[float, Iterable[str]]] = deque()
        self._trees: dict[str, float] = {}

    def claim_blob(self, digest: str) -> None:
        """Keep a blob, whether it is there yet or not, until its batch has been released for a while.

        Claim first, then look whether it is there: what was removed before is then seen to be missing.
        """
        with self._lock:
            self._blobs[digest] += 1

    def release_blobs(self, digests: Iterable[str]) -> None:
        """The batch that has claimed these, each once, is stored; soon a row names them, or never."""
        with self._lock:
            self._forget_old()
            self._ended.append((monotonic() + LASTS_SECONDS, digests))

    def claim_tree(self, tree_hash: str) -> None:
        """Note that somebody is about to use the directory of a state; claim first, then look whether it is there."""
        with self._lock:
            self._trees[tree_hash] = monotonic()

    def remove_blob(self, digest: str, path: Path) -> int | None:
        """Remove a blob unless it is claimed, both at one moment as seen by whoever claims; how many bytes that frees.

        None where it stays, or is gone already.
        """
        with self._lock:
            self._forget_old()
            if digest in self._blobs:
                return None
            try:
                size = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                return None
            return size

    def take_tree(self, tree_hash: str, take: Callable[[], None], *, looked_at: float) -> bool:
        """Take its name from a directory unless it was claimed since its users were looked up, likewise."""
        with self._lock:
            if self._trees.get(tree_hash, float("-inf")) >= looked_at:
                return False
            self._trees.pop(tree_hash, None)
            take()
            return True

    def forget_ended(self) -> None:
        """Give back the memory of claims that have ended; those of a large upload are some megabytes."""
        with self._lock:
            self._forget_old()

    def _forget_old(self) -> None:
        while self._ended and self._ended[0][0] < monotonic():
            for digest in self._ended.popleft()[1]:
                self._blobs[digest] -= 1
                if not self._blobs[digest]:
                    del self._blobs[digest]


_claims_of: dict[Path, Claims] = {}


def claims_of(home: Path) -> Claims:
    """The claims in a data directory: one for all who use it."""
    return _claims_of.setdefault(home, Claims())
