"""The two looks at what the warehouse has: all of it, and again what the first did not find.

Both are stages of one pipeline. The rows that are not found are put together into calls of 300,
and nothing is gone before the second look has not found it either. Where Marketo does not say
whether a page is the last, the first look does not ask for another one, either: the second decides.
"""

from __future__ import annotations

import math
import typing as t
from collections import deque
from dataclasses import dataclass, field, replace

from marketo_opps.fields import MARKETO_GUID
from marketo_opps.keys import comparable_key
from tap_marketo_opps.finding.key_sources import KEYS_PER_CALL
from tap_marketo_opps.finding.page_result import PageResult, has_guid
from tap_marketo_opps.finding.positions import PositionError
from tap_marketo_opps.finding.stages import ChunkCursor, KeyedStage
from tap_marketo_opps.reconcile.position import Counts

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from marketo_opps import Page, PageTokenError, QueryPaging, Record
    from tap_marketo_opps.reconcile.comparison import Comparison
    from tap_marketo_opps.reconcile.position import Progress
    from tap_marketo_opps.reconcile.warehouse_file import Row, RowChunk, WarehouseFile


@dataclass(slots=True)
class RowCursor(ChunkCursor):
    """Rows being looked up.

    Attributes:
        end: Where the next chunk of rows begins.
        numbers: Of all its rows.
        rows: By their GUIDs, as these are compared; of several for one GUID the last.
        counts: Of what has been found of them so far.
    """

    end: int = 0
    numbers: tuple[int, ...] = ()
    rows: dict[str | None, Row] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True, slots=True)
class LookResult(PageResult):
    """What a page shows to be wrong in the warehouse.

    Attributes:
        missing: Rows that it leaves to the second look.
        gone: Rows that get a tombstone.
        encoded_position: Valid once this is written; None if unchanged.
    """

    missing: Sequence[Row] = ()
    gone: Sequence[Row] = ()
    encoded_position: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What both looks are at.

    Attributes:
        query: Fetches a page, given `filter_values` and `next_page_token`.
        stream: What is looked up.
        comparison: Of records with rows.
        progress: Of both looks.
        fingerprint: Of what a position is a place in.
    """

    query: Callable[..., Page]
    stream: str
    comparison: Comparison
    progress: Progress
    fingerprint: str


class _Look(KeyedStage):
    """Base of the two looks.

    Args:
        subject: What is looked at.

    Attributes:
        strangers: How many records came back for a GUID that was not asked for.
    """

    # Chunks are finished in their order, so a position is one number.
    keeps_place = True

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.query, subject.stream, MARKETO_GUID)
        self._subject = subject
        self._comparison = subject.comparison
        self._progress = subject.progress
        self.strangers = 0

    def restart(self, cursor: ChunkCursor, error: PageTokenError) -> None:
        """Begin a chunk again, without the page token that was refused."""
        super().restart(cursor, error)
        t.cast("RowCursor", cursor).counts = Counts()

    def process(self, cursor: ChunkCursor, page: Page) -> Iterable[PageResult]:
        """Yield the page's records that the warehouse has otherwise."""
        rows = t.cast("RowCursor", cursor)
        changed = [record for record in page.records if self._is_wanted(rows, record)]
        self._advance(cursor, page)
        result = LookResult(self.stream, changed)
        yield self._finished(rows, result) if cursor.done else result

    def _is_wanted(self, cursor: RowCursor, record: Record) -> bool:
        """Return True for a record to be emitted, and count it with its row.

        One without GUID is: the run counts it, and tells.
        """
        if not has_guid(record):
            return True
        key = comparable_key(record[MARKETO_GUID])
        row = cursor.rows.get(key)
        self.strangers += row is None
        if row is None or key in cursor.matched:
            return False
        cursor.matched.add(key)
        return self._comparison.is_changed(row, record, cursor.counts)

    def _finished(self, cursor: RowCursor, result: LookResult) -> LookResult:
        """Return the result of a chunk's last page, with all that is known now."""
        raise NotImplementedError

    def _position(self) -> str:
        return self._progress.encode(self._subject.fingerprint)


