"""The instance's own clock: it may be set, moved and stopped, and everything dated obeys it."""

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
# A year before the last that can be shown, for the clock goes on from there.
LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
OUT_OF_RANGE = "the clock goes from 1970 to the end of 9998"


def _validated(seconds: float) -> float:
    if not 0 <= seconds <= LATEST:
        raise ValueError(OUT_OF_RANGE)
    return seconds


class Clock:
    """Real time plus an offset, or a moment that stands still.

    Args:
        real: seconds since 1970; passed in so that tests can hold it.
    """

    def __init__(self, real: Callable[[], float] = time.time) -> None:
        self._real = real
        self._offset_seconds = 0.0
        self._frozen_at: float | None = None

    def seconds(self) -> float:
        """Seconds since 1970, by this clock."""
        if self._frozen_at is not None:
            return self._frozen_at
        return self._real() + self._offset_seconds

    def now(self) -> datetime:
        """The moment, aware and in UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def set(self, moment: datetime, *, frozen: bool = False) -> None:
        """Go to a moment, and stay there or go on from it.

        Raises:
            ValueError: for one that it cannot show; the clock is then as it was.
        """
        seconds = _validated(moment.timestamp())
        self._offset_seconds = seconds - self._real()
        self._frozen_at = seconds if frozen else None

    def advance(self, seconds: float) -> None:
        """Go forward (or back, with a negative number), standing or running as before.

        Raises:
            ValueError: when that leads to a moment that it cannot show; it is then as it was.
        """
        _validated(self.seconds() + seconds)
        self._offset_seconds += seconds
        if self._frozen_at is not None:
            self._frozen_at += seconds

    @property
    def frozen(self) -> bool:
        """Whether the clock stands still."""
        return self._frozen_at is not None

    @property
    def offset_seconds(self) -> float:
        """How far this clock is ahead of real time while it runs."""
        return self._offset_seconds

    def day(self) -> str:
        """The day of the quota, which ends at midnight US Central."""
        return self.now().astimezone(CENTRAL).date().isoformat()

    def last_days(self, count: int) -> list[str]:
        """That day and those before it, the newest first."""
        today = self.now().astimezone(CENTRAL).date()
        return [(today - timedelta(days=back)).isoformat() for back in range(count)]
