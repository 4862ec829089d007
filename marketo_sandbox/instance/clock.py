"""The instance's own clock, which dates everything: it can be set, moved and frozen."""

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
    except ZoneInfoNotFoundError:  # a machine without time zones: what Adobe prints, CST all year
        return timezone(timedelta(hours=-6))


CENTRAL = _central()
# A year before the last that a datetime can hold, as the clock runs on from there.
LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
OUT_OF_RANGE = "the clock must be set to a year from 1970 to 9998"


def _validated(seconds: float) -> float:
    if not 0 <= seconds <= LATEST:
        raise ValueError(OUT_OF_RANGE)
    return seconds


class Clock:
    """A clock: real time plus an offset, or a frozen moment.

    Args:
        real: returns seconds since 1970.
    """

    def __init__(self, real: Callable[[], float] = time.time) -> None:
        self._real = real
        self._offset_seconds = 0.0
        self._frozen_at: float | None = None

    def seconds(self) -> float:
        """Return seconds since 1970, by this clock."""
        if self._frozen_at is not None:
            return self._frozen_at
        return self._real() + self._offset_seconds

    def now(self) -> datetime:
        """Return the time as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def set(self, moment: datetime, *, frozen: bool = False) -> None:
        """Set the clock to a moment, and freeze it there or let it run on.

        Raises:
            ValueError: for a moment out of range; the clock is then unchanged.
        """
        seconds = _validated(moment.timestamp())
        self._offset_seconds = seconds - self._real()
        self._frozen_at = seconds if frozen else None

    def advance(self, seconds: float) -> None:
        """Move the clock forward (or back, with a negative number); a frozen one stays frozen.

        Raises:
            ValueError: if that is out of range; the clock is then unchanged.
        """
        _validated(self.seconds() + seconds)
        self._offset_seconds += seconds
        if self._frozen_at is not None:
            self._frozen_at += seconds

    @property
    def frozen(self) -> bool:
        """Return True if the clock is frozen."""
        return self._frozen_at is not None

    @property
    def offset_seconds(self) -> float:
        """Return the seconds that this clock is ahead of real time while it runs."""
        return self._offset_seconds

    def day(self) -> str:
        """Return the day of the quota, which ends at midnight US Central."""
        return self.now().astimezone(CENTRAL).date().isoformat()

    def last_days(self, count: int) -> list[str]:
        """Return the last days of the quota, today's first."""
        today = self.now().astimezone(CENTRAL).date()
        return [(today - timedelta(days=back)).isoformat() for back in range(count)]
