"""Concurrent execution of a pipeline's stages, with a deterministic order of output."""

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
"""Number of chunks queued at once; it does not depend on concurrency, nor does page order."""


class FollowingStage(Stage, t.Protocol):
    """A later stage of a pipeline, which looks up keys found in the pages of earlier stages."""

    def accept(self, result: PageResult) -> Iterator[PageResult]:
        """Queue the keys found in a page of an earlier stage, so that this stage looks them up.

        A page waits in this stage until all keys in it have been looked up. Yield the pages that
        need not wait any longer, in order.
        """

    def flush_partial(self) -> None:
        """Put the queued keys into a chunk to look up, although one call could look up more keys.

        The next call of `next_cursor` can return a cursor for this chunk.
        """


class Pipeline:
    """Runs the stages of a pipeline: the first one, and lookups of keys found in its pages.

    All calls are in one queue. The next call to queue depends only on the pages read so far, so the
    order of pages is the same in each run. Later stages have priority, so that keys found are
    looked up before more are found.

    Args:
        source: The first stage.
        lookups: The later stages in order, each of which gets the pages of those before it.
        prefetcher: Fetches the pages of all stages.
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
        """Read all pages of all stages; yield each page, in order, as soon as it may be written."""
        self._fill()
        while len(self._prefetcher):
            (stage, cursor), page = self._prefetcher.next_page()
            results = self._process(stage, cursor, page)
            # New calls start before the page is written, so that both happen at the same time.
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
