"""The two passes of a reconcile: the first looks up all rows, the second those not found.

Both are stages of one pipeline. Rows not found by the first pass are collected for calls of 300
rows, and a row counts as deleted only if the second pass does not find it either. If Marketo does
not say whether a page is the last one, then the first pass does not fetch another page: rows that
it misses are looked up by the second pass.
"""

from __future__ import annotations

import math
import typing as t
from collections import deque
from dataclasses import replace

from tap_marketo_opps.finding.key_sources import KEYS_PER_CALL
from tap_marketo_opps.finding.positions import PositionError
from tap_marketo_opps.reconcile.row_lookup import (
    PassResult,
    RowLookup,
    row_cursor,
    rows_missing,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from marketo_opps import Page, QueryPaging
    from tap_marketo_opps.finding.page_result import PageResult
    from tap_marketo_opps.finding.stages import ChunkCursor
    from tap_marketo_opps.reconcile.position import Counts, Progress
    from tap_marketo_opps.reconcile.row_lookup import PassContext, RowCursor
    from tap_marketo_opps.reconcile.warehouse_file import Row, WarehouseFile


class FirstPass(RowLookup):
    """The first pass of a reconcile run: a pipeline stage that looks up every row of a file.

    Args:
        context: Objects that both passes use; its progress says where to begin.
        file: The warehouse's rows.
        batch_size: Records per page.
        most_chunks: Maximum number of chunks to read.

    Attributes:
        left_over: Rows that an interrupted run did not find, and had not looked up again.

    Raises:
        PositionError: The progress does not match the file.
    """

    noun = "row"
    reached = None

    def __init__(
        self,
        context: PassContext,
        file: WarehouseFile,
        batch_size: int,
        most_chunks: float = math.inf,
    ) -> None:
        super().__init__(context)
        progress = context.progress
        self.total = file.total
        self.keys_done = progress.next_row
        self._batch_size = batch_size
        self._chunks_left = most_chunks
        self._open = 0
        self._chunks = file.chunks()
        self.left_over = [*self._pass_over(progress)]
        self._next = next(self._chunks, None)
        if len(self.left_over) != len(progress.pending):
            raise PositionError

    def _pass_over(self, progress: Progress) -> Iterator[Row]:
        """Skip the rows at the beginning of the file that an interrupted run has looked up.

        Yield those of them that it did not find, and had not looked up a second time.

        Raises:
            PositionError: No chunk of the file begins where the interrupted run stopped.
        """
        end = 0
        while end < progress.next_row and (chunk := next(self._chunks, None)):
            end = chunk.end
            yield from (row for row in chunk.rows if row.number in progress.pending)
        if end != progress.next_row:
            raise PositionError

    @property
    def is_idle(self) -> bool:
        """Return True if all rows of the file have been looked up."""
        return not (self._has_more() or self._open)

    def next_cursor(self) -> ChunkCursor | None:
        """Return a cursor for looking up the next chunk of rows; None after the last chunk."""
        chunk = self._next
        if not self._has_more() or chunk is None:
            return None
        self._chunks_left -= 1
        self._next = next(self._chunks, None)
        self._open += 1
        return row_cursor(chunk.rows, chunk)

    def _has_more(self) -> bool:
        return self._next is not None and self._chunks_left > 0

    def _page(self, paging: QueryPaging, keys: Sequence[str], token: str | None) -> Page:
        page = self._query(filter_values=keys, next_page_token=token)
        is_full = len(page.records) == self._batch_size < len(keys)
        resolved = paging.resolved(page)
        return resolved if page.more is not None or is_full else replace(resolved, more=False)

    def _finished(self, cursor: RowCursor, result: PassResult) -> PassResult:
        self._open -= 1
        missing = rows_missing(cursor)
        lost = [row for row in missing if not self._comparison.is_marked(row)]
        counts = cursor.counts
        counts.known_gone = len(missing) - len(lost)
        counts.living = sum(not self._comparison.is_marked(row) for row in cursor.rows.values())
        progress = self._progress
        progress.counts.add(counts)
        progress.next_row = cursor.end
        progress.pending.update(dict.fromkeys(row.number for row in lost))
        return replace(result, missing=lost, encoded_position=self._position())


class SecondPass(RowLookup):
    """The second pass of a reconcile run: a pipeline stage that looks up rows not found before.

    Args:
        context: Objects that both passes use.
        check_gone: Called with the counts so far and the number of further rows that are missing in
            Marketo: those that this pass did not find either, and as large a share of those that
            it has still to look up; raises an error if they are too many.
        left_over: Rows that an interrupted run had still to look up again, which come first.
    """

    def __init__(
        self,
        context: PassContext,
        check_gone: Callable[[Counts, int], None],
        left_over: Iterable[Row],
    ) -> None:
        super().__init__(context)
        self._check_gone = check_gone
        self._filling: list[Row] = []
        self._full: deque[RowCursor] = deque()
        self._open = 0
        self._add(left_over)

    @property
    def is_idle(self) -> bool:
        """Return True if all rows received from the first pass so far have been looked up."""
        return not (self._filling or self._open)

    def accept(self, result: PageResult) -> Iterator[PageResult]:
        """Queue the rows that the first pass did not find, so that this pass looks them up again.

        Args:
            result: Result of the first pass for one page, which is yielded unchanged.
        """
        if isinstance(result, PassResult):
            self._add(result.missing)
        yield result

    def flush_partial(self) -> None:
        """Put the queued rows into a chunk to look up, although one call could look up more rows.

        The next call of `next_cursor` can return a cursor for this chunk.
        """
        if self._filling:
            self._full.append(row_cursor(self._filling))
            self._open += 1
            self._filling = []

    def next_cursor(self) -> ChunkCursor | None:
        """Return a cursor for looking up the next chunk of queued rows; None if there is none."""
        return self._full.popleft() if self._full else None

    def _add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._filling.append(row)
            if len(self._filling) == KEYS_PER_CALL:
                self.flush_partial()

    def _finished(self, cursor: RowCursor, result: PassResult) -> PassResult:
        self._open -= 1
        gone = rows_missing(cursor)
        progress = self._progress
        progress.counts.add(cursor.counts)
        for number in cursor.numbers:
            del progress.pending[number]
        # The first pass is ahead: of the rows that it missed since, as large a share may be gone.
        expected = len(progress.pending) * len(gone) // len(cursor.numbers)
        self._check_gone(progress.counts, len(gone) + expected)
        progress.counts.gone += len(gone)
        return replace(result, gone=gone, encoded_position=self._position())
