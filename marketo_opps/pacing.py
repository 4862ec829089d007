"""Delays calls to keep Marketo's limits: calls in any 20 seconds, and calls in flight."""

from __future__ import annotations

import bisect
import contextlib
import logging
import threading
import time
import typing as t
from dataclasses import dataclass

from marketo_opps.errors import StoppedError
from marketo_opps.limits_file import LimitsFileError
from marketo_opps.shared_limits import LONGEST_TRAVEL_SECONDS, SharedCall

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from marketo_opps.shared_limits import SharedLimits

_LOGGER = logging.getLogger(__name__)
_T = t.TypeVar("_T")

Nap = t.Callable[[threading.Condition, float], object]
"""Waits on a condition, at most for the given seconds; tests move their clock instead."""

WINDOW_SECONDS = 20.0
"""Length of the window in which Marketo counts calls."""

PACING_WINDOW_SECONDS = WINDOW_SECONDS + 0.05
"""Window by which calls are paced: Marketo's, and a margin for clocks that differ."""

_LONGEST_NAP_SECONDS = 0.2
"""Time within which a waiting thread sees `stop`, which only sets a flag."""


class SlidingWindow:
    """Rate limiter that allows a limited number of events, such as calls, in any window of time.

    Args:
        limit: maximum number of events in a window.
        window_seconds: length of a window.
    """

    def __init__(self, limit: int, window_seconds: float) -> None:
        self._limit = limit
        self._window_seconds = window_seconds
        self._times: list[float] = []

    def seconds_until_free(self, now: float, under_way: int = 0) -> float:
        """Return 0 if an event may happen now, otherwise the seconds until one may.

        Args:
            now: seconds, on the clock of the events.
            under_way: number of events that count although they are not added yet, such as calls
                in flight.
        """
        room = self._limit - under_way
        if room <= 0:
            return self._window_seconds
        if len(self._times) < room:
            return 0.0
        return max(0.0, self._times[-room] + self._window_seconds - now)

    def add(self, when: float) -> None:
        """Record when an event of the rate limit happened; times may be recorded in any order."""
        bisect.insort(self._times, when)
        del self._times[: -self._limit]


@dataclass
class Turn:
    """Permission to send one call, which occupies a slot of the limits until the call has ended.

    Attributes:
        pauses: how many pauses of all threads had begun when the permission was given; the call
            can end the last of them only.
        shared: this call as the limits that several processes share know it.
        sent_at: monotonic seconds at which the whole request was sent; None if it was not.
    """

    pauses: int
    shared: SharedCall
    sent_at: float | None = None


