"""Stages that read by key: chunks of keys go in, pages come out."""

from __future__ import annotations

import functools
import logging
import typing as t
from collections import deque
from dataclasses import dataclass, field

from marketo_opps import MarketoObject, PageTokenError, QueryPaging
from marketo_opps.fields import EXTERNAL_ID, MARKETO_GUID
from marketo_opps.keys import comparable_key, keys_not_among
from marketo_opps.seen_keys import KeyHashSet
from marketo_opps.wording import counted
from tap_marketo_opps.finding.page_result import PageResult, never_force
from tap_marketo_opps.finding.positions import PositionError, is_place_in_scan

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from marketo_opps import Page, Record
    from tap_marketo_opps.finding.key_sources import Chunk, KeySource
    from tap_marketo_opps.finding.prefetch import Calls
    from tap_marketo_opps.finding.resume_point import Position

_LOGGER = logging.getLogger("tap-marketo-opps")

_KEY_FIELDS = frozenset({EXTERNAL_ID, MARKETO_GUID, "leadId"})

MAX_REFUSALS = 5
"""How often a page token may be refused.

An instance that restarts forgets its page tokens, a fresh one too; but what is refused again and
again is not refused for its token, and reading on would cost calls for ever.
"""


@dataclass(slots=True)
class ChunkCursor:
    """A chunk of keys being looked up, page by page.

    Attributes:
        start: Where the chunk begins.
        keys: To look up; True if what they find is emitted regardless of its age.
        token: Of the next page; None for the first.
        begun: True once a page has been read.
        done: True once the last page has been read.
        matched: What was found has these values in the field that is looked up by.
        resumed_midway: True if an earlier run has read its first pages, so that what they matched
            is not known.
        refusals: How often its page token was refused, with nothing gained in between.
        paging: Finds its last page; None before the first page is asked for.
    """

    start: int
    keys: dict[str, bool]
    token: str | None = None
    begun: bool = False
    done: bool = False
    matched: set[str | None] = field(default_factory=set)
    resumed_midway: bool = False
    refusals: int = 0
    paging: QueryPaging | None = None

    def drop_token(self, error: PageTokenError) -> None:
        """Go on without the page token, which was refused.

        Raises:
            PageTokenError: It has been refused too often.
        """
        self.refusals += 1
        if self.refusals > MAX_REFUSALS:
            raise error
        self.token = self.paging = None


class Stage(t.Protocol):
    """One kind of call, whatever it reads.

    Attributes:
        keeps_place: True if a chunk keeps its place in the queue until its last page. Chunks of
            what follows from others do: the others wait for it. A source's next page goes to the
            end of the queue, so that what follows from its pages is looked up in between.
    """

    keeps_place: bool

    def next_cursor(self) -> ChunkCursor | None:
        """Return something new to read, if there is any just now."""

    def calls(self, cursor: ChunkCursor) -> Calls:
        """Return a function that yields the request for each following page."""

    def process(self, cursor: ChunkCursor, page: Page) -> Iterable[PageResult]:
        """Yield what the page brings."""

    def restart(self, cursor: ChunkCursor, error: PageTokenError) -> None:
        """Begin again, without the page token that was refused."""

    @property
    def is_idle(self) -> bool:
        """Return True if nothing is left to read, now or later, but for what is yet to come in."""


class KeyedStage:
    """Base of lookups by key: paging, and counting the keys that found nothing.

    Args:
        query: Fetches a page, given `filter_values` and `next_page_token`.
        obj: What is found; also the name of its stream.
        key_field: The field that the keys are values of.

    Attributes:
        stream: The name of its stream.
        keys_done: How many keys have been looked up to the end.
        unmatched: How many of them found nothing.
        echoes: How many records came back for a key that was not asked for, letter by letter.
    """

    keeps_place = False

    def __init__(self, query: Callable[..., Page], obj: str, key_field: str) -> None:
        self._query = query
        self.stream = str(obj)
        self._key_field = key_field
        self.keys_done = 0
        self.unmatched = 0
        self.echoes = 0

    def calls(self, cursor: ChunkCursor) -> Calls:
        """Return a function that yields the request for each following page."""
        keys = tuple(cursor.keys)
        if cursor.paging is None:
            cursor.paging = self._paging(keys)
        page = functools.partial(self._page, cursor.paging, keys)

        def call(before: Page | None) -> Callable[[], Page] | None:
            if before is None:
                return functools.partial(page, cursor.token)
            if before.more and self.keeps_place:
                return functools.partial(page, before.next_page_token)
            return None

        return call

    def _paging(self, keys: Sequence[str]) -> QueryPaging:
        is_unique = self._key_field == MARKETO_GUID or (
            self._key_field == EXTERNAL_ID and self.stream == MarketoObject.OPPORTUNITIES
        )
        return QueryPaging(keys if is_unique else (), self._key_field, KeyHashSet())

    def _page(self, paging: QueryPaging, keys: Sequence[str], token: str | None) -> Page:
        """Fetch a page; those of one chunk are fetched one after another."""
        return paging.resolved(self._query(filter_values=keys, next_page_token=token))

    def restart(self, cursor: ChunkCursor, error: PageTokenError) -> None:
        """Begin a chunk again, without the page token that was refused."""
        if cursor.token is None:
            raise error
        cursor.drop_token(error)
        _LOGGER.info(
            "Marketo no longer accepts a page token of %s; reading %d keys again from their first "
            "page.",
            self.stream,
            len(cursor.keys),
        )
        cursor.resumed_midway = False
        cursor.matched.clear()

    def _advance(self, cursor: ChunkCursor, page: Page) -> None:
        cursor.begun = True
        cursor.token = page.next_page_token if page.more else None
        cursor.done = not page.more
        values = [record.get(self._key_field) for record in page.records]
        found = [each if each.__class__ is str else comparable_key(each) or "" for each in values]
        if echoed := {*found} - cursor.keys.keys():
            self.echoes += sum(key in echoed for key in found)
        cursor.matched.update(found)
        if cursor.done:
            self._count_keys(cursor)

    def _count_keys(self, cursor: ChunkCursor) -> None:
        self.keys_done += len(cursor.keys)
        if cursor.resumed_midway:
            return
        missing = keys_not_among(cursor.matched, cursor.keys)
        self.unmatched += len(missing)
        if missing:
            # Of customers' records no log line holds anything but keys, and any field is looked up.
            named = missing if self._key_field in _KEY_FIELDS else counted(len(missing), "value")
            _LOGGER.debug("No %s has %s in %s", self.stream, self._key_field, named)


