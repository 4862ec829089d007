"""Log a progress line at regular intervals."""

from __future__ import annotations

import logging
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = logging.getLogger("target-marketo-opps")


class ProgressLog:
    """Logs a progress line whenever an interval has passed.

    Args:
        line: returns the line, given the seconds since the start of the run.
        clock: returns seconds of a monotonic clock.
        interval_seconds: time between two lines.

    Attributes:
        due_at: when the next line is due, by the clock.
    """

    def __init__(
        self,
        line: Callable[[float], str],
        *,
        clock: Callable[[], float],
        interval_seconds: float = 10.0,
    ) -> None:
        self._line = line
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._began_at = clock()
        self.due_at = self._began_at + interval_seconds

    def log_due(self) -> None:
        """Log a progress line, if the interval since the last one has passed."""
        now = self._clock()
        if now >= self.due_at:
            self.due_at = now + self._interval_seconds
            _LOGGER.info("%s", self._line(now - self._began_at))
