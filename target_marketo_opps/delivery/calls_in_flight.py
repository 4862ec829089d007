"""Make calls on worker threads, and process their results on the main thread."""

from __future__ import annotations

import typing as t
from collections import deque

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from marketo_opps.plugin.workers import Workers
    from target_marketo_opps.state.self_pipe import SelfPipe

_A = t.TypeVar("_A")
_T = t.TypeVar("_T")


class CallsInFlight:
    """Starts calls on worker threads, and hands their results to the main thread.

    Args:
        workers: the threads.
        self_pipe: ends the main thread's wait when a call is done.
        max_calls: maximum number of calls in flight.

    Attributes:
        count: number of calls that were started and whose results were not processed yet.
    """

    def __init__(self, workers: Workers, self_pipe: SelfPipe, *, max_calls: int) -> None:
        self.count = 0
        self._workers = workers
        self._self_pipe = self_pipe
        self._max_calls = max_calls
        self._done: deque[tuple[Callable[[Future[t.Any]], None], Future[t.Any]]] = deque()

    @property
    def has_room(self) -> bool:
        """Return whether another call may start without exceeding `max_calls`."""
        return self.count < self._max_calls

    @property
    def has_done(self) -> bool:
        """Return whether a call has finished whose result was not processed yet."""
        return bool(self._done)

    def start(
        self, call: Callable[[_A], _T], argument: _A, take: Callable[[Future[_T]], None]
    ) -> None:
        """Start a call on a worker thread.

        Args:
            call: the function to call.
            argument: its argument.
            take: function that processes the result; `take_done` yields it on the main thread.
        """
        self.count += 1
        future = self._workers.submit(call, argument)
        future.add_done_callback(lambda done: self._on_done(take, done))

    def take_done(self) -> Iterator[tuple[Callable[[Future[t.Any]], None], Future[t.Any]]]:
        """Remove and yield each finished call, for the main thread to process its result.

        Yields:
            The function `take` that was given to `start` to process the result; and the future with
            the result or error.
        """
        while self._done:
            self.count -= 1
            yield self._done.popleft()

    def wait(self, *, timeout_seconds: float) -> None:
        """Wait until a call is done, a signal arrives, or the timeout expires."""
        self._self_pipe.wait(timeout_seconds=timeout_seconds)

    def wait_for_input(self, descriptor: int, *, timeout_seconds: float) -> bool:
        """Wait until input can be read, a call is done, a signal arrives, or the timeout expires.

        Returns:
            Whether input can be read.
        """
        return self._self_pipe.wait(readable=[descriptor], timeout_seconds=timeout_seconds)

    def _on_done(self, take: Callable[[Future[t.Any]], None], future: Future[t.Any]) -> None:
        """Store a finished call and wake the main thread; runs on the worker thread."""
        self._done.append((take, future))
        self._self_pipe.set()