class FirstLook(_Look):
    """Looks up every row of a file.

    Args:
        subject: What is looked at; its progress says where to begin.
        file: Of the rows.
        batch_size: Records a page.
        most_chunks: After how many it ends.

    Attributes:
        left_over: Rows that an earlier attempt did not find, and did not look up again.

    Raises:
        PositionError: Nothing can be gone on with from there.
    """

    noun = "row"
    reached = None

    def __init__(
        self, subject: Subject, file: WarehouseFile, batch_size: int, most_chunks: float = math.inf
    ) -> None:
        super().__init__(subject)
        progress = subject.progress
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
        """Pass over the rows that are looked up; yields those that are to be looked up again."""
        end = 0
        while end < progress.next_row and (chunk := next(self._chunks, None)):
            end = chunk.end
            yield from (row for row in chunk.rows if row.number in progress.pending)
        if end != progress.next_row:
            raise PositionError

    @property
    def is_idle(self) -> bool:
        """Return True if all rows have been looked up."""
        return not (self._has_more() or self._open)

    def next_cursor(self) -> ChunkCursor | None:
        """Return the next chunk."""
        chunk = self._next
        if not self._has_more() or chunk is None:
            return None
        self._chunks_left -= 1
        self._next = next(self._chunks, None)
        self._open += 1
        return _cursor(chunk.rows, chunk)

    def _has_more(self) -> bool:
        return self._next is not None and self._chunks_left > 0

    def _page(self, paging: QueryPaging, keys: Sequence[str], token: str | None) -> Page:
        page = self._query(filter_values=keys, next_page_token=token)
        is_full = len(page.records) == self._batch_size < len(keys)
        resolved = paging.resolved(page)
        return resolved if page.more is not None or is_full else replace(resolved, more=False)

    def _finished(self, cursor: RowCursor, result: LookResult) -> LookResult:
        self._open -= 1
        missing = _missing(cursor)
        lost = [row for row in missing if not self._comparison.is_marked(row)]
        counts = cursor.counts
        counts.known_gone = len(missing) - len(lost)
        counts.living = sum(not self._comparison.is_marked(row) for row in cursor.rows.values())
        progress = self._progress
        progress.counts.add(counts)
        progress.next_row = cursor.end
        progress.pending.update(dict.fromkeys(row.number for row in lost))
        return replace(result, missing=lost, encoded_position=self._position())


class SecondLook(_Look):
    """Looks up again what the first look did not find.

    Args:
        subject: What is looked at.
        check_gone: Called with the counts before rows are gone, and their number; it raises an
            error where they are too many.
        left_over: Rows to begin with.
    """

    def __init__(
        self,
        subject: Subject,
        check_gone: Callable[[Counts, int], None],
        left_over: Iterable[Row],
    ) -> None:
        super().__init__(subject)
        self._check_gone = check_gone
        self._filling: list[Row] = []
        self._full: deque[RowCursor] = deque()
        self._open = 0
        self._add(left_over)

    @property
    def is_idle(self) -> bool:
        """Return True if all that came in so far has been looked up."""
        return not (self._filling or self._open)

    def accept(self, result: PageResult) -> Iterator[PageResult]:
        """Queue what a page leaves to this look; the page itself need not wait."""
        if isinstance(result, LookResult):
            self._add(result.missing)
        yield result

    def flush_partial(self) -> None:
        """Let the call that is being filled be made as it is."""
        if self._filling:
            self._full.append(_cursor(self._filling))
            self._open += 1
            self._filling = []

    def next_cursor(self) -> ChunkCursor | None:
        """Return the next full call."""
        return self._full.popleft() if self._full else None

    def _add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._filling.append(row)
            if len(self._filling) == KEYS_PER_CALL:
                self.flush_partial()

    def _finished(self, cursor: RowCursor, result: LookResult) -> LookResult:
        self._open -= 1
        gone = _missing(cursor)
        progress = self._progress
        progress.counts.add(cursor.counts)
        self._check_gone(progress.counts, len(gone))
        progress.counts.gone += len(gone)
        for number in cursor.numbers:
            del progress.pending[number]
        return replace(result, gone=gone, encoded_position=self._position())


def _cursor(rows: Sequence[Row], chunk: RowChunk | None = None) -> RowCursor:
    return RowCursor(
        chunk.start if chunk else rows[0].number,
        dict.fromkeys((row.key for row in rows), False),
        end=chunk.end if chunk else 0,
        numbers=tuple(row.number for row in rows),
        rows={comparable_key(row.key): row for row in rows},
    )


def _missing(cursor: RowCursor) -> list[Row]:
    return [row for key, row in cursor.rows.items() if key not in cursor.matched]
