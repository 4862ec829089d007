"""Marketo's two running limits: calls in any 20 seconds, and calls at once."""

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
"""Waits on a condition, at most for the given seconds; tests move their clock in it."""

WINDOW_SECONDS = 20.0
"""Marketo counts the calls of any so many seconds."""

PACING_WINDOW_SECONDS = WINDOW_SECONDS + 0.05
"""What is paced by: Marketo's window, and a margin for clocks that differ."""

_LONGEST_NAP_SECONDS = 0.2
"""How soon a thread that waits here sees `stop`, which may only set a flag (a signal handler)."""


class SlidingWindow:
    """Events of which any window of time may hold a limited number.

    Args:
        limit: the most events in a window.
        window_seconds: length of a window.
    """

    def __init__(self, limit: int, window_seconds: float) -> None:
        self._limit = limit
        self._window_seconds = window_seconds
        self._times: list[float] = []

    def seconds_until_free(self, now: float, under_way: int = 0) -> float:
        """Return 0 if an event may happen now, otherwise the shortest wait until one may.

        Args:
            now: seconds, as those of the events.
            under_way: events that may happen any moment, or have happened and are not added yet.
        """
        room = self._limit - under_way
        if room <= 0:
            return self._window_seconds
        if len(self._times) < room:
            return 0.0
        return max(0.0, self._times[-room] + self._window_seconds - now)

    def add(self, when: float) -> None:
        """Remember when an event happened; they need not come in order."""
        bisect.insort(self._times, when)
        del self._times[: -self._limit]


@dataclass
class Turn:
    """A call that has its place in the limits.

    Attributes:
        pauses: how many pauses there had been when it got the place.
        shared: the call in the limits that other processes share.
        sent_at: monotonic seconds at which the whole request was sent; None if it was not.
    """

    pauses: int
    shared: SharedCall
    sent_at: float | None = None


class Pacer:
    """Lets calls go, one by one, as soon as the limits allow; shared by all threads of a client.

    After 606 or 615 everyone waits, and then a single call goes ahead to find out whether it is
    over: five threads asking at once would spend five calls on one response.

    Args:
        calls_per_20_seconds: the most calls sent in any window.
        max_concurrent_calls: the most calls in flight at any moment.
        window_seconds: length of a window.
        clock: monotonic seconds.
        nap: waits on a condition, at most for the given seconds.
        shared: limits that hold for other processes, too. If their file fails, one warning is
            logged, and the pacer goes on by what it has counted itself.

    Attributes:
        seconds_waited: for a place in the limits, summed over all threads.
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
        self._in_flight = 0
        self._paused_until = clock()
        self._pauses = 0
        self._probing = False
        self._probe_in_flight = False
        self._stopped = False
        self.seconds_waited = 0.0

    @contextlib.contextmanager
    def slot(self) -> Iterator[Turn]:
        """Wait for a place in the limits, and give it back when the call is over.

        Yields:
            The call's turn, for `note_sent` and `report_outcome`.

        Raises:
            StoppedError: `stop` was called before there was a place.
        """
        turn = self._acquire()
        try:
            yield turn
        finally:
            self._release(turn)

    def note_sent(self, turn: Turn) -> None:
        """Note that the whole request of a call has been sent, so that it arrives soon."""
        turn.sent_at = self._clock()

    def pause(self, seconds: float) -> None:
        """Start no call for so long, then a single one."""
        with self._condition:
            self._paused_until = max(self._paused_until, self._clock() + seconds)
            self._pauses += 1
            self._probing = True
            self._probe_in_flight = False
            self._share(lambda shared: shared.pause(seconds), otherwise=None)

    def report_outcome(self, turn: Turn) -> None:
        """Report that a call is over; if its response asks for a pause, call `pause` before.

        The first call after a pause ends the waiting of all others. One that was under way when
        the pause began does not.
        """
        with self._condition:
            if self._probing and turn.pauses == self._pauses:
                self._probing = self._probe_in_flight = False
                self._condition.notify_all()
            self._share(lambda shared: shared.report_outcome(turn.shared), otherwise=None)

    def stop(self) -> None:
        """Start no more calls; only sets a flag, so that a signal handler may call it."""
        self._stopped = True

    def sleep(self, seconds: float) -> None:
        """Wait outside of any limit.

        Raises:
            StoppedError: `stop` was called meanwhile.
        """
        self._raise_if_stopped()
        until = self._clock() + seconds
        with self._condition:
            while (left := until - self._clock()) > 0:
                self._wait(left)

    def close(self) -> None:
        """Leave the limits that other processes share."""
        with self._condition:
            self._share(lambda shared: shared.close(), otherwise=None)
            self._shared = None

    def _acquire(self) -> Turn:
        with self._condition:
            call = SharedCall(since=self._clock())
            try:
                while (seconds := self._take(call)) > 0:
                    self._wait(seconds)
            except BaseException:
                self._share(lambda shared: shared.leave_queue(call), otherwise=None)
                raise
            self.seconds_waited += self._clock() - call.since
            self._in_flight += 1
            self._probe_in_flight = self._probing
            return Turn(self._pauses, call)

    def _release(self, turn: Turn) -> None:
        with self._condition:
            # Marketo counts a call from when it arrives: after it was sent, and before its
            # response. On a busy machine a thread may send long after it was given its place.
            arrived_at = self._clock()
            if turn.sent_at is not None:
                arrived_at = min(arrived_at, turn.sent_at + LONGEST_TRAVEL_SECONDS)
            self._in_flight -= 1
            self._window.add(arrived_at)
            self._share(lambda shared: shared.give_back(turn.shared, arrived_at), otherwise=None)
            self._condition.notify_all()

    def _take(self, call: SharedCall) -> float:
        """Return 0 if the call may be sent, in which case the shared limits count it."""
        self._raise_if_stopped()
        if (seconds := self._seconds_until_free()) > 0:
            return seconds
        return self._share(lambda shared: shared.take(call), otherwise=0.0)

    def _share(self, use: Callable[[SharedLimits], _T], *, otherwise: _T) -> _T:
        """Use the shared limits while there are any; without, return `otherwise`."""
        if self._shared is None:
            return otherwise
        try:
            return use(self._shared)
        except LimitsFileError as error:
            _LOGGER.warning(
                "limits_path: the file can no longer be used (%s). This process goes on by its own "
                "count of calls; processes that run at the same time may exceed the rate limit "
                "together.",
                error,
            )
            self._shared = None
            return otherwise

    def _seconds_until_free(self) -> float:
        if self._probe_in_flight or self._in_flight >= self._max_concurrent_calls:
            return _LONGEST_NAP_SECONDS
        now = self._clock()
        until_free = self._window.seconds_until_free(now, self._in_flight)
        return max(until_free, self._paused_until - now)

    def _wait(self, seconds: float) -> None:
        self._raise_if_stopped()
        self._nap(self._condition, min(seconds, _LONGEST_NAP_SECONDS))

    def _raise_if_stopped(self) -> None:
        if self._stopped:
            raise StoppedError("Stopped on request: no new calls are made.")
