"""API limits of the instance: calls in a sliding window, concurrent calls, calls per day.

Rate limit and concurrency are counted in real time, like those of a real server. The daily API
quota follows the instance's own clock, so that a test can move the clock past midnight.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from marketo_sandbox.instance.errors import CallRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from marketo_sandbox.instance.usage import DailyUsage
    from marketo_sandbox.options import LimitOptions

NOT_COUNTED = frozenset({"601", "602", "604", "605", "608", "611"})
"""Error codes marked by Adobe: calls with them count against neither daily quota nor rate limit."""


class CountedCall(NamedTuple):
    """A call that has been counted against rate limit and daily quota.

    Attributes:
        user: API user who made the call.
        day: day of the daily quota on which the call was counted.
        arrived: monotonic real seconds at which the call arrived.
    """

    user: str
    day: str
    arrived: float


class Limits:
    """Count calls as they arrive, and refuse each call that exceeds a limit.

    Args:
        options: values of the limits; a change of them takes effect at the next call.
        usage: counts the calls of each day, for the daily quota.
        monotonic: returns monotonic real seconds, for the sliding window.
    """

    def __init__(
        self, options: LimitOptions, usage: DailyUsage, monotonic: Callable[[], float]
    ) -> None:
        self.options = options
        self._usage = usage
        self._monotonic = monotonic
        self._arrivals: deque[float] = deque()
        self.in_flight = 0
        self.most_in_flight = 0
        self.most_in_window = 0

    def count(self, user: str) -> CountedCall:
        """Count a call that has arrived, and refuse it if it exceeds an API limit.

        Args:
            user: API user who makes the call.

        Returns:
            The counted call, which ``uncount`` takes.

        Raises:
            CallRefusedError: 607 (daily quota), 606 (rate limit) or 615 (concurrent calls), checked
                in that order; a refused call counts too.
        """
        used_today = self._usage.calls_today()
        counted = CountedCall(user, self._usage.add_calls(1, user), self._monotonic())
        in_window = self._arrive(counted.arrived)
        if self.options.enforced:
            self._check(used_today, in_window)
        return counted

    def uncount(self, counted: CountedCall) -> None:
        """Remove a call from the counts, because calls with its error code do not count."""
        # While the call was processed, it may have left the window, or a reset may have removed it.
        if counted.arrived in self._arrivals:
            self._arrivals.remove(counted.arrived)
        self._usage.remove_call(counted.user, counted.day)

    def enter(self) -> None:
        """Add one to the number of calls in flight, when the processing of a call begins."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def leave(self) -> None:
        """Subtract one from the number of calls in flight, when the processing of a call ends."""
        self.in_flight -= 1

    def in_window(self) -> int:
        """Return how many calls the rate limit counts now: those of the last ``window_seconds``."""
        return self._count_window(self._monotonic())

    def reset(self) -> None:
        """Forget all calls of the rate limit's window, and restart the recording of maxima.

        The maxima are the highest numbers of calls in flight and of calls in the window. Calls in
        flight still count as calls in flight.
        """
        self._arrivals.clear()
        self.most_in_flight = self.in_flight
        self.most_in_window = 0

    def _arrive(self, now: float) -> int:
        self._arrivals.append(now)
        in_window = self._count_window(now)
        self.most_in_window = max(self.most_in_window, in_window)
        return in_window

    def _count_window(self, now: float) -> int:
        begin = now - self.options.window_seconds
        while self._arrivals and self._arrivals[0] <= begin:
            self._arrivals.popleft()
        return len(self._arrivals)

    def _check(self, used_today: int, in_window: int) -> None:
        limits = self.options
        if used_today >= limits.daily_calls:
            raise CallRefusedError("607")
        if in_window > limits.calls_per_window:
            message = "Max rate limit '{}' exceeded with in '{:g}' secs"
            raise CallRefusedError(
                "606", message.format(limits.calls_per_window, limits.window_seconds)
            )
        if self.in_flight >= limits.concurrent_calls:
            raise CallRefusedError("615")
