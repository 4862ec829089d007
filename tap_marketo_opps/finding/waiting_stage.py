"""Stages whose pages wait until what they name has been looked up."""

from __future__ import annotations

import typing as t
from collections import deque
from dataclasses import dataclass

from tap_marketo_opps.finding.key_sources import KEYS_PER_CALL
from tap_marketo_opps.finding.stages import ChunkCursor, KeyedStage

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from marketo_opps import Page
    from tap_marketo_opps.finding.page_result import PageResult

MAX_PAGES_WAITING = 20
"""A position waits until the call that its keys are in has been filled and answered, unless it
carries them. Where keys are rare, a call is made short after so many pages: some calls more,
little to read again.
"""


@dataclass(slots=True)
class WaitingPage:
    """A page whose keys are being looked up: from the `first`-th queued to the `last`-th."""

    first: int
    last: int
    result: PageResult


class WaitingStage(KeyedStage):
    """A later stage: keys of the pages before fill calls, and the pages wait for the answers.

    A page goes on to the next stage when every key it names has been looked up, so that its
    position never includes what has not been written, and calls are full all the same. Its
    records are held as long: whatever is written before its position can be is read again by the
    next run, should this one be killed.

    Args:
        query: Fetches a page, given `filter_values` and `next_page_token`.
        obj: What is found.
        key_field: The field that the keys are values of.
        keys_per_call: How many keys fill a call.
        max_pages_waiting: How many pages wait for a call to be filled.

    Attributes:
        naming_field: The field of roles that names what is looked up.
        missing_key_count: How many records name nothing to look up.
        invalid_key_count: How many keys cannot be looked up.
        sample_invalid_keys: The first few of them.
    """

    keeps_place = True
    naming_field: str

    def __init__(
        self,
        query: Callable[..., Page],
        obj: str,
        key_field: str,
        *,
        keys_per_call: int = KEYS_PER_CALL,
        max_pages_waiting: int = MAX_PAGES_WAITING,
    ) -> None:
        super().__init__(query, obj, key_field)
        self._keys_per_call = keys_per_call
        self._max_pages_waiting = max_pages_waiting
        self._queued = 0
        self._filling: dict[str, bool] = {}
        self._full: deque[ChunkCursor] = deque()
        self._unread: dict[int, ChunkCursor] = {}
        self._waiting: deque[WaitingPage] = deque()
        self._unhurried_count = 0
        self.missing_key_count = 0
        self.invalid_key_count = 0
        self.sample_invalid_keys: list[str] = []

    @property
    def is_idle(self) -> bool:
        """Return True if all keys that came in so far have been looked up."""
        return not (self._filling or self._unread)

    def accept(self, result: PageResult) -> Iterator[PageResult]:
        """Queue a page's keys; yields the pages that may go on."""
        if result.is_tracked and not result.keys:
            yield result
            return
        first = self._queued
        taken = self._take(result)
        self._waiting.append(WaitingPage(first, self._queued, taken))
        self._unhurried_count += result.is_tracked
        if self._hurried_count() > self._max_pages_waiting and not self._unread:
            self.flush_partial()
        yield from self._released()

    def process(self, cursor: ChunkCursor, page: Page) -> Iterable[PageResult]:
        """Yield what an answer brings, and the pages that waited for it."""
        raise NotImplementedError

    def _take(self, result: PageResult) -> PageResult:
        """Queue the keys of a page; return the page as it is to go on."""
        raise NotImplementedError

    def flush_partial(self) -> None:
        """Let the call that is being filled be made as it is."""
        if self._filling:
            cursor = ChunkCursor(self._queued - len(self._filling), self._filling)
            self._filling = {}
            self._full.append(cursor)
            self._unread[cursor.start] = cursor

    def next_cursor(self) -> ChunkCursor | None:
        """Return the next full call."""
        return self._full.popleft() if self._full else None

    def _hurried_count(self) -> int:
        """Count the pages that would be read again by the next run, should this one be killed."""
        return len(self._waiting) - self._unhurried_count

    def _queue(self, key: str, *, force: bool) -> None:
        self._filling[key] = force
        self._queued += 1
        if len(self._filling) == self._keys_per_call:
            self.flush_partial()

    def _take_answer(self, cursor: ChunkCursor, page: Page) -> None:
        self._advance(cursor, page)
        if cursor.done:
            del self._unread[cursor.start]

    def _released(self) -> Iterator[PageResult]:
        looked_up = next(iter(self._unread), self._queued - len(self._filling))
        while self._waiting and self._waiting[0].last <= looked_up:
            result = self._waiting.popleft().result
            self._unhurried_count -= result.is_tracked
            yield result
