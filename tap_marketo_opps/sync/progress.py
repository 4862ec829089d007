"""How far a run is: when to log it, and in which words."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps.pacing import WINDOW_SECONDS
from marketo_opps.wording import counted
from tap_marketo_opps.moments import from_iso_utc

if t.TYPE_CHECKING:
    from collections.abc import Callable

SECONDS_BETWEEN_LOGS = 10.0
_MINUTE = 60
_HOUR = 3600


class LogThrottle:
    """Lets something be logged now and then, but not too often.

    Args:
        clock: Seconds that pass.
        seconds: At least so many lie between two times.
    """

    def __init__(self, clock: Callable[[], float], seconds: float = SECONDS_BETWEEN_LOGS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._due = clock() + seconds

    def is_due(self) -> bool:
        """Return True if the last time is long enough ago, and count the next one from now."""
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + self._seconds
        return True


class Pace:
    """Estimates how long the rest of a run will take.

    Calls go out in bursts, as many at once as the limit lets through and then none until its window
    is over. So only moments are compared that lie whole windows apart.

    Args:
        share: What earlier attempts had done, of 1.
        window_seconds: Length of a window.
    """

    def __init__(self, share: float, window_seconds: float = WINDOW_SECONDS) -> None:
        self._window_seconds = window_seconds
        self._first_window = [(0.0, share)]

    def seconds_left(self, seconds: float, share: float) -> float | None:
        """Return the seconds that the rest will take; None where that cannot be told yet.

        Args:
            seconds: Since this attempt began; more than at the last call.
            share: Done by now, of 1.
        """
        if seconds < self._window_seconds:
            self._first_window.append((seconds, share))
            return None
        phase = seconds % self._window_seconds
        then, before = min(self._first_window, key=lambda sample: abs(sample[0] - phase))
        # Where all keys are looked up, what they have led to may still have to be.
        if share >= 1 or share <= before:
            return None
        return (seconds - then) / (share - before) * (1 - share)


def log_share(reached: str, since: str, until: str) -> float:
    """Return how much of the activity log from one moment to another has been read, of 1."""
    begin = from_iso_utc(since)
    whole = (from_iso_utc(until) - begin).total_seconds()
    done = (from_iso_utc(reached) - begin).total_seconds()
    return min(max(done / whole, 0.0), 1.0) if whole > 0 else 1.0


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """How far a run is.

    Attributes:
        where: What has been done, of what.
        share: How much that is, of 1; None where nobody knows.
        records: Emitted.
        calls: Made.
        seconds: Since this attempt began.
        seconds_left: For the rest, where that can be told.
    """

    where: str
    share: float | None
    records: int
    calls: int
    seconds: float
    seconds_left: float | None

    def summary(self) -> str:
        """Return what is done, how fast, and how long the rest will take."""
        parts = [self.so_far()]
        if self.seconds > 0:
            parts.append(f"{self.calls / self.seconds:.1f} calls/s")
        if self.seconds_left is not None:
            parts.append(f"{format_duration(max(self.seconds_left, 1))} left")
        return ", ".join(parts)

    def so_far(self) -> str:
        """Return what is done, without what that means for the rest."""
        records, calls = counted(self.records, "record"), counted(self.calls, "call")
        percent = "" if self.share is None else f"{100 * self.share:.0f} % ({self.where})"
        return f"{percent or self.where}, {records}, {calls}"


def format_duration(seconds: float) -> str:
    """Return seconds in the unit that fits."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
