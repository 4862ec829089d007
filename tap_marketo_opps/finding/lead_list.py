"""The first pipeline stage of `find_by: lead_list`, which reads the members of a static list."""

from __future__ import annotations

import functools
import logging
import typing as t

from marketo_opps import PageTokenError, QueryPaging
from marketo_opps.errors import unexpected_response
from marketo_opps.seen_keys import KeyHashSet
from tap_marketo_opps.finding.activity_log import read_lead_id
from tap_marketo_opps.finding.page_reader import PageReader
from tap_marketo_opps.finding.pending_keys import encode_keys
from tap_marketo_opps.finding.positions import PositionError, is_place_in_list

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from marketo_opps import Page
    from tap_marketo_opps.finding.page_result import PageResult
    from tap_marketo_opps.finding.pending_keys import PendingKeys
    from tap_marketo_opps.finding.resume_point import Position
    from tap_marketo_opps.finding.stages import ChunkCursor

_LOGGER = logging.getLogger("tap-marketo-opps")

LEADS = "leads"
ID = "id"


class LeadListReader(PageReader):
    """Reads the members of a static list page by page; the first stage of a pipeline.

    Marketo does not document how long page tokens stay valid. If a token is refused, the list is
    read again from the beginning, because nothing else identifies the members already read.

    Args:
        members: Returns a page of members, given `next_page_token`.
        pending: Collects the keys that later stages look up, which are saved with the position.
        at: Position at which an interrupted run stopped; None for a new run.

    Raises:
        PositionError: The position is not valid.

    Attributes:
        keys_done: Number of members read.
    """

    reached = late = None
    noun = "lead"

    def __init__(
        self, members: Callable[..., Page], pending: PendingKeys, at: Position | None = None
    ) -> None:
        at = at or {"token": None, "done": 0, "keys": encode_keys({})}
        if not is_place_in_list(at):
            raise PositionError
        super().__init__(LEADS, pending, at)
        self._members = members
        # After a restart there is no progress until the earlier position is passed.
        self.keys_done = self._most_done = at["done"]
        self._paging = QueryPaging((), ID, KeyHashSet())

    def restart(self, cursor: ChunkCursor, error: PageTokenError) -> None:
        """Prepare to read the list again from its beginning, after Marketo refused a page token."""
        cursor.drop_token(error)
        self._paging = QueryPaging((), ID, KeyHashSet())
        self.keys_done = 0
        _LOGGER.info(
            "Marketo no longer accepts the page token of the static list; reading the list again "
            "from the beginning."
        )

    def process(self, cursor: ChunkCursor, page: Page) -> list[PageResult]:
        """Return a page's lead IDs as keys to look up, with the position right after the page."""
        ids = [*_ids(page)]
        done_before, self.keys_done = self.keys_done, self.keys_done + len(ids)
        if self.keys_done > self._most_done:
            self._most_done, cursor.refusals = self.keys_done, 0
        cursor.done = self._is_done = not page.more
        if cursor.done and not self.keys_done:
            _LOGGER.warning("The static list has no leads: nothing to look up.")
        # The last page has no token to continue with, so a later run reads that page again.
        if page.more:
            cursor.token, done_before = page.next_page_token, self.keys_done
        position = {"token": cursor.token, "done": done_before}
        return list(self._results((), ((each, False) for each in ids), position))

    def _page_call(self, cursor: ChunkCursor) -> Callable[[], Page]:
        return functools.partial(self._page, self._paging, cursor.token)

    def _page(self, paging: QueryPaging, token: str | None) -> Page:
        return paging.resolved(self._members(next_page_token=token))


def _ids(page: Page) -> Iterator[str]:
    """Yield the IDs of a page's leads.

    Raises:
        UnexpectedResponseError: A lead has no ID that can be read.
    """
    for lead in page.records:
        try:
            number = read_lead_id(lead[ID])
        except (KeyError, ValueError):
            number = None
        if number is None:
            raise unexpected_response(page.call, page.request_id, "a lead without an id")
        yield str(number)
