"""Stages in a row, all of them reading at once, in an order that no clock has a say in."""

from __future__ import annotations

import typing as t
from collections import deque

from marketo_opps import PageTokenError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from marketo_opps import Page
    from tap_marketo_opps.finding.prefetch import Line
    from tap_marketo_opps.finding.stages import Lookup, Reading, Stage, Step

LINE_LENGTH = 10
"""Readings in line at once. The same for any concurrency, so that the order of pages is, too."""


class Pipeline:
    """A source and the lookups that follow from it.

    Whatever is read is in one line, and what enters the line next depends on nothing but the
    pages taken from it so far. Later stages go first: what was found is looked up before more
    is found.
    """

    def __init__(
        self,
        source: Stage,
        lookups: Sequence[Lookup],
        line: Line[tuple[Stage, Reading]],
    ) -> None:
        self._source = source
        self._half_read: deque[Reading] = deque()
        self._lookups = lookups
        self._line = line

    def steps(self) -> Iterator[Step]:
        """Read everything; yields what may be written, in order."""
        self._fill()
        while len(self._line):
            (stage, reading), answer = self._line.take()
            steps = self._arrived(stage, reading, answer)
            # Before anything is written: the calls go on while it is.
            self._fill()
            yield from steps

    def _fill(self) -> None:
        while len(self._line) < LINE_LENGTH and (found := self._next()):
            self._queue(*found)

    def _queue(self, stage: Stage, reading: Reading) -> None:
        self._line.add((stage, reading), stage.calls(reading))

    def _next(self) -> tuple[Stage, Reading] | None:
        self._seal_what_gets_no_more()
        for lookup in reversed(self._lookups):
            if reading := lookup.next_reading():
                return lookup, reading
        reading = self._half_read.popleft() if self._half_read else self._source.next_reading()
        return (self._source, reading) if reading else None

    def _seal_what_gets_no_more(self) -> None:
        idle = self._source.idle
        for lookup in self._lookups:
            if idle:
                lookup.seal()
            idle = idle and lookup.idle

    def _arrived(
        self,
        stage: Stage,
        reading: Reading,
        answer: Page | PageTokenError,
    ) -> list[Step]:
        if isinstance(answer, PageTokenError):
            stage.restart(reading, answer)
            self._queue(stage, reading)
            return []
        steps: Iterable[Step] = list(stage.read(reading, answer))
        if not reading.done and not stage.goes_on:
            self._half_read.append(reading)
        for lookup in self._after(stage):
            steps = [passed for step in steps for passed in lookup.accept(step)]
        return list(steps)

    def _after(self, stage: Stage) -> Sequence[Lookup]:
        if stage is self._source:
            return self._lookups
        position = next(i for i, lookup in enumerate(self._lookups) if lookup is stage)
        return self._lookups[position + 1 :]
