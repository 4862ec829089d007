"""The time limit of a run (`max_run_seconds`), after which the run pauses."""

from __future__ import annotations

import contextlib
import logging
import time
import typing as t

from marketo_opps import StoppedError
from marketo_opps.plugin.process import BEGAN_AT, GRACE_SECONDS, SHUTDOWN

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from marketo_opps.plugin.process import ShutdownSignal

_LOGGER = logging.getLogger("tap-marketo-opps")
_T = t.TypeVar("_T")


class TimeBox:
    """Stops a run when its time is over and it has made some progress.

    A run without progress goes on, because later runs would begin at the same position and stop
    again. The time box is also the run's stop signal for SIGTERM and SIGINT, which take
    precedence.

    Args:
        seconds: Maximum duration of a run; None for no limit.
        selected: Returns the names of the streams to read.
        stop_calls: Makes the client stop making calls and retries.
        began: Time by `clock` at which the process began.
        clock: Returns monotonic seconds.
        shutdown: Stop signal of the process.
        grace_seconds: How long to wait for calls in flight.
    """

    def __init__(
        self,
        seconds: int | None = None,
        *,
        selected: Callable[[], Sequence[str]] = tuple,
        stop_calls: Callable[[], None] = lambda: None,
        began: float = BEGAN_AT,
        clock: Callable[[], float] = time.monotonic,
        shutdown: ShutdownSignal = SHUTDOWN,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._seconds = seconds
        self._selected = selected
        self._stop_calls = stop_calls
        self._end = float("inf") if seconds is None else began + seconds
        self._clock = clock
        self._shutdown = shutdown
        self._grace_seconds = grace_seconds
        self._grace_end: float | None = None
        self._has_advanced = False
        self._started: set[str] = set()
        self._has_warned = False

    @property
    def is_over(self) -> bool:
        """Return True if the time limit has passed and the run has made some progress."""
        return self._has_advanced and self._clock() >= self._end

    @property
    def requested(self) -> bool:
        """Return True if no further call may start, because of a signal or the time limit."""
        return self._shutdown.requested or self.is_over

    def note_advance(self) -> None:
        """Record that the run has made progress, so that the time limit may stop it.

        Progress means that a STATE was written with which a later run begins further on.
        """
        self._has_advanced = True
        self.stop_calls_if_over()

    def stop_calls_if_over(self) -> None:
        """Stop the client from making calls, if the time limit of the run has passed.

        Calls in flight may end within the grace period.
        """
        if self._grace_end is None and self.is_over:
            self._grace_end = self._clock() + self._grace_seconds
            self._stop_calls()

    def result(self, future: Future[_T], meanwhile: Callable[[], object] | None = None) -> _T:
        """Wait for an API call and return its result; after the time limit wait a grace period.

        Args:
            future: Future of the call.
            meanwhile: Called now and then while waiting.

        Raises:
            StoppedError: The call took longer than the grace period.
        """

        def look() -> None:
            self._raise_if_out_of_grace()
            if meanwhile:
                meanwhile()

        self.stop_calls_if_over()
        return self._shutdown.result(future, look)

    def _raise_if_out_of_grace(self) -> None:
        self.stop_calls_if_over()
        if self._grace_end is not None and self._clock() > self._grace_end:
            raise StoppedError("max_run_seconds reached, and calls in flight took too long.")

    def begin(self, *streams: str) -> None:
        """Record that the run has begun to read these streams."""
        self._started.update(streams)

    def admits(self, stream: str) -> bool:
        """Return True if there is time to read a stream; else log a warning and return False.

        The warning names the streams that are not started.
        """
        if stream in self._started or not self.is_over:
            return True
        if self._not_started():
            self._warn("")
        return False

    def _not_started(self) -> list[str]:
        return [name for name in self._selected() if name not in self._started]

    @contextlib.contextmanager
    def pausing(self, so_far: Callable[[], str]) -> Iterator[None]:
        """Run a `with` block; if the time limit stops it, log a warning and raise no error.

        The warning says how far the run came. A StoppedError for another reason is raised.

        Args:
            so_far: Returns a text on how far the run came.
        """
        try:
            yield
        except StoppedError:
            if self._shutdown.requested or not self.is_over:
                raise
            self._warn(f" at {so_far()}")

    def _warn(self, where: str) -> None:
        if self._has_warned:
            return
        self._has_warned = True
        left = self._not_started()
        _LOGGER.warning(
            "max_run_seconds (%s) reached: paused%s.%s The next run resumes from the last STATE.",
            f"{self._seconds:,}",
            where,
            f" Not started: {', '.join(left)}." if left else "",
        )
