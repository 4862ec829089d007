"""Progress of a run: when to log it, the time left, and the text of the log line."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps.pacing import WINDOW_SECONDS
from marketo_opps.wording import counted
from tap_marketo_opps.timestamps import from_iso_utc

if t.TYPE_CHECKING:
    from collections.abc import Callable

SECONDS_BETWEEN_LOGS = 10.0
_MINUTE = 60
_HOUR = 3600


class LogThrottle:
    """Limits how often progress is logged.

    Args:
        clock: Returns the time in seconds.
        seconds: Least number of seconds between two lines.
    """

    def __init__(self, clock: Callable[[], float], seconds: float = SECONDS_BETWEEN_LOGS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._due = clock() + seconds

    def is_due(self) -> bool:
        """Return True if it is time to log the progress of a run again.

        After True is returned, False is returned until the minimum number of seconds has passed
        again.
        """
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + self._seconds
        return True


class Pace:
    """Estimates how long the rest of a run will take.

    The rate limit lets calls through in bursts, one per window of time, such as 20 seconds. A speed
    measured over part of a window would be wrong, so the estimate compares only times that are a
    whole number of windows apart.

    Args:
        share: Fraction of the run that earlier attempts had done, from 0 to 1.
        window_seconds: Length of a window of the rate limit.
    """

    def __init__(self, share: float, window_seconds: float = WINDOW_SECONDS) -> None:
        self._window_seconds = window_seconds
        self._first_window = [(0.0, share)]

    def seconds_left(self, seconds: float, share: float) -> float | None:
        """Return the seconds that the rest of the run will take; None if unknown.

        Args:
            seconds: Seconds since this attempt began, more than in the previous call.
            share: Fraction of the run that is done, from 0 to 1.
        """
        if seconds < self._window_seconds:
            self._first_window.append((seconds, share))
            return None
        phase = seconds % self._window_seconds
        then, before = min(self._first_window, key=lambda sample: abs(sample[0] - phase))
        # When all keys of the first stage are looked up, later stages may still be reading.
        if share >= 1 or share <= before:
            return None
        return (seconds - then) / (share - before) * (1 - share)


def log_share(reached: str, since: str, until: str) -> float:
    """Return which fraction of a period of the activity log has been read, from 0 to 1.

    Args:
        reached: Timestamp up to which the log has been read.
        since: Timestamp of the beginning of the period.
        until: Timestamp of the end of the period.
    """
    begin = from_iso_utc(since)
    whole = (from_iso_utc(until) - begin).total_seconds()
    done = (from_iso_utc(reached) - begin).total_seconds()
    return min(max(done / whole, 0.0), 1.0) if whole > 0 else 1.0


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """The progress of a run at one time.

    Attributes:
        where: Text for what has been read, such as "300 of 900 leads".
        share: Fraction of the run that is done, from 0 to 1; None if unknown.
        records: Number of records emitted.
        calls: Number of calls made.
        seconds: Seconds since this attempt began.
        seconds_left: Estimated seconds for the rest; None if unknown.
    """

    where: str
    share: float | None
    records: int
    calls: int
    seconds: float
    seconds_left: float | None

    def summary(self) -> str:
        """Return the text of a progress line: what is done, calls per second, time left."""
        parts = [self.so_far()]
        if self.seconds > 0:
            parts.append(f"{self.calls / self.seconds:.1f} calls/s")
        if self.seconds_left is not None:
            parts.append(f"{format_duration(max(self.seconds_left, 1))} left")
        return ", ".join(parts)

    def so_far(self) -> str:
        """Return a text on how far the run has come: fraction done, records and calls so far."""
        records, calls = counted(self.records, "record"), counted(self.calls, "call")
        percent = "" if self.share is None else f"{100 * self.share:.0f} % ({self.where})"
        return f"{percent or self.where}, {records}, {calls}"


def format_duration(seconds: float) -> str:
    """Return a duration as text in seconds, minutes or hours."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
