"""`daily_call_limit`: the instance's calls of the day, asked for seldom and counted in between."""

from __future__ import annotations

import threading
import typing as t

from marketo_opps.errors import DailyLimitError

if t.TYPE_CHECKING:
    from collections.abc import Callable

_ASK_AGAIN_AFTER_SECONDS = 300.0
_FEWEST_CALLS_BETWEEN_ASKING = 10
_MOST_CALLS_BETWEEN_ASKING = 200


class DailyCallLimit:
    """Lets a call go only if the instance's calls of the day would not pass a limit.

    The usage endpoint is asked before the first call and then the more often the nearer the limit
    is, because other tools of the company use it up as well. Asking is a call itself.
    """

    def __init__(
        self,
        limit: int,
        *,
        ask: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        """Start without having asked.

        Args:
            limit: the most calls a day.
            ask: the instance's calls of the day so far, all who use it taken together. The calls
                that it makes for this are told to `take`, too, as heeding no limit.
            clock: monotonic seconds.
        """
        self._limit = limit
        self._ask = ask
        self._clock = clock
        # Taken again by the call that asks, on the same thread.
        self._lock = threading.RLock()
        self._used = 0
        self._reported = 0
        self._ask_again_at_use = 0
        self._ask_again_at = clock()

    def take(self, *, heeds: bool = True) -> None:
        """Count one call that is about to be made.

        Args:
            heeds: false for a call that is made whatever the limit.

        Raises:
            DailyLimitError: it would pass the limit.
        """
        with self._lock:
            if heeds:
                self._ask_if_due()
                self._raise_if_used_up()
            self._used += 1

    def _ask_if_due(self) -> None:
        is_due = self._used >= self._ask_again_at_use or self._clock() >= self._ask_again_at
        # The last call that the limit leaves is not spent on asking how many are left.
        if is_due and (self._used == 0 or self._used < self._limit - 1):
            self._ask_anew()

    def _ask_anew(self) -> None:
        reported = self._ask()
        # The day's total falls at midnight alone. Otherwise it may lag behind the calls just made.
        if reported < self._reported // 2:
            self._used = 0
        self._reported = reported
        # It may not hold the call that asked.
        self._used = max(self._used, reported + 1)
        tenth_of_what_is_left = (self._limit - self._used) // 10
        self._ask_again_at_use = self._used + min(
            max(tenth_of_what_is_left, _FEWEST_CALLS_BETWEEN_ASKING),
            _MOST_CALLS_BETWEEN_ASKING,
        )
        self._ask_again_at = self._clock() + _ASK_AGAIN_AFTER_SECONDS

    def _raise_if_used_up(self) -> None:
        if self._used >= self._limit:
            raise DailyLimitError(
                f"The instance has used {self._used:,} calls today and daily_call_limit is "
                f"{self._limit:,}: stopped before it would be passed. Run again after the quota is "
                "reset at midnight US Central time, or raise the limit; nothing is lost."
            )
