"""What a script and all that it starts may use together, and what follows when it uses more. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_PERIOD_SECONDS = 0.1
_SHORTEST_SECONDS = 0.01  # the kernel tells the CPU time of others no finer


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The most of each; None is no limit."""

    memory_bytes: int | None = None
    cpu_percent: float | None = None  # of one core
    processes: int | None = None

    @property
    def are_none(self) -> bool:
        """Whether there is nothing to hold a script to."""
        return self.memory_bytes is None and self.cpu_percent is None and self.processes is None


class DutyCycle:
    """Says when a tree of processes may go and when it must stand, so that it uses its share of the CPU and no more.

    Time earns credit, CPU time spends it. Who has none left stands until there is half a period's worth again, which
    is also the most that is saved up: who was idle for an hour may not be busy for the next.
    """

    def __init__(self, cpu_percent: float, at: float, cpu_seconds: float) -> None:
        self._share = cpu_percent / 100
        self._full = self._credit = self._share * _PERIOD_SECONDS / 2
        self._at = at
        self._cpu_seconds = cpu_seconds
        self._rate = 1.0  # cores used while it went last; a single thread uses one at the most
        self.stands = False
        self.next_at = at + _SHORTEST_SECONDS

    def decide(self, at: float, cpu_seconds: float) -> None:
        """Take the CPU time used until now into account, and set `stands` and the time of the next decision."""
        elapsed = at - self._at
        used = max(0.0, cpu_seconds - self._cpu_seconds)  # less than before: somebody ended and was not waited for yet
        self._credit = min(self._credit + self._share * elapsed - used, self._full)
        if not self.stands and elapsed > 0:
            self._rate = max(1.0, used / elapsed)
        self._at, self._cpu_seconds = at, max(cpu_seconds, self._cpu_seconds)
        wanted = self._full if self.stands else 0.0
        self.stands = self._credit < wanted
        if self.stands:
            pause = (self._full - self._credit) / self._share
        else:
            spends = self._rate - self._share
            pause = min(self._credit / spends, _PERIOD_SECONDS) if spends > 0 else _PERIOD_SECONDS
        self.next_at = at + max(pause, _SHORTEST_SECONDS)


def memory_reason(used_bytes: int, limit_bytes: int) -> str:
    """Why a script was ended that used too much memory."""
    return f"Ended because it used {human_size(used_bytes)} of {human_size(limit_bytes)} of memory."


def processes_reason(started: int, limit: int) -> str:
    """Why a script was ended that started too many processes."""
    return f"Ended because it started {started} of {limit} processes allowed."


def human_size(size_bytes: int) -> str:
    """`1.02 GiB`: three digits at the most, in the units of the web interface."""
    value, unit = float(size_bytes), 0
    while round(value) >= 1024 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - that is what the units mean
        value /= 1024
        unit += 1
    digits = 0 if unit == 0 else max(0, 3 - len(str(int(value))))
    text = f"{value:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if digits else text} {_UNITS[unit]}"
