"""A run that finds records with a finder, for one or more streams."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import dataclass

from tap_marketo_opps.finding.finders import ActivityFinder
from tap_marketo_opps.finding.list_finder import SWEEPS, listed_at
from tap_marketo_opps.finding.pipeline import Pipeline
from tap_marketo_opps.sync.error_advice import with_advice
from tap_marketo_opps.sync.log_reach import hand_over_from
from tap_marketo_opps.sync.run_reporter import RunReporter
from tap_marketo_opps.sync.stream_output import StreamEmitter

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from marketo_opps import MarketoError
    from tap_marketo_opps.finding.page_result import PageResult
    from tap_marketo_opps.finding.resume_point import Position, ResumePoint
    from tap_marketo_opps.finding.stage_plan import Finder, StagePlan
    from tap_marketo_opps.singer_writer import TypedRecord
    from tap_marketo_opps.sync.plan import Plan
    from tap_marketo_opps.sync.run_context import RunContext
    from tap_marketo_opps.sync.state import Bookmark
    from tap_marketo_opps.sync.stream_output import StreamOutput

_LOGGER = logging.getLogger("tap-marketo-opps")


@dataclass(frozen=True)
class Run:
    """A run that finds records, writes each page with a STATE after it, and updates bookmarks.

    Attributes:
        context: Objects that all runs of the tap share.
        outputs: Outputs of the streams that the run serves, by name; calls are logged with the
            first.
        bookmarks: The streams' bookmarks before the run, by name.
        finder: The way to find records.
        plan: Where the run begins.
        stages: Pipeline stages that read the records.
        start_date: A sweep counts the records skipped for being older than this timestamp; None for
            other runs, which do not count them.
    """

    context: RunContext
    outputs: Mapping[str, StreamOutput]
    bookmarks: Mapping[str, Bookmark]
    finder: Finder
    plan: Plan
    stages: StagePlan
    start_date: str | None = None

    @property
    def warnings(self) -> list[str]:
        """Return warnings to log, about records that this run may miss."""
        return self.plan.warnings

    def pages(self) -> Iterator[tuple[str, list[TypedRecord]]]:
        """Write all records page by page; yield stream name and records of each written page."""
        context, resume = self.context, self.plan.resume
        self._log_beginning()
        outputs = [*self.outputs.values()]
        context.begin(outputs)
        span = resume.log_from, resume.began
        reporter = RunReporter(context.client, self.stages, outputs, context.throttle(), span)
        with context.reading(reporter, self._with_advice) as prefetcher:
            pipeline = Pipeline(self.stages.source, self.stages.lookups, prefetcher)
            yield from self._written(pipeline.results(), reporter)
        reporter.log_result()

    def _log_beginning(self) -> None:
        _LOGGER.info("Finding by %s%s.", self.finder.description, self._restriction())
        for warning in self.warnings:
            _LOGGER.warning("%s", warning)
        for note in self.plan.notes:
            _LOGGER.info("%s", note)

    def _restriction(self) -> str:
        """Return the end of the run's first log line, which says what records are not emitted.

        It says since when the log is read, or that records before `start_date` are skipped. It is
        empty if the run emits all records that it finds.
        """
        if log_from := self.plan.resume.log_from:
            return f", since {log_from}"
        if self.start_date and any(resume.since for resume in self.plan.resumes.values()):
            return f"; records from before start_date ({self.start_date}) are skipped"
        return ""

    def _with_advice(self, error: MarketoError) -> MarketoError:
        fields = {name: output.fields for name, output in self.outputs.items()}
        return with_advice(error, self.context.client, self.finder, fields)

    def _written(
        self, results: Iterable[PageResult], reporter: RunReporter
    ) -> Iterator[tuple[str, list[TypedRecord]]]:
        """Write the records of each page that the pipeline has read, with a STATE after each page.

        Yield the name of the stream and the records, for each page written.
        """
        emitters = {
            name: StreamEmitter(output, self.plan.resumes[name], self.start_date)
            for name, output in self.outputs.items()
        }
        position = self.plan.resume.at
        for result in results:
            new_position = result.resolve_position()
            position = new_position or position
            found_here = [
                each for each in emitters.values() if each.output.found_in == result.stream
            ]
            if not (new_position or (found_here and result.records)):
                continue
            pages = [(each.output, each.records_of(result)) for each in found_here]
            lines = b"".join(output.encode(records) for output, records in pages)
            self._save_paused(emitters, position)
            self.context.write_page(lines)
            reporter.note_state()
            if position != self.plan.resume.at:
                self.context.time_box.note_advance()
            yield from ((output.name, records) for output, records in pages)
        self._save_finished(emitters)
        self.context.write_page(b"")
        self.context.time_box.note_advance()

    def _save_paused(
        self, emitters: Mapping[str, StreamEmitter], position: Position | None
    ) -> None:
        for name, emitter in emitters.items():
            emitter.output.save(self.bookmarks[name].paused(emitter.resume_at(position)))

    def _save_finished(self, emitters: Mapping[str, StreamEmitter]) -> None:
        for name, emitter in emitters.items():
            emitter.output.save(self._finished(name, emitter.resume_at(None)))

    def _finished(self, name: str, resume: ResumePoint) -> Bookmark:
        label = self.finder.fingerprint_label
        bookmark = self.bookmarks[name].finished(resume, label)
        if isinstance(self.finder, ActivityFinder):
            late = self.stages.source.late
            return bookmark.after_log(resume.began, late.last_tail() if late else None)
        if isinstance(self.finder, SWEEPS):
            began = hand_over_from(listed_at(self.finder, resume.began), resume.began)
            return bookmark.after_sweep(began, label, is_complete=resume.since is None)
        return bookmark
