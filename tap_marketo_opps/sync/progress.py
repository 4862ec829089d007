"""What users are told while a run goes on, and at its end."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Callable

SECONDS_BETWEEN_LINES = 10.0
_MINUTE = 60
_HOUR = 3600


class Pulse:
    """Lets something be told now and then, but not too often."""

    def __init__(self, clock: Callable[[], float], seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self._clock = clock
        self._seconds = seconds
        self._due = clock() + seconds

    @property
    def is_due(self) -> bool:
        """Whether the last time is long enough ago; if so, the next one is counted from now."""
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + self._seconds
        return True


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a run is.

    Attributes:
        done: keys looked up, over all attempts.
        done_before: those of them that earlier attempts did.
        total: keys in all, where that is known.
        noun: what users call the keys.
        reached: up to when the activity log was read, where it is.
        records: emitted.
        calls: made.
        seconds: since this attempt began.
    """

    done: int
    done_before: int
    total: int | None
    noun: str
    reached: str | None
    records: int
    calls: int
    seconds: float

    def line(self) -> str:
        """As one line."""
        parts = [self.so_far()]
        if self.seconds > 0:
            parts.append(f"{self.calls / self.seconds:.1f} calls/s")
        if (left := self._seconds_left()) is not None:
            parts.append(f"{duration(max(left, 1))} left")
        return ", ".join(parts)

    def so_far(self) -> str:
        """What is done, without what that means for the rest."""
        records, calls = counted(self.records, "record"), counted(self.calls, "call")
        return f"{self._where()}, {records}, {calls}"

    def _where(self) -> str:
        if self.reached:
            return f"activity log read up to {self.reached}"
        return f"{self.done:,} of {self.total:,} {self.noun}"

    def _seconds_left(self) -> float | None:
        done_now = self.done - self.done_before
        # Where all keys are looked up, what they have led to may still have to be.
        if self.total is None or not done_now or self.done >= self.total:
            return None
        return self.seconds / done_now * (self.total - self.done)


def counted(number: int, noun: str) -> str:
    """A number of things, by a noun that takes an `s` or `ies` for more than one."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """Seconds in the unit that fits."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
