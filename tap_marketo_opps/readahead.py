"""Calls in a fixed order, the first few of them under way at any moment."""

from __future__ import annotations

import itertools
import typing as t
from collections import deque
from dataclasses import dataclass

from marketo_opps import Page, PageTokenError, StoppedError

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from marketo_opps import Workers
    from marketo_opps.process import Termination

_Tag = t.TypeVar("_Tag")


@dataclass(slots=True)
class _Entry(t.Generic[_Tag]):
    tag: _Tag
    call: Callable[[], Page]
    future: Future[Page] | None = None


class Line(t.Generic[_Tag]):
    """A line of calls: taken from the front, in the order in which they were added.

    Only the first `ahead` are under way (or answered and waiting), so what a process that dies
    has fetched in vain is never more than those. After a stop request none is started, and those
    under way get what is left of the grace.
    """

    def __init__(self, workers: Workers, ahead: int, termination: Termination) -> None:
        self._entries: deque[_Entry[_Tag]] = deque()
        self._workers = workers
        self._ahead = ahead
        self._termination = termination

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, tag: _Tag, call: Callable[[], Page]) -> None:
        """Put a call at the end of the line."""
        self._entries.append(_Entry(tag, call))
        self._start()

    def take(self) -> tuple[_Tag, Page | PageTokenError]:
        """The first call's tag and its page, waited for; or what was said of its page token.

        Raises:
            StoppedError: this process was asked to stop, and the call had no time left.
            MarketoError: the call failed for good.
        """
        entry = self._entries[0]
        answer = self._answer(entry.future)
        self._entries.popleft()
        self._start()
        return entry.tag, answer

    def _answer(self, future: Future[Page] | None) -> Page | PageTokenError:
        if future is None:
            raise StoppedError("Stopped on request: no new calls are made.")
        try:
            return self._termination.result(future)
        except PageTokenError as error:
            return error

    def _start(self) -> None:
        if self._termination.requested:
            return
        for entry in itertools.islice(self._entries, self._ahead):
            if entry.future is None:
                entry.future = self._workers.submit(entry.call)
