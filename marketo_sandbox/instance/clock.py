"""The clock of an instance, which dates records, tokens and calls, and which tests can set."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

DAY_SECONDS = 86_400


def _central() -> tzinfo:
    try:
        return ZoneInfo("America/Chicago")
    except ZoneInfoNotFoundError:  # no time zone data installed: CST all year, as Adobe documents
        return timezone(timedelta(hours=-6))


CENTRAL = _central()
# One year before the maximum of datetime, because the clock runs on after it is set.
LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
OUT_OF_RANGE = "the clock must be set to a year from 1970 to 9998"


def _validated(seconds: float) -> float:
    if not 0 <= seconds <= LATEST:
        raise ValueError(OUT_OF_RANGE)
    return seconds


class Clock:
    """A clock that runs ahead of or behind real time by an offset, or stands still (frozen).

    Args:
        real: returns the real time in seconds since 1970.
    """

    def __init__(self, real: Callable[[], float] = time.time) -> None:
        self._real = real
        self._offset_seconds = 0.0
        self._frozen_at: float | None = None

    def seconds(self) -> float:
        """Return the time of this clock in seconds since 1970."""
        if self._frozen_at is not None:
            return self._frozen_at
        return self._real() + self._offset_seconds

    def now(self) -> datetime:
        """Return the time of this clock as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def set(self, moment: datetime, *, frozen: bool = False) -> None:
        """Set the clock to a moment; it then runs on, or stands still if ``frozen`` is True.

        Raises:
            ValueError: if the moment is out of range; the clock is then unchanged.
        """
        seconds = _validated(moment.timestamp())
        self._offset_seconds = seconds - self._real()
        self._frozen_at = seconds if frozen else None

    def advance(self, seconds: float) -> None:
        """Move the clock forward by seconds, or back if they are negative.

        A frozen clock stays frozen.

        Raises:
            ValueError: if the new time is out of range; the clock is then unchanged.
        """
        _validated(self.seconds() + seconds)
        self._offset_seconds += seconds
        if self._frozen_at is not None:
            self._frozen_at += seconds

    @property
    def frozen(self) -> bool:
        """Return True if the clock stands still."""
        return self._frozen_at is not None

    @property
    def offset_seconds(self) -> float:
        """Return by how many seconds the clock is ahead of real time; negative if it is behind.

        While the clock is frozen, return the offset that it had when it was frozen, plus what
        ``advance`` has added since.
        """
        return self._offset_seconds

    def day(self) -> str:
        """Return the current day of the daily API quota (ISO date), in US Central time."""
        return self.now().astimezone(CENTRAL).date().isoformat()

    def last_days(self, count: int) -> list[str]:
        """Return the last ``count`` days of the daily API quota (ISO dates), today first."""
        today = self.now().astimezone(CENTRAL).date()
        return [(today - timedelta(days=back)).isoformat() for back in range(count)]
