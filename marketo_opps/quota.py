"""`daily_call_limit`: the instance's API calls today, queried rarely and counted in between."""

from __future__ import annotations

import threading
import typing as t

from marketo_opps.errors import DailyLimitError

if t.TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS_BETWEEN_QUERIES = 300.0
_FEWEST_CALLS_BETWEEN_QUERIES = 10
_MOST_CALLS_BETWEEN_QUERIES = 200


class DailyCallLimit:
    """Counts the API calls of a day, and refuses calls that would exceed `daily_call_limit`.

    The usage endpoint is queried before the first call, and then more often the nearer the limit
    is, because other clients of the instance use up the daily API quota too. The query is a call
    itself.

    Args:
        limit: maximum number of calls a day.
        ask: returns how many calls all clients of the instance have made today. The API call that
            it makes for this is counted too, by `take(subject_to_limit=False)`.
        clock: returns monotonic seconds.
    """

    def __init__(
        self,
        limit: int,
        *,
        ask: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self._limit = limit
        self._ask = ask
        self._clock = clock
        # Reentrant, because the usage query calls `take` on the same thread.
        self._lock = threading.RLock()
        self._used = 0
        self._reported = 0
        self._next_query_at_use = 0
        self._next_query_at = clock()

    def take(self, *, subject_to_limit: bool = True) -> None:
        """Count an API call that is about to be made; raise an error if the limit is reached.

        Args:
            subject_to_limit: False for a call that is made even if the limit is reached.

        Raises:
            DailyLimitError: the call would exceed the limit.
        """
        with self._lock:
            if subject_to_limit:
                self._query_usage_if_due()
                self._raise_if_exhausted()
            self._used += 1

    def _query_usage_if_due(self) -> None:
        is_due = self._used >= self._next_query_at_use or self._clock() >= self._next_query_at
        # The last call within the limit is not spent on a query.
        if is_due and (self._used == 0 or self._used < self._limit - 1):
            self._query_usage()

    def _query_usage(self) -> None:
        reported = self._ask()
        # The total is reset at midnight only. Otherwise a lower total lags behind the latest calls.
        if reported < self._reported // 2:
            self._used = 0
        self._reported = reported
        # The reported total may not include the usage call itself.
        self._used = max(self._used, reported + 1)
        tenth_of_what_is_left = (self._limit - self._used) // 10
        self._next_query_at_use = self._used + min(
            max(tenth_of_what_is_left, _FEWEST_CALLS_BETWEEN_QUERIES),
            _MOST_CALLS_BETWEEN_QUERIES,
        )
        self._next_query_at = self._clock() + _SECONDS_BETWEEN_QUERIES

    def _raise_if_exhausted(self) -> None:
        if self._used >= self._limit:
            raise DailyLimitError(
                f"The instance has used {self._used:,} calls today and daily_call_limit is "
                f"{self._limit:,}: stopped before exceeding it. Run again after the daily API "
                "quota is reset at midnight US Central time, or raise the limit; nothing is lost."
            )
