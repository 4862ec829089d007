"""Run the stages concurrently; output order is deterministic."""

from __future__ import annotations

import typing as t
from collections import deque

from marketo_opps import PageTokenError
from tap_marketo_opps.finding.stages import Stage

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from marketo_opps import Page
    from tap_marketo_opps.finding.page_result import PageResult
    from tap_marketo_opps.finding.prefetch import OrderedPrefetcher
    from tap_marketo_opps.finding.stages import ChunkCursor

QUEUE_LENGTH = 10
"""Chunks queued at once. Equal for any concurrency, so that the order of pages is, too."""


class FollowingStage(Stage, t.Protocol):
    """A stage that reads what the pages of the stages before it name."""

    def accept(self, result: PageResult) -> Iterator[PageResult]:
        """Queue a page's keys; yields the pages that may go on."""

    def flush_partial(self) -> None:
        """Let the call that is being filled be made as it is."""


class Pipeline:
    """A source and the lookups that follow from it.

    Whatever is read is in one queue, and what enters the queue next depends on nothing but the
    pages taken from it so far. Later stages go first: what was found is looked up before more
    is found.

    Args:
        source: Stage that begins.
        lookups: Stages that follow, each from those before it.
        prefetcher: Fetches their pages.
    """

    def __init__(
        self,
        source: Stage,
        lookups: Sequence[FollowingStage],
        prefetcher: OrderedPrefetcher[tuple[Stage, ChunkCursor]],
    ) -> None:
        self._source = source
        self._half_read: deque[ChunkCursor] = deque()
        self._lookups = lookups
        self._prefetcher = prefetcher

    def results(self) -> Iterator[PageResult]:
        """Read everything; yields what may be written, in order."""
        self._fill()
        while len(self._prefetcher):
            (stage, cursor), page = self._prefetcher.next_page()
            results = self._process(stage, cursor, page)
            # Before anything is written: the calls go on while it is.
            self._fill()
            yield from results

    def _fill(self) -> None:
        while len(self._prefetcher) < QUEUE_LENGTH and (found := self._next()):
            self._queue(*found)

    def _queue(self, stage: Stage, cursor: ChunkCursor) -> None:
        self._prefetcher.add((stage, cursor), stage.calls(cursor))

    def _next(self) -> tuple[Stage, ChunkCursor] | None:
        self._flush_what_gets_no_more()
        for lookup in reversed(self._lookups):
            if cursor := lookup.next_cursor():
                return lookup, cursor
        cursor = self._half_read.popleft() if self._half_read else self._source.next_cursor()
        return (self._source, cursor) if cursor else None

    def _flush_what_gets_no_more(self) -> None:
        is_idle = self._source.is_idle
        for lookup in self._lookups:
            if is_idle:
                lookup.flush_partial()
            is_idle = is_idle and lookup.is_idle

    def _process(
        self, stage: Stage, cursor: ChunkCursor, page: Page | PageTokenError
    ) -> list[PageResult]:
        if isinstance(page, PageTokenError):
            stage.restart(cursor, page)
            self._queue(stage, cursor)
            return []
        results: Iterable[PageResult] = list(stage.process(cursor, page))
        if not cursor.done and not stage.keeps_place:
            self._half_read.append(cursor)
        for lookup in self._after(stage):
            results = [passed for result in results for passed in lookup.accept(result)]
        return list(results)

    def _after(self, stage: Stage) -> Sequence[FollowingStage]:
        if stage is self._source:
            return self._lookups
        position = next(i for i, lookup in enumerate(self._lookups) if lookup is stage)
        return self._lookups[position + 1 :]