class KeyScan(KeyedStage):
    """The first stage where keys are given: chunks of a source, each read page by page.

    Chunks are in the queue side by side, so a position is where the first untouched one starts,
    and the page tokens of those that are half read.

    Args:
        query: Fetches a page, given `filter_values` and `next_page_token`.
        obj: What is found; also the name of its stream.
        key_field: The field that the keys are values of.
        source: Of the keys.
        noun: What users call one of them.
        emit_regardless_of_age: Returns True for a record that is emitted however old it is.
        at: Where an interrupted run stood.

    Raises:
        PositionError: Nothing can be gone on with from there.
    """

    reached = late = None

    def __init__(
        self,
        query: Callable[..., Page],
        obj: str,
        key_field: str,
        source: KeySource,
        *,
        noun: str,
        emit_regardless_of_age: Callable[[Record], bool] = never_force,
        at: Position | None = None,
    ) -> None:
        super().__init__(query, obj, key_field)
        self.noun = noun
        self._source = source
        self._emit_regardless_of_age = emit_regardless_of_age
        at = at or {"next": 0, "open": [], "done": 0, "unmatched": 0}
        if not is_place_in_scan(at, source.end):
            raise PositionError
        self.keys_done = at["done"]
        self.unmatched = at["unmatched"]
        self._reopened = deque(self._reopen(start, token) for start, token in at["open"])
        self._half_read = {cursor.start: cursor for cursor in self._reopened}
        self._untouched: deque[int] = deque()
        self._chunks = source.chunks(at["next"])
        self._next_start: int = at["next"]
        self._chunk = next(self._chunks, None)
        if self._chunk and self._chunk.start != at["next"]:
            raise PositionError

    @property
    def total(self) -> int:
        """Return how many keys there are."""
        return self._source.total

    @property
    def is_idle(self) -> bool:
        """Return True if all chunks have been read."""
        return not (self._chunk or self._half_read or self._untouched)

    def next_cursor(self) -> ChunkCursor | None:
        """Return the next chunk; those half read by an earlier run come first."""
        if self._reopened:
            return self._reopened.popleft()
        if (chunk := self._chunk) is None:
            return None
        self._untouched.append(chunk.start)
        self._next_start = chunk.end
        self._chunk = next(self._chunks, None)
        return _cursor(chunk)

    def process(self, cursor: ChunkCursor, page: Page) -> Iterable[PageResult]:
        """Return the page's records, and the position after them."""
        if cursor.start not in self._half_read:
            self._untouched.popleft()
            self._half_read[cursor.start] = cursor
        self._advance(cursor, page)
        if cursor.done:
            del self._half_read[cursor.start]
        position = self._position()
        return [PageResult(self.stream, page.records, self._emit_regardless_of_age, position)]

    def _reopen(self, start: int, token: str) -> ChunkCursor:
        chunk = next(self._source.chunks(start))
        if chunk.start != start:
            raise PositionError
        cursor = _cursor(chunk)
        cursor.token = token
        cursor.resumed_midway = token is not None
        return cursor

    def _position(self) -> Position:
        return {
            "next": self._untouched[0] if self._untouched else self._next_start,
            "open": [[cursor.start, cursor.token] for cursor in self._half_read.values()],
            "done": self.keys_done,
            "unmatched": self.unmatched,
        }


def _cursor(chunk: Chunk) -> ChunkCursor:
    return ChunkCursor(chunk.start, dict.fromkeys(chunk.keys, False))