class Pacer:
    """Delays calls so that all threads of a client together stay within the limits.

    After a 606 or 615 (limit exceeded) all threads wait; then a single call probes the limit,
    so that five threads do not spend five calls on the same response.

    Args:
        calls_per_20_seconds: maximum number of calls sent in any window.
        max_concurrent_calls: maximum number of calls in flight.
        window_seconds: length of a window.
        clock: returns monotonic seconds.
        nap: waits on a condition, at most for the given seconds.
        shared: limits that several processes share, if any. If their file fails, one warning is
            logged, and the pacer continues with its own count.

    Attributes:
        seconds_waited: time spent waiting for a slot, summed over all threads.
    """

    def __init__(
        self,
        calls_per_20_seconds: int,
        max_concurrent_calls: int,
        *,
        window_seconds: float = PACING_WINDOW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        nap: Nap = threading.Condition.wait,
        shared: SharedLimits | None = None,
    ) -> None:
        self._window = SlidingWindow(calls_per_20_seconds, window_seconds)
        self._max_concurrent_calls = max_concurrent_calls
        self._clock = clock
        self._nap = nap
        self._shared = shared
        self._condition = threading.Condition()
        self._sleeping = threading.Condition()
        self._in_flight = 0
        self._paused_until = clock()
        self._pauses = 0
        self._probing = False
        self._probe_in_flight = False
        self._stopped = False
        self.seconds_waited = 0.0

    @contextlib.contextmanager
    def slot(self) -> Iterator[Turn]:
        """Wait until the limits allow a call, and then run the `with` block, which sends the call.

        The call counts as in flight until the block ends.

        Yields:
            The permission to send the call, for `note_sent` and `report_outcome`.

        Raises:
            StoppedError: `stop` was called before there was a slot.
        """
        turn = self._acquire()
        try:
            yield turn
        finally:
            self._release(turn)

    def note_sent(self, turn: Turn) -> None:
        """Record in the permission `turn` that the whole request of its call has been sent now."""
        turn.sent_at = self._clock()

    def pause(self, seconds: float) -> None:
        """Delay the calls of all threads for `seconds`; then allow a single call, the probe."""
        with self._condition:
            self._paused_until = max(self._paused_until, self._clock() + seconds)
            self._pauses += 1
            self._probing = True
            self._probe_in_flight = False
            self._share(lambda shared: shared.pause(seconds), otherwise=None)

    def report_outcome(self, turn: Turn) -> None:
        """End the pause of all threads if the call with this permission was the pause's probe.

        If the response asks for another pause, call `pause` before. A call that was in flight when
        the pause began does not end it.
        """
        with self._condition:
            if self._probing and turn.pauses == self._pauses:
                self._probing = self._probe_in_flight = False
                self._condition.notify_all()
            self._share(lambda shared: shared.report_outcome(turn.shared), otherwise=None)

    def stop(self) -> None:
        """Refuse waiting and new calls; this only sets a flag, so a signal handler may do it."""
        self._stopped = True

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds, without regard to the limits; `stop` ends the wait.

        Raises:
            StoppedError: `stop` was called meanwhile.
        """
        self._raise_if_stopped()
        if seconds <= 0:
            return
        until = self._clock() + seconds
        with self._sleeping:
            while (left := until - self._clock()) > 0:
                self._wait(self._sleeping, left)

    def close(self) -> None:
        """Delete this process from the limits that processes share; do nothing without them."""
        with self._condition:
            self._share(lambda shared: shared.close(), otherwise=None)
            self._shared = None

    def _acquire(self) -> Turn:
        with self._condition:
            call = SharedCall(since=self._clock())
            try:
                while (seconds := self._take(call)) > 0:
                    self._wait(self._condition, seconds)
            except BaseException:
                self._share(lambda shared: shared.leave_queue(call), otherwise=None)
                raise
            self.seconds_waited += self._clock() - call.since
            self._in_flight += 1
            self._probe_in_flight = self._probing
            return Turn(self._pauses, call)

    def _release(self, turn: Turn) -> None:
        with self._condition:
            # Marketo counts a call from its arrival: after it was sent, and before its response.
            # On a busy machine a thread may send long after it got its slot.
            arrived_at = self._clock()
            if turn.sent_at is not None:
                arrived_at = min(arrived_at, turn.sent_at + LONGEST_TRAVEL_SECONDS)
            self._in_flight -= 1
            self._window.add(arrived_at)
            self._share(lambda shared: shared.give_back(turn.shared, arrived_at), otherwise=None)
            # One slot, one thread: the others would wake up for nothing.
            self._condition.notify()

    def _take(self, call: SharedCall) -> float:
        """Return 0 if a call may be sent now, otherwise the seconds to wait before asking again.

        If 0 is returned, the limits that processes share, if any, count the call as in flight.
        """
        self._raise_if_stopped()
        if (seconds := self._seconds_until_free()) > 0:
            return seconds
        return self._share(lambda shared: shared.take(call), otherwise=0.0)

    def _share(self, use: Callable[[SharedLimits], _T], *, otherwise: _T) -> _T:
        """Call `use` with the limits that several processes share, and return its result.

        Return `otherwise` if there are no such limits. If their file fails, log a warning, return
        `otherwise`, and use these limits no more.
        """
        if self._shared is None:
            return otherwise
        try:
            return use(self._shared)
        except LimitsFileError as error:
            _LOGGER.warning(
                "limits_path: the file can no longer be used (%s). This process continues with its "
                "own count of calls; processes that run at the same time may exceed the rate limit "
                "together.",
                error,
            )
            self._shared.disconnect()
            self._shared = None
            return otherwise

    def _seconds_until_free(self) -> float:
        if self._probe_in_flight or self._in_flight >= self._max_concurrent_calls:
            return _LONGEST_NAP_SECONDS
        now = self._clock()
        until_free = self._window.seconds_until_free(now, self._in_flight)
        return max(until_free, self._paused_until - now)

    def _wait(self, condition: threading.Condition, seconds: float) -> None:
        self._raise_if_stopped()
        self._nap(condition, min(seconds, _LONGEST_NAP_SECONDS))

    def _raise_if_stopped(self) -> None:
        if self._stopped:
            raise StoppedError("Stopped on request: no new calls are made.")
