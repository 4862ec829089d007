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
            ask: the instance's calls of the day so far, all who use it taken together.
            clock: monotonic seconds.
        """
        self._limit = limit
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._used = 0
        self._calls_before_asking = 0
        self._ask_at = clock()

    def take(self) -> None:
        """Count one call that is about to be made.

        Raises:
            DailyLimitError: it would pass the limit.
        """
        with self._lock:
            if self._calls_before_asking <= 0 or self._clock() >= self._ask_at:
                self._ask_anew()
            self._raise_if_used_up()
            self._used += 1
            self._calls_before_asking -= 1

    def _ask_anew(self) -> None:
        reported = self._ask()
        # The answer may lag behind the calls just made, our own among them; but a drop to less
        # than half is the reset at midnight.
        started_anew = reported < self._used // 2
        # And it may not count the call that asked.
        self._used = 1 + (reported if started_anew else max(reported, self._used))
        left = self._limit - self._used
        self._calls_before_asking = min(
            max(left // 10, _FEWEST_CALLS_BETWEEN_ASKING),
            _MOST_CALLS_BETWEEN_ASKING,
        )
        self._ask_at = self._clock() + _ASK_AGAIN_AFTER_SECONDS

    def _raise_if_used_up(self) -> None:
        if self._used >= self._limit:
            raise DailyLimitError(
                f"The instance has used {self._used:,} calls today and daily_call_limit is "
                f"{self._limit:,}: stopped before it would be passed. Run again after the quota is "
                "reset at midnight US Central time, or raise the limit; nothing is lost."
            )
