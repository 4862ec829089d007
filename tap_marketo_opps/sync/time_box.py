"""The time that a run may take: after it the run pauses, and the next goes on from there."""

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
    """Lets a run begin no call once its time is over and it has got further than it began.

    Without the latter, runs whose time is too short would all end where the first one began. It
    stands for the signals of the process, too, which go before.

    Args:
        seconds: How long a run may take; None for as long as it likes.
        selected: Returns the streams that are to be read.
        stop_calls: Lets the client make no further call or retry.
        began: When the process did, by the clock.
        clock: Monotonic seconds.
        shutdown: Signals of the process.
        grace_seconds: How long calls in flight are waited for.
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
        self._begun: set[str] = set()
        self._is_told = False

    @property
    def is_over(self) -> bool:
        """Return True if the time is over, and the run has got further than it began."""
        return self._has_advanced and self._clock() >= self._end

    @property
    def requested(self) -> bool:
        """Return True if no call may begin, whether for a signal or for the time."""
        return self._shutdown.requested or self.is_over

    def note_advance(self) -> None:
        """Remember that a STATE was written from which a run goes on further than this one did."""
        self._has_advanced = True
        self.stop_calls_if_over()

    def stop_calls_if_over(self) -> None:
        """Stop the client if the time is over; calls in flight get a grace from then on."""
        if self._grace_end is None and self.is_over:
            self._grace_end = self._clock() + self._grace_seconds
            self._stop_calls()

    def result(self, future: Future[_T], meanwhile: Callable[[], object] | None = None) -> _T:
        """Wait for a future's result and return it; once no call may begin, only for the grace.

        Args:
            future: Of a call.
            meanwhile: Called now and then while waiting.

        Raises:
            StoppedError: The call took too long.
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
        """Note which streams are being read."""
        self._begun.update(streams)

    def admits(self, stream: str) -> bool:
        """Return True if a stream may be read; if not, warn of all that come too late."""
        if stream in self._begun or not self.is_over:
            return True
        if self._not_begun():
            self._warn("")
        return False

    def _not_begun(self) -> list[str]:
        return [name for name in self._selected() if name not in self._begun]

    @contextlib.contextmanager
    def pausing(self, so_far: Callable[[], str]) -> Iterator[None]:
        """Take the end of the time for the end of a run, and warn how far it came.

        Args:
            so_far: Returns how far the run has come.
        """
        try:
            yield
        except StoppedError:
            if self._shutdown.requested or not self.is_over:
                raise
            self._warn(f" at {so_far()}")

    def _warn(self, where: str) -> None:
        if self._is_told:
            return
        self._is_told = True
        left = self._not_begun()
        _LOGGER.warning(
            "max_run_seconds (%s) reached: paused%s.%s The next run resumes from the last STATE.",
            f"{self._seconds:,}",
            where,
            f" Not started: {', '.join(left)}." if left else "",
        )
