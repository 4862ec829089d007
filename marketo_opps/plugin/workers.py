"""A pool of daemon threads."""

from __future__ import annotations

import queue
import threading
import typing as t
from concurrent.futures import Future

if t.TYPE_CHECKING:
    from collections.abc import Callable

_P = t.ParamSpec("_P")
_T = t.TypeVar("_T")
_Job = tuple["Future[t.Any]", "Callable[[], t.Any]"]


class Workers:
    """Runs functions on daemon threads, in the order in which they were submitted.

    `concurrent.futures` joins its threads at exit, so a process that was asked to stop would wait
    for its slowest call; daemon threads end with the process.
    """

    def __init__(self, count: int, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{index}", daemon=True)
            for index in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self,
        function: Callable[_P, _T],
        /,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> Future[_T]:
        """Queue a function for the next idle thread; return a future of its result or exception."""
        future: Future[_T] = Future()
        self._jobs.put((future, lambda: function(*args, **kwargs)))
        return future

    def close(self) -> None:
        """End the threads after all submitted functions have run, but return at once."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            _run(*job)
            # Otherwise the last job's records would be kept in memory until the next job.
            del job


def _run(future: Future[t.Any], function: Callable[[], t.Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - the future raises it
        future.set_exception(error)
    else:
        future.set_result(result)
