"""Decides after each page of a query or of the activity log whether more pages follow; pure.

Adobe does not document whether queries send `moreResult`: similar endpoints are known to send
`nextPageToken` only. So the token and the records of a page decide whether a query goes on. The
activity log does send `moreResult`, also with empty pages.
"""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace

from marketo_opps.errors import unexpected_response
from marketo_opps.fields import MARKETO_GUID
from marketo_opps.wording import request_note

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from marketo_opps.errors import UnexpectedResponseError
    from marketo_opps.models import Page, Record

_LOGGER = logging.getLogger(__name__)

# A record's position in its page, which differs if the record is sent again.
_PLACE = "seq"
_MANY_EMPTY_PAGES = 100


class SeenKeys(t.Protocol):
    """Interface of a set of strings, such as GUIDs, that were read before; a Python set fits it."""

    def __contains__(self, key: str, /) -> bool:
        """Return whether the set contains the key."""

    def add(self, key: str, /) -> None:
        """Add a key to the set."""


class QueryPaging:
    """Decides after each page of one query whether another page follows.

    Args:
        wanted: the values that are looked up, if each belongs to one record at most: the query
            ends once all of them are found. Blanks around a value are ignored. Case is not:
            Marketo does not document whether keys are case-sensitive, so `a` may follow `A`.
        key_field: the field that holds these values.
        seen: set that remembers the records of earlier pages; for very many records, one that
            needs less memory than a Python set.
    """

    def __init__(
        self,
        wanted: Iterable[str] = (),
        key_field: str = MARKETO_GUID,
        seen: SeenKeys | None = None,
    ) -> None:
        self._missing = {value.strip() for value in wanted}
        self._may_find_all = bool(self._missing)
        self._key_field = key_field
        self._seen: SeenKeys = set() if seen is None else seen
        self._was_news = True

    def resolved(self, page: Page) -> Page:
        """Return a page as received, but with `more` True if another page of the query follows.

        Raises:
            UnexpectedResponseError: reading cannot be continued, or would never end.
        """
        _check_token(page)
        if page.more is False or not page.next_page_token:
            # Most lookups have one page only, whose records need not be remembered.
            return replace(page, more=False)
        is_news = self._take(page.records)
        return replace(page, more=self._goes_on(page, is_news=is_news))

    def _take(self, records: Sequence[Record]) -> bool:
        """Remember the records of a page; return True if one of them was not on an earlier page."""
        is_news = False
        for record in records:
            self._missing.discard(str(record.get(self._key_field)).strip())
            identity = _identity(record)
            if identity not in self._seen:
                self._seen.add(identity)
                is_news = True
        return is_news

    def _goes_on(self, page: Page, *, is_news: bool) -> bool:
        if self._may_find_all and not self._missing:
            return False
        if page.more is None:
            return is_news
        if not (is_news or self._was_news):
            raise _unexpected(
                page, "two pages in a row without new records, although moreResult is true"
            )
        self._was_news = is_news
        return True


class LogPaging:
    """Decides after each page of the activity log whether another page follows.

    It also raises an error if Marketo repeats a page token, because the read would never end.

    Args:
        seen: set in which page tokens are remembered; for long reads, one that needs less memory
            than a Python set.
    """

    def __init__(self, seen: SeenKeys | None = None) -> None:
        self._seen: SeenKeys = set() if seen is None else seen
        self._empty_pages = 0
        self._next_warning_at = _MANY_EMPTY_PAGES

    def resolved(self, page: Page, asked: str) -> Page:
        """Check a page of the activity log and return it; `more` is True if another page follows.

        Args:
            page: the next page of the activity log.
            asked: the page token with which this page was requested.

        Raises:
            UnexpectedResponseError: reading cannot be continued, or would never end.
        """
        _check_token(page)
        if page.more is None:
            raise _unexpected(page, "no moreResult in a page of the activity log")
        self._seen.add(asked)
        if page.more:
            self._check_new(page)
            self._count(page)
        return page

    def _check_new(self, page: Page) -> None:
        if str(page.next_page_token) in self._seen:
            raise _unexpected(page, "a page token of the activity log that it sent before")

    def _count(self, page: Page) -> None:
        if page.records:
            self._empty_pages, self._next_warning_at = 0, _MANY_EMPTY_PAGES
            return
        self._empty_pages += 1
        if self._empty_pages == self._next_warning_at:
            self._next_warning_at *= 10
            _LOGGER.warning(
                "Marketo sent %s empty pages of the activity log in a row and says that there are "
                "more%s. Reading continues.",
                f"{self._empty_pages:,}",
                request_note(page.request_id),
            )


def _check_token(page: Page) -> None:
    if page.more and not page.next_page_token:
        # Without a token the next call would return the first page again, endlessly.
        raise _unexpected(page, "moreResult is true without a page token")


def _unexpected(page: Page, what: str) -> UnexpectedResponseError:
    return unexpected_response(page.call, page.request_id, what)


def _identity(record: Record) -> str:
    """Return a text that identifies a record: its GUID, or all its content if it has no GUID."""
    if guid := record.get(MARKETO_GUID):
        return str(guid).strip()
    return repr(sorted(member for member in record.items() if member[0] != _PLACE))
