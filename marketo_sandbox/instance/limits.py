"""The instance's limits: calls in a sliding window, concurrent calls, calls per day.

Rate and concurrency are counted in real time, as they protect a real server; the day follows the
instance's own clock, so that a test can let midnight pass.
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
"""Codes that Adobe stars: such a call counts against neither quota nor rate."""


class CountedCall(NamedTuple):
    """A call that has been counted: by whom, on which day of the quota, when by the window."""

    user: str
    day: str
    arrived: float


class Limits:
    """Count calls as they arrive and refuse those past a limit.

    Args:
        options: the limits themselves; may be changed while calls run.
        usage: the calls of each day.
        monotonic: real seconds, for the window.
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
        """Count a call as it arrives; return what ``uncount`` takes.

        Raises:
            CallRefusedError: 607, 606 or 615, in that order; such a call has been counted.
        """
        used_today = self._usage.calls_today()
        counted = CountedCall(user, self._usage.add_calls(1, user), self._monotonic())
        in_window = self._arrive(counted.arrived)
        if self.options.enforced:
            self._check(used_today, in_window)
        return counted

    def uncount(self, counted: CountedCall) -> None:
        """Uncount a call that has ended with a code that does not count."""
        # It may have left the window, and a reset may have dropped it, while it was worked on.
        if counted.arrived in self._arrivals:
            self._arrivals.remove(counted.arrived)
        self._usage.remove_call(counted.user, counted.day)

    def enter(self) -> None:
        """Count a call that was not refused as in flight."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def leave(self) -> None:
        """Count a call in flight as done."""
        self.in_flight -= 1

    def in_window(self) -> int:
        """Return how many calls were counted in the window that ends now."""
        return self._count_window(self._monotonic())

    def reset(self) -> None:
        """Empty the window and reset the peaks; calls in flight stay counted."""
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
