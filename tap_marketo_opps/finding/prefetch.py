"""Prefetch pages concurrently, deliver them in order."""

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
"""From a page (None before the first) to the call for the one after it; None after the last."""


class StopSignal(t.Protocol):
    """What may ask a run to begin no further call."""

    @property
    def requested(self) -> bool:
        """Return True once no call may begin."""

    def result(self, future: Future[_T], meanwhile: Callable[[], object] | None = None) -> _T:
        """Wait for a call's result and return it; once no call may begin, only for a grace."""


@dataclass(slots=True)
class _Entry(t.Generic[_Tag]):
    """Pages to read one after another: under way, or answered and waiting to be taken."""

    tag: _Tag
    calls: Calls
    pages: deque[Future[Page]] = field(default_factory=deque)
    taken: Future[Page] | None = None

    def next_call(self) -> t.Callable[[], Page] | None:
        """Return the call that can be made now."""
        last = self.pages[-1] if self.pages else self.taken
        if last is None:
            return self.calls(None)
        return self.calls(last.result()) if last.done() and not last.exception() else None


class OrderedPrefetcher(t.Generic[_Tag]):
    """Fetches pages concurrently, delivers them in the order of their being added.

    Entries are taken from the front page by page. Only the first `depth` pages are under way (or
    answered and waiting), so what a process that dies has fetched in vain is never more than
    those. The next page of an entry is asked for as soon as its page token is known, not when its
    turn to be taken comes. After a stop request none is started, and those under way get what is
    left of the grace.

    Args:
        workers: Make the calls.
        depth: How many pages are under way.
        stop: May ask for no further call.
        meanwhile: Called with each page, and now and then while one is waited for.
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
        # A page that arrives, on a worker's thread, may have the next one started.
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, tag: _Tag, calls: Calls) -> None:
        """Put pages to read at the end of the queue."""
        with self._lock:
            self._entries.append(_Entry(tag, calls))
            self._start_calls()

    def next_page(self) -> tuple[_Tag, Page | PageTokenError]:
        """Wait for the first page; return its entry's tag with it, or with its token's refusal.

        Raises:
            StoppedError: This process was asked to stop, and the call had no time left.
            MarketoError: The call failed for good.
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
