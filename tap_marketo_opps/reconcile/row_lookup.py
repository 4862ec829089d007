"""The base of the two passes of a reconcile, which looks up rows and compares them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from marketo_opps.fields import MARKETO_GUID
from marketo_opps.keys import comparable_key
from tap_marketo_opps.finding.page_result import PageResult, has_guid
from tap_marketo_opps.finding.stages import ChunkCursor, KeyedStage
from tap_marketo_opps.reconcile.position import Counts

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from marketo_opps import Page, PageTokenError, Record
    from tap_marketo_opps.reconcile.comparison import Comparison
    from tap_marketo_opps.reconcile.position import Progress
    from tap_marketo_opps.reconcile.warehouse_file import Row, RowChunk


@dataclass(slots=True)
class RowCursor(ChunkCursor):
    """A chunk of warehouse rows that is being looked up page by page.

    Attributes:
        end: Number of the first row of the next chunk.
        numbers: Numbers of the chunk's rows.
        rows: Rows by the comparable form of their GUID; of rows with the same GUID the last.
        counts: Counts of the chunk's rows found so far.
    """

    end: int = 0
    numbers: tuple[int, ...] = ()
    rows: dict[str | None, Row] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True, slots=True)
class PassResult(PageResult):
    """The result of one page that a reconcile run has read: records to emit, rows not found.

    The records are those that differ from their rows in the warehouse.

    Attributes:
        missing: Rows that the second pass has to look up.
        gone: Rows that no longer exist in Marketo, for which tombstones are written.
        encoded_position: Position valid once this result is written; None if unchanged.
    """

    missing: Sequence[Row] = ()
    gone: Sequence[Row] = ()
    encoded_position: str | None = None


@dataclass(frozen=True, slots=True)
class PassContext:
    """Objects that both passes of a reconcile run use to look up and compare warehouse rows.

    Attributes:
        query: Fetches a page, given `filter_values` and `next_page_token`.
        stream: Name of the stream whose rows are looked up.
        comparison: Compares rows with records.
        progress: Common progress of both passes.
        fingerprint: Digest of the file and the settings for which a position is valid.
    """

    query: Callable[..., Page]
    stream: str
    comparison: Comparison
    progress: Progress
    fingerprint: str


class RowLookup(KeyedStage):
    """Base of the passes of a reconcile run: looks up warehouse rows by GUID, and compares them.

    Args:
        context: Objects that both passes use.

    Attributes:
        unrequested: Number of records returned for a GUID that was not requested.
    """

    # Chunks are completed in order, so that a position is one number.
    keeps_place = True

    def __init__(self, context: PassContext) -> None:
        super().__init__(context.query, context.stream, MARKETO_GUID)
        self._context = context
        self._comparison = context.comparison
        self._progress = context.progress
        self.unrequested = 0

    def restart(self, cursor: ChunkCursor, error: PageTokenError) -> None:
        """Prepare a chunk of rows to be read again, after Marketo refused a page token."""
        super().restart(cursor, error)
        t.cast("RowCursor", cursor).counts = Counts()

    def process(self, cursor: ChunkCursor, page: Page) -> Iterable[PageResult]:
        """Yield a result with those records of a page that differ from their rows in the warehouse.

        If it is the last page of a chunk, the result also has the rows that were not found.
        """
        rows = t.cast("RowCursor", cursor)
        changed = [record for record in page.records if self._is_wanted(rows, record)]
        self._advance(cursor, page)
        result = PassResult(self.stream, changed)
        yield self._finished(rows, result) if cursor.done else result

    def _is_wanted(self, cursor: RowCursor, record: Record) -> bool:
        """Return True if a record is emitted, because it differs from its row in the warehouse.

        Also count the row. A record whose GUID was not requested, or was found before, is not
        emitted. Return True for a record without GUID too, which the run skips later, with a
        warning.
        """
        if not has_guid(record):
            return True
        key = comparable_key(record[MARKETO_GUID])
        row = cursor.rows.get(key)
        self.unrequested += row is None
        if row is None or key in cursor.matched:
            return False
        cursor.matched.add(key)
        return self._comparison.is_changed(row, record, cursor.counts)

    def _finished(self, cursor: RowCursor, result: PassResult) -> PassResult:
        """Return the result of a chunk's last page, completed by what is known only then.

        That is which of the chunk's rows were not found, and the position after the chunk.
        """
        raise NotImplementedError

    def _position(self) -> str:
        return self._progress.encode(self._context.fingerprint)


def row_cursor(rows: Sequence[Row], chunk: RowChunk | None = None) -> RowCursor:
    """Return a cursor for looking up rows of the warehouse, page by page.

    Args:
        rows: The rows.
        chunk: Chunk of the file to which the rows belong; None if they belong to several.
    """
    return RowCursor(
        chunk.start if chunk else rows[0].number,
        dict.fromkeys((row.key for row in rows), False),
        end=chunk.end if chunk else 0,
        numbers=tuple(row.number for row in rows),
        rows={comparable_key(row.key): row for row in rows},
    )


def rows_missing(cursor: RowCursor) -> list[Row]:
    """Return the rows of a cursor for which no record was found, once it has read all pages."""
    return [row for key, row in cursor.rows.items() if key not in cursor.matched]
