"""One run of a finder, on behalf of all streams that it finds records for."""

from __future__ import annotations

import logging
import time
import typing as t
from dataclasses import dataclass

from marketo_opps.plugin.workers import Workers
from tap_marketo_opps.finding.finders import ActivityFinder
from tap_marketo_opps.finding.list_finder import SWEEPS, listed_at
from tap_marketo_opps.finding.pipeline import Pipeline
from tap_marketo_opps.finding.prefetch import OrderedPrefetcher
from tap_marketo_opps.singer_writer import encode_state
from tap_marketo_opps.sync.error_advice import with_advice
from tap_marketo_opps.sync.log_reach import hand_over_from
from tap_marketo_opps.sync.progress import SECONDS_BETWEEN_LOGS, LogThrottle
from tap_marketo_opps.sync.progress_reporter import advised_errors
from tap_marketo_opps.sync.run_reporter import RunReporter
from tap_marketo_opps.sync.stream_output import StreamEmitter

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from marketo_opps import MarketoClient, MarketoError
    from tap_marketo_opps.finding.finders import Finder, StagePlan
    from tap_marketo_opps.finding.page_result import PageResult
    from tap_marketo_opps.finding.resume_point import Position, ResumePoint
    from tap_marketo_opps.finding.stages import ChunkCursor, Stage
    from tap_marketo_opps.singer_writer import MessageWriter, TypedRecord
    from tap_marketo_opps.sync.plan import Plan
    from tap_marketo_opps.sync.state import Bookmark
    from tap_marketo_opps.sync.stream_output import StreamOutput
    from tap_marketo_opps.sync.time_box import TimeBox

_LOGGER = logging.getLogger("tap-marketo-opps")

CALLS_IN_HAND = 2
"""While an answer is unpacked, its place among the calls at once is taken by one that is ready."""


class StreamRun(t.Protocol):
    """What finds the records of a stream, perhaps together with others'."""

    def pages(self) -> Iterator[tuple[str, list[TypedRecord]]]:
        """Write all there is; yields stream and records of each page that was written."""

    @property
    def warnings(self) -> list[str]:
        """Return sentences on what may be missing."""


@dataclass(frozen=True)
class Run:
    """A run: reads, writes each page and a STATE after it, and leaves the bookmarks.

    Attributes:
        client: To read with.
        writer: Of messages.
        outputs: The streams that take part, by name; the first leads.
        bookmarks: Theirs, as the run found them.
        finder: How records are found.
        plan: Where to begin.
        stages: What is read.
        max_concurrent_calls: How many pages are fetched ahead.
        state: The tap's, written to.
        time_box: The time that it may take.
        start_date: Of a sweep, which tells how many records it leaves out.
        seconds_between_logs: How often progress is logged.
    """

    client: MarketoClient
    writer: MessageWriter
    outputs: Mapping[str, StreamOutput]
    bookmarks: Mapping[str, Bookmark]
    finder: Finder
    plan: Plan
    stages: StagePlan
    max_concurrent_calls: int
    state: dict[str, t.Any]
    time_box: TimeBox
    start_date: str | None = None
    seconds_between_logs: float = SECONDS_BETWEEN_LOGS

    def pages(self) -> Iterator[tuple[str, list[TypedRecord]]]:
        """Write all there is; yields stream and records of each page that was written."""
        self._log_beginning()
        self.time_box.begin(*self.outputs)
        for output in self.outputs.values():
            output.write_schema()
        throttle = LogThrottle(time.monotonic, self.seconds_between_logs)
        span = self.plan.resume.log_from, self.plan.resume.began
        outputs = [*self.outputs.values()]
        reporter = RunReporter(self.client, self.stages, outputs, throttle, span)
        workers = Workers(self.max_concurrent_calls + CALLS_IN_HAND, "marketo-read")
        try:
            with (
                advised_errors(self._with_advice, reporter),
                self.time_box.pausing(reporter.so_far),
            ):
                yield from self._read(workers, reporter)
        finally:
            workers.close()
        reporter.log_result()

    def _with_advice(self, error: MarketoError) -> MarketoError:
        fields = {name: output.fields for name, output in self.outputs.items()}
        return with_advice(error, self.client, self.finder, fields)

    @property
    def warnings(self) -> list[str]:
        """Return sentences on what may be missing."""
        return self.plan.warnings

    def _log_beginning(self) -> None:
        since = self.plan.resume.log_from
        _LOGGER.info(
            "Finding by %s%s.", self.finder.description, f", since {since}" if since else ""
        )
        for warning in self.warnings:
            _LOGGER.warning("%s", warning)
        for note in self.plan.notes:
            _LOGGER.info("%s", note)

    def _read(
        self, workers: Workers, reporter: RunReporter
    ) -> Iterator[tuple[str, list[TypedRecord]]]:
        emitters = {
            name: StreamEmitter(output, self.plan.resumes[name], self.start_date)
            for name, output in self.outputs.items()
        }
        position = self.plan.resume.at
        for result in self._results(workers, reporter):
            new_position = result.resolve_position()
            position = new_position or position
            found_here = [
                each for each in emitters.values() if each.output.found_in == result.stream
            ]
            if not (new_position or (found_here and result.records)):
                continue
            pages = [(each.output, each.records_of(result)) for each in found_here]
            lines = b"".join(output.encode(records) for output, records in pages)
            self.writer.write(lines + self._paused_state(emitters, position))
            reporter.note_state()
            if position != self.plan.resume.at:
                self.time_box.note_advance()
            yield from ((output.name, records) for output, records in pages)
        self.writer.write(self._finished_state(emitters, position))
        self.time_box.note_advance()

    def _results(self, workers: Workers, reporter: RunReporter) -> Iterator[PageResult]:
        # Progress is logged where calls find nothing to write, and while none is answered, too.
        prefetcher: OrderedPrefetcher[tuple[Stage, ChunkCursor]] = OrderedPrefetcher(
            workers,
            self.max_concurrent_calls + CALLS_IN_HAND,
            self.time_box,
            reporter.log_progress,
        )
        return Pipeline(self.stages.source, self.stages.lookups, prefetcher).results()

    def _paused_state(
        self, emitters: Mapping[str, StreamEmitter], position: Position | None
    ) -> bytes:
        for name, emitter in emitters.items():
            resume = emitter.resume_at(position)
            emitter.output.save(self.bookmarks[name].paused(resume))
        return encode_state(self.state)

    def _finished_state(
        self, emitters: Mapping[str, StreamEmitter], position: Position | None
    ) -> bytes:
        for name, emitter in emitters.items():
            emitter.output.save(self._finished(name, emitter.resume_at(position)))
        return encode_state(self.state)

    def _finished(self, name: str, resume: ResumePoint) -> Bookmark:
        label = self.finder.fingerprint_label
        bookmark = self.bookmarks[name].finished(resume, label)
        if isinstance(self.finder, ActivityFinder):
            late = self.stages.source.late
            return bookmark.after_log(resume.began, late.last_tail() if late else None)
        if isinstance(self.finder, SWEEPS):
            began = hand_over_from(listed_at(self.finder, resume.began), resume.began)
            return bookmark.after_sweep(began, label)
        return bookmark
