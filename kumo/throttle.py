"""Keeps a script to the pace that its task allows: `from kumo.throttle import throttle`.

Kumo puts a copy of this file on the path of every script. It needs nothing but the standard library, and any Python
from 3.6 on. Outside Kumo, or where the task sets no limit, it never waits, so the same script runs everywhere.

    from kumo.throttle import throttle

    for url in urls:
        throttle()               # waits until the next request may be made
        requests.get(url)

Requests of all threads of the process count together; processes count each for themselves.
"""

import os
import threading
import time
from typing import Any, Callable, Mapping, Optional

__all__ = ["Throttle", "interval_seconds", "throttle"]


def interval_seconds(environ: Mapping[str, str] = os.environ) -> float:
    """The least number of seconds between two requests, by the stricter of the two limits; 0 without any."""
    interval = float(environ.get("REQUEST_INTERVAL_MS") or 0) / 1000
    rate = float(environ.get("MAX_REQUESTS_PER_SECOND") or 0)
    return max(interval, 1 / rate if rate else 0)


class Throttle:
    """Lets callers through one after the other, at least `seconds` apart. Also a context manager and a decorator."""

    def __init__(self, seconds: Optional[float] = None) -> None:
        self.seconds = interval_seconds() if seconds is None else seconds
        self._lock = threading.Lock()
        self._next = 0.0

    def __call__(self, function: Optional[Callable[..., Any]] = None) -> Any:
        """Wait for the next turn; or, given a function, return one that waits before each call."""
        if function is not None:
            return self._wrapped(function)
        if self.seconds > 0:
            # A turn is taken under the lock and waited for outside it: who comes later is not held up by who sleeps.
            with self._lock:
                now = time.monotonic()
                turn = max(now, self._next)
                self._next = turn + self.seconds
            time.sleep(turn - now)
        return None

    def __enter__(self) -> "Throttle":
        """Wait for the next turn."""
        self()
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def _wrapped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def waits_first(*arguments: Any, **named: Any) -> Any:
            self()
            return function(*arguments, **named)

        waits_first.__name__ = getattr(function, "__name__", "waits_first")
        waits_first.__doc__ = function.__doc__
        return waits_first


throttle = Throttle()
