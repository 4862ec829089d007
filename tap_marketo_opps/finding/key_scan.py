"""The first pipeline stage when a setting gives the keys, all of which it looks up in chunks."""

from __future__ import annotations

import typing as t
from collections import deque

from tap_marketo_opps.finding.page_result import PageResult, never_force
from tap_marketo_opps.finding.positions import PositionError, is_place_in_scan
from tap_marketo_opps.finding.stages import ChunkCursor, KeyedStage

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from marketo_opps import Page, Record
    from tap_marketo_opps.finding.key_sources import Chunk, KeySource
    from tap_marketo_opps.finding.resume_point import Position


class KeyScan(KeyedStage):
    """Looks up all keys of a source, chunk by chunk; the first stage of a pipeline.

    Several chunks are read at the same time. So a position consists of the start of the first
    chunk that has not been read at all, and the page tokens of those that are partly read.

    Args:
        query: Fetches a page, given `filter_values` and `next_page_token`.
        obj: Object to look up, which is also the name of its stream.
        key_field: Field that the keys are values of.
        source: Source of the keys.
        noun: Word for a key in messages, such as "lead".
        emit_regardless_of_age: Returns True for a record that is emitted however old it is.
        at: Position at which an interrupted run stopped; None for a new run.

    Raises:
        PositionError: The position is not valid for these keys.
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
        """Return the number of keys to look up in the whole run, including duplicates."""
        return self._source.total

    @property
    def is_idle(self) -> bool:
        """Return True if all chunks have been read completely."""
        return not (self._chunk or self._half_read or self._untouched)

    def next_cursor(self) -> ChunkCursor | None:
        """Return a cursor for reading the next chunk of keys page by page; None after the last.

        Chunks that an interrupted run has read only in part come first.
        """
        if self._reopened:
            return self._reopened.popleft()
        if (chunk := self._chunk) is None:
            return None
        self._untouched.append(chunk.start)
        self._next_start = chunk.end
        self._chunk = next(self._chunks, None)
        return _cursor(chunk)

    def process(self, cursor: ChunkCursor, page: Page) -> Iterable[PageResult]:
        """Return the page's records, with the position at which a later run resumes after them."""
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
