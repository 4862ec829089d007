"""How far a run is: when to log it, and in which words."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps.wording import counted

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


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """How far a run is.

    Attributes:
        done: Keys looked up, over all attempts.
        done_before: Those of them that earlier attempts did.
        total: Keys in all, where that is known.
        noun: What users call one of the keys.
        reached: Up to when the activity log was read, where it is.
        records: Emitted.
        calls: Made.
        seconds: Since this attempt began.
    """

    done: int
    done_before: int
    total: int | None
    noun: str
    reached: str | None
    records: int
    calls: int
    seconds: float

    def summary(self) -> str:
        """Return what is done, how fast, and how long the rest will take."""
        parts = [self.so_far()]
        if self.seconds > 0:
            parts.append(f"{self.calls / self.seconds:.1f} calls/s")
        if (left := self._seconds_left()) is not None:
            parts.append(f"{format_duration(max(left, 1))} left")
        return ", ".join(parts)

    def so_far(self) -> str:
        """Return what is done, without what that means for the rest."""
        records, calls = counted(self.records, "record"), counted(self.calls, "call")
        return f"{self._where()}, {records}, {calls}"

    def _where(self) -> str:
        if self.reached:
            return f"activity log read up to {self.reached}"
        return f"{self.done:,} of {counted(self.total or 0, self.noun)}"

    def _seconds_left(self) -> float | None:
        done_now = self.done - self.done_before
        # Where all keys are looked up, what they have led to may still have to be.
        if self.total is None or not done_now or self.done >= self.total:
            return None
        return self.seconds / done_now * (self.total - self.done)


def format_duration(seconds: float) -> str:
    """Return seconds in the unit that fits."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
