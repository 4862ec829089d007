"""Base class of the first pipeline stages that read all pages of one list by page tokens."""

from __future__ import annotations

import abc
import typing as t

from tap_marketo_opps.finding.page_result import PageResult
from tap_marketo_opps.finding.pending_keys import decode_keys
from tap_marketo_opps.finding.stages import ChunkCursor

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from marketo_opps import Page, Record
    from tap_marketo_opps.finding.page_result import Key
    from tap_marketo_opps.finding.pending_keys import PendingKeys
    from tap_marketo_opps.finding.prefetch import Calls
    from tap_marketo_opps.finding.resume_point import Position


class PageReader(abc.ABC):
    """Reads one list page by page, and keeps the keys found until they are looked up.

    Args:
        stream: Name of the stream that the pages belong to.
        pending: Collects the keys that later stages look up, which are saved with the position.
        at: Position to begin at, with a page token or None, and the keys to look up first.
    """

    keeps_place = False
    unmatched = 0
    echoes = 0
    total = None

    def __init__(self, stream: str, pending: PendingKeys, at: Position) -> None:
        self._stream = stream
        self._pending = pending
        # Keys that the interrupted run had not looked up come first.
        self._left = decode_keys(at["keys"])
        self._cursor: ChunkCursor | None = ChunkCursor(0, {}, token=at["token"])
        self._is_done = False

    @property
    def is_idle(self) -> bool:
        """Return True if all pages have been read."""
        return self._is_done

    def next_cursor(self) -> ChunkCursor | None:
        """Return a cursor to read all pages with; None if it was returned before.

        The cursor stores the page token of the page to read next.
        """
        cursor, self._cursor = self._cursor, None
        return cursor

    def calls(self, cursor: ChunkCursor) -> Calls:
        """Return a function that returns the API call for one page, then None.

        Its argument is the page before, or None for the first call. After each page the pipeline
        calls this method again, with the cursor of the next page.

        Args:
            cursor: Has the token of the page to read; without one, the first page is read.
        """
        call = self._page_call(cursor)
        return lambda before: call if before is None else None

    @abc.abstractmethod
    def _page_call(self, cursor: ChunkCursor) -> Callable[[], Page]:
        """Return the API call for the page to which a cursor points."""

    def _results(
        self, records: Sequence[Record], keys: Iterable[Key], position: Position
    ) -> Iterator[PageResult]:
        """Yield the results of a page: its records, and the keys to look up for it.

        Args:
            records: Records to emit.
            keys: Keys found in the page.
            position: Position right after the page.
        """
        page = self._pending.track(position, [*self._left.items(), *keys])
        self._left = {}
        yield PageResult(self._stream, records, position=page.mark_written, is_tracked=True)
        if page.keys:
            found, position_after = tuple(page.keys.items()), page.mark_looked_up
            yield PageResult(self._stream, (), position=position_after, keys=found, is_tracked=True)
