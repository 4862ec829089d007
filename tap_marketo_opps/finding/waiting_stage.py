"""The base of pipeline stages that hold back pages until the keys in them are looked up."""

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
"""Number of pages that may wait until their keys fill a call.

A position can be written only when its page's keys have been looked up, unless it includes them. So
if keys are rare, a call that is not full is made after this many pages. That costs some calls, but
less has to be read again after an interruption.
"""


@dataclass(slots=True)
class WaitingPage:
    """A page that is not passed to the next stage until this stage has looked up all keys in it.

    The keys are numbered in the order in which this stage queued them for lookup.

    Attributes:
        first: Number of the page's first key.
        last: Number of the first key after those of the page.
        result: Records of the page, and the position right after it.
    """

    first: int
    last: int
    result: PageResult


class WaitingStage(KeyedStage):
    """Base of the pipeline stages that look up keys found in the pages of earlier stages.

    Each call looks up keys from several pages. A page waits in this stage until all keys in it have
    been looked up, and is then passed to the next stage. So its position never covers records that
    are not written yet. The page's records wait, too, because a run that is killed before the
    position is saved would emit them again.

    Args:
        query: Fetches a page, given `filter_values` and `next_page_token`.
        obj: Object to look up.
        key_field: Field that the keys are values of.
        keys_per_call: Number of keys looked up by one call.
        max_pages_waiting: Number of pages that may wait until their keys fill a call.

    Attributes:
        naming_field: Field of roles that contains the key.
        missing_key_count: Number of records without a key.
        invalid_key_count: Number of keys that cannot be looked up.
        sample_invalid_keys: The first few keys that cannot be looked up.
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
        self._tracked_count = 0
        self.missing_key_count = 0
        self.invalid_key_count = 0
        self.sample_invalid_keys: list[str] = []

    @property
    def is_idle(self) -> bool:
        """Return True if all keys received from earlier stages so far have been looked up."""
        return not (self._filling or self._unread)

    def accept(self, result: PageResult) -> Iterator[PageResult]:
        """Queue the keys found in a page of an earlier stage, so that this stage looks them up.

        A page waits in this stage until all keys in it have been looked up. Yield the pages that
        need not wait any longer, in order.
        """
        if result.is_tracked and not result.keys:
            yield result
            return
        first = self._queued
        taken = self._take(result)
        self._waiting.append(WaitingPage(first, self._queued, taken))
        self._tracked_count += result.is_tracked
        if self._unsaved_count() > self._max_pages_waiting and not self._unread:
            self.flush_partial()
        yield from self._released()

    def process(self, cursor: ChunkCursor, page: Page) -> Iterable[PageResult]:
        """Yield the records of a page that this stage has read to look up keys.

        Also yield the pages of earlier stages that waited until all keys in them were looked up.
        """
        raise NotImplementedError

    def _take(self, result: PageResult) -> PageResult:
        """Queue the keys found in a page of an earlier stage, so that this stage looks them up.

        Return the page to pass to the next stage once these keys are looked up.
        """
        raise NotImplementedError

    def flush_partial(self) -> None:
        """Put the queued keys into a chunk to look up, although one call could look up more keys.

        The next call of `next_cursor` can return a cursor for this chunk.
        """
        if self._filling:
            cursor = ChunkCursor(self._queued - len(self._filling), self._filling)
            self._filling = {}
            self._full.append(cursor)
            self._unread[cursor.start] = cursor

    def next_cursor(self) -> ChunkCursor | None:
        """Return a cursor for looking up the next chunk of queued keys, page by page.

        Return None if there is no chunk, because the queued keys are fewer than one call can look
        up.
        """
        return self._full.popleft() if self._full else None

    def _unsaved_count(self) -> int:
        """Return the number of waiting pages whose keys are not in the position saved in a STATE.

        If this run were killed, the next run would have to read these pages again.
        """
        return len(self._waiting) - self._tracked_count

    def _queue(self, key: str, *, force: bool) -> None:
        self._filling[key] = force
        self._queued += 1
        if len(self._filling) == self._keys_per_call:
            self.flush_partial()

    def _take_page(self, cursor: ChunkCursor, page: Page) -> None:
        self._advance(cursor, page)
        if cursor.done:
            del self._unread[cursor.start]

    def _released(self) -> Iterator[PageResult]:
        looked_up = next(iter(self._unread), self._queued - len(self._filling))
        while self._waiting and self._waiting[0].last <= looked_up:
            result = self._waiting.popleft().result
            self._tracked_count -= result.is_tracked
            yield result
