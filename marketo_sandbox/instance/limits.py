"""The instance's limits: calls in a sliding window, calls at once, calls a day.

Rate and concurrency are counted in real time, as they protect a real server; the day follows the
instance's own clock, so that a test can let midnight pass.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from marketo_sandbox.instance.errors import CallRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from marketo_sandbox.instance.clock import Clock
    from marketo_sandbox.options import LimitOptions

NOT_COUNTED = frozenset({"601", "602", "604", "605", "608", "611"})
"""Codes that Adobe stars: such a call counts against neither quota nor rate."""

DAYS_KEPT = 7


class Counted(NamedTuple):
    """A call that has been counted: by whom, on which day of the quota, when by the window."""

    user: str
    day: str
    arrived: float


class Limits:
    """Counts calls as they arrive and refuses those past a limit.

    Args:
        options: the limits themselves; may be changed while calls run.
        clock: decides which day it is.
        monotonic: real seconds, for the window.
    """

    def __init__(self, options: LimitOptions, clock: Clock, monotonic: Callable[[], float]) -> None:
        self.options = options
        self._clock = clock
        self._monotonic = monotonic
        self._arrivals: deque[float] = deque()
        self.in_flight = 0
        self.most_in_flight = 0
        self.most_in_window = 0
        self.by_day: dict[str, Counter[str]] = {}
        self.errors_by_day: dict[str, Counter[str]] = {}

    def count(self, user: str) -> Counted:
        """Count a call as it comes; what is returned takes it back.

        Raises:
            CallRefusedError: 607, 606 or 615, in that order; such a call has been counted.
        """
        used = self.calls_today()
        self._today(self.by_day)[user] += 1
        counted = Counted(user, self._clock.day(), self._monotonic())
        in_window = self._arrive(counted.arrived)
        if self.options.enforced:
            self._check(used, in_window)
        return counted

    def take_back(self, counted: Counted) -> None:
        """Uncount a call that has ended with a code that does not count."""
        # The window may have passed it, and a reset may have forgotten it, while it was worked on.
        if counted.arrived in self._arrivals:
            self._arrivals.remove(counted.arrived)
        if counted.day in self.by_day:
            self.by_day[counted.day] -= Counter([counted.user])

    def _arrive(self, now: float) -> int:
        self._arrivals.append(now)
        in_window = self._within(now)
        self.most_in_window = max(self.most_in_window, in_window)
        return in_window

    def _within(self, now: float) -> int:
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

    def enter(self) -> None:
        """A call that was not refused is being worked on."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def leave(self) -> None:
        """A call has been answered."""
        self.in_flight -= 1

    def use(self, calls: int, user: str) -> None:
        """Count calls that others have made today: the quota belongs to the whole subscription."""
        self._today(self.by_day)[user] += calls

    def in_window(self) -> int:
        """Calls counted in the window that ends now."""
        return self._within(self._monotonic())

    def calls_today(self) -> int:
        """Calls counted since midnight US Central."""
        return self.by_day.get(self._clock.day(), Counter()).total()

    def record_error(self, code: str) -> None:
        """Note an error for the statistics."""
        self._today(self.errors_by_day)[code] += 1

    def dumped(self) -> str:
        """The counts of the last days, to be kept over a restart."""
        return json.dumps([self.by_day, self.errors_by_day])

    def load(self, dumped: str | None) -> None:
        """Take up the counts that an earlier process has kept."""
        if dumped is not None:
            for days, kept in zip(
                (self.by_day, self.errors_by_day), json.loads(dumped), strict=True
            ):
                days.update({day: Counter(counts) for day, counts in kept.items()})

    def forget(self) -> None:
        """Start counting anew, as a fresh subscription would."""
        self._arrivals.clear()
        self.by_day.clear()
        self.errors_by_day.clear()
        self.most_in_flight = self.in_flight
        self.most_in_window = 0

    def _today(self, days: dict[str, Counter[str]]) -> Counter[str]:
        day = self._clock.day()
        if day not in days:
            kept = sorted([*days, day])[-DAYS_KEPT - 1 :]
            for old in set(days) - set(kept):
                del days[old]
            days[day] = Counter()
        return days[day]
