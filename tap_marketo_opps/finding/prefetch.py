"""Concurrent prefetching of pages, which are delivered in order."""

from __future__ import annotations

import threading
import typing as t
from collections import deque
from dataclasses import dataclass, field

from marketo_opps import Page, PageTokenError, StoppedError

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from marketo_opps.plugin.workers import Workers

_Tag = t.TypeVar("_Tag")
_T = t.TypeVar("_T")

Calls = t.Callable[[Page | None], t.Callable[[], Page] | None]
"""Returns the call for the page after a given one (None: for the first); None after the last."""


class StopSignal(t.Protocol):
    """A signal that can ask a run to stop making calls."""

    @property
    def requested(self) -> bool:
        """Return True once a stop has been requested, so that no further call may start."""

    def result(self, future: Future[_T], meanwhile: Callable[[], object] | None = None) -> _T:
        """Wait for an API call and return its result; after a stop request only wait a while."""


@dataclass(slots=True)
class _Entry(t.Generic[_Tag]):
    """A sequence of pages in the queue of an `OrderedPrefetcher`, fetched one after another."""

    tag: _Tag
    calls: Calls
    pages: deque[Future[Page]] = field(default_factory=deque)
    taken: Future[Page] | None = None

    def next_call(self) -> t.Callable[[], Page] | None:
        """Return the call that fetches the next page of this sequence; None if there is none now.

        There is none after the last page, nor while the page before it is being fetched, because
        a call needs the page token in that page.
        """
        last = self.pages[-1] if self.pages else self.taken
        if last is None:
            return self.calls(None)
        return self.calls(last.result()) if last.done() and not last.exception() else None


class OrderedPrefetcher(t.Generic[_Tag]):
    """Fetches pages concurrently, and delivers them in the order in which they were added.

    An entry is a sequence of pages, and entries are delivered one after another. At most `depth`
    pages are being fetched or wait for delivery: if the process is killed, no more than these have
    been fetched in vain. The next page of an entry is fetched as soon as its page token is known.
    After a stop request no call starts, and calls in flight are waited for during a grace period.

    Args:
        workers: Threads on which the calls are made.
        depth: Maximum number of pages that are being fetched or wait for delivery.
        stop: Signal after which no further call is made.
        meanwhile: Called for each page, and now and then while waiting for one.
    """

    def __init__(
        self,
        workers: Workers,
        depth: int,
        stop: StopSignal,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        self._entries: deque[_Entry[_Tag]] = deque()
        self._workers = workers
        self._depth = depth
        self._stop = stop
        self._meanwhile = meanwhile
        # The arrival of a page, on a worker's thread, may start the next call.
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, tag: _Tag, calls: Calls) -> None:
        """Add a sequence of pages to the end of the queue, to be fetched as soon as possible.

        Args:
            tag: Object that `next_page` returns with each page of the sequence.
            calls: Takes a page and returns the call that fetches the page after it; takes None and
                returns the call that fetches the first page.
        """
        with self._lock:
            self._entries.append(_Entry(tag, calls))
            self._start_calls()

    def next_page(self) -> tuple[_Tag, Page | PageTokenError]:
        """Wait for the next page in order; return it with the tag of its entry.

        If Marketo refused the page token, the error is returned in place of the page.

        Raises:
            StoppedError: A stop was requested, and the call was not made or took too long.
            MarketoError: The call failed, also when retried.
        """
        self._meanwhile()
        entry = self._entries[0]
        page = self._page(entry)
        with self._lock:
            entry.taken = entry.pages.popleft()
            if not entry.pages and entry.next_call() is None:
                self._entries.popleft()
            self._start_calls()
        return entry.tag, page

    def _page(self, entry: _Entry[_Tag]) -> Page | PageTokenError:
        if not entry.pages:
            raise StoppedError("Stopped on request: no new calls are made.")
        try:
            return self._stop.result(entry.pages[0], self._meanwhile)
        except PageTokenError as error:
            return error

    def _start_calls(self) -> None:
        room = self._depth
        for entry in self._entries:
            if room <= len(entry.pages) or self._stop.requested:
                return
            if call := entry.next_call():
                future = self._workers.submit(call)
                entry.pages.append(future)
                future.add_done_callback(self._on_done)
            room -= max(len(entry.pages), 1)

    def _on_done(self, _done: Future[Page]) -> None:
        with self._lock:
            self._start_calls()
