"""Stages of a pipeline: each looks up chunks of keys, and passes pages of records to the next."""

from __future__ import annotations

import functools
import logging
import typing as t
from dataclasses import dataclass, field

from marketo_opps import MarketoObject, PageTokenError, QueryPaging
from marketo_opps.fields import EXTERNAL_ID, MARKETO_GUID
from marketo_opps.keys import comparable_key, keys_not_among
from marketo_opps.seen_keys import KeyHashSet
from marketo_opps.wording import counted

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from marketo_opps import Page
    from tap_marketo_opps.finding.page_result import PageResult
    from tap_marketo_opps.finding.prefetch import Calls

_LOGGER = logging.getLogger("tap-marketo-opps")

_KEY_FIELDS = frozenset({EXTERNAL_ID, MARKETO_GUID, "leadId"})

MAX_REFUSALS = 5
"""How often Marketo may refuse a page token before its error ends the run.

An instance that restarts forgets its page tokens, even new ones. But a call that is refused again
and again has another cause, and repeating it would cost calls without end.
"""


@dataclass(slots=True)
class ChunkCursor:
    """A chunk of keys that is being looked up page by page, and the page to read next.

    Attributes:
        start: Position of the chunk among all keys.
        keys: Maps each key to look up to True if its records are emitted regardless of age.
        token: Page token of the next page; None for the first page.
        begun: True once a page has been read.
        done: True once the last page has been read.
        matched: Values of the key field in the records found.
        resumed_midway: True if an interrupted run read the first pages, so that `matched` is not
            complete.
        refusals: How often Marketo has refused a page token without a new page in between.
        paging: Determines which page is the last; None before the first call.
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
        """Remove the page token, which Marketo refused, and count the refusal.

        Args:
            error: The error with which Marketo refused the token.

        Raises:
            PageTokenError: Marketo has refused tokens of this chunk too often; it is `error`.
        """
        self.refusals += 1
        if self.refusals > MAX_REFUSALS:
            raise error
        self.token = self.paging = None


class Stage(t.Protocol):
    """A stage of a run's pipeline, which makes one kind of call.

    The first stage finds records or keys. Later stages look up keys found in the pages of earlier
    stages.

    Attributes:
        keeps_place: True if all pages of a chunk are read before any page of the next chunk, as in
            the later stages. False in most first stages: other calls are made before the next page
            of the chunk is read, so that keys found so far are looked up in between.
    """

    keeps_place: bool

    def next_cursor(self) -> ChunkCursor | None:
        """Return a cursor for reading the next chunk of keys page by page.

        Return None if this stage has no chunk to read at present.
        """

    def calls(self, cursor: ChunkCursor) -> Calls:
        """Return a function by which the pages of a cursor's chunk are fetched one after another.

        The function takes the page fetched before, or None if there is none, and returns the API
        call for the next page. It returns None after the last page.
        """

    def process(self, cursor: ChunkCursor, page: Page) -> Iterable[PageResult]:
        """Yield what this stage passes on for a page that it has read: records, keys, position."""

    def restart(self, cursor: ChunkCursor, error: PageTokenError) -> None:
        """Prepare a cursor's chunk to be read again, after Marketo refused the page token."""

    @property
    def is_idle(self) -> bool:
        """Return True if this stage has no more pages to read, for the keys that it has so far."""


class KeyedStage:
    """Base of pipeline stages that look up keys: reads all pages, and counts keys not found.

    Args:
        query: Fetches a page, given `filter_values` and `next_page_token`.
        obj: Object to look up, which is also the name of its stream.
        key_field: Field that the keys are values of.

    Attributes:
        stream: Name of the stream of the records found.
        keys_done: Number of keys that have been looked up completely.
        unmatched: Number of keys for which no record was found, after their lookup.
        echoes: Number of records returned for a key that differs from all requested ones.
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
        """Return a function that returns the API call for each page of a chunk of keys, then None.

        Its argument is the page before, or None for the first call. In the pipeline's first stage
        it returns None after every page: the pipeline calls this method again for the next one.

        Args:
            cursor: has the keys, and the token of the page to begin with.
        """
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
        """Fetch the page of records that has a given page token; for None the chunk's first page.

        The pages of one chunk are fetched one after another, never at the same time.
        """
        return paging.resolved(self._query(filter_values=keys, next_page_token=token))

    def restart(self, cursor: ChunkCursor, error: PageTokenError) -> None:
        """Prepare a chunk to be read again from its first page, after its page token was refused.

        Raises:
            PageTokenError: There was no page token, or tokens were refused too often.
        """
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
            # Log lines must not contain customer data except keys, and keys may be of any field.
            named = missing if self._key_field in _KEY_FIELDS else counted(len(missing), "value")
            _LOGGER.debug("No %s has %s in %s", self.stream, self._key_field, named)
