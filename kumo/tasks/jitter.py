"""Jitter: moments that many tasks share are spread over a while. Pure.

The rule: a nominal moment is due later by a part of the jitter that follows from the trigger's id and the moment alone,
so that whoever computes it gets the same. The delay never reaches the next nominal moment, nor passes the trigger's
end: where the jitter is longer than that, a part of the shorter time is taken. So there are as many due moments as
nominal ones, in the same order, and each lies in its own distance to the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

LONGEST_JITTER_SECONDS = 3600

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")
_WHOLE = 2**64
_CLOSE = timedelta(seconds=60)

Nominal = Callable[[datetime], Iterator[datetime]]


def due_after(
    nominal_after: Nominal, after: datetime, *, jitter: timedelta, seed: int, end_at: datetime | None
) -> Iterator[datetime]:
    """The due moments strictly after `after`; `nominal_after` gives the nominal ones strictly after a moment."""
    for nominal, following in _with_next(nominal_after(_before_which_all_is_due(nominal_after, after, jitter))):
        room = min([jitter, *(limit - nominal for limit in (following, end_at) if limit is not None)])
        due = nominal + delay(room, seed=seed, nominal=nominal)
        if due > after:
            yield due


def delay(room: timedelta, *, seed: int, nominal: datetime) -> timedelta:
    """The part of `room` by which one moment is late, in whole milliseconds; less than all of it."""
    key = f"{seed}:{(nominal - _EPOCH) // timedelta(microseconds=1)}".encode()
    share = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
    # In whole numbers: a float of such a share could round up to all of it.
    microseconds = room // timedelta(microseconds=1) * share // _WHOLE
    return timedelta(microseconds=microseconds) // _MILLISECOND * _MILLISECOND


def _before_which_all_is_due(nominal_after: Nominal, after: datetime, jitter: timedelta) -> datetime:
    """A moment up to which every nominal one is due by `after`, as late as is cheaply found.

    Only the last nominal one before `after` can still be late. Where there is one within the minute before, looking
    back that far is enough: an hour of a trigger that is due each second would be long to go through.
    """
    if jitter <= _CLOSE:
        return after - jitter
    first = next(nominal_after(after - _CLOSE), None)
    return after - _CLOSE if first is not None and first <= after else after - jitter


def _with_next(moments: Iterator[datetime]) -> Iterator[tuple[datetime, datetime | None]]:
    """Each moment with the one that follows it."""
    present = next(moments, None)
    while present is not None:
        following = next(moments, None)
        yield present, following
        present = following
