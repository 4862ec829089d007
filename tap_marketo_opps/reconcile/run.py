"""One reconcile of a stream: reads, writes what is wrong, and a STATE after each chunk."""

from __future__ import annotations

import logging
import time
import typing as t
from dataclasses import dataclass, field

from marketo_opps.plugin.workers import Workers
from marketo_opps.wording import counted
from tap_marketo_opps.errors import TooManyGoneError
from tap_marketo_opps.finding.page_result import has_guid
from tap_marketo_opps.finding.pipeline import Pipeline
from tap_marketo_opps.finding.prefetch import OrderedPrefetcher
from tap_marketo_opps.reconcile.looks import LookResult
from tap_marketo_opps.singer_writer import encode_state
from tap_marketo_opps.sync.error_advice import with_advice
from tap_marketo_opps.sync.progress import SECONDS_BETWEEN_LOGS, LogThrottle
from tap_marketo_opps.sync.progress_reporter import ProgressReporter, advised_errors
from tap_marketo_opps.sync.run import CALLS_IN_HAND
from tap_marketo_opps.sync.run_reporter import lookup_oddities, misfits

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from marketo_opps import MarketoClient, MarketoError
    from tap_marketo_opps.finding.lead_stage import LeadStage
    from tap_marketo_opps.finding.pipeline import FollowingStage
    from tap_marketo_opps.finding.stages import ChunkCursor, Stage
    from tap_marketo_opps.reconcile.looks import FirstLook, SecondLook
    from tap_marketo_opps.reconcile.position import Counts
    from tap_marketo_opps.reconcile.tombstones import Tombstones
    from tap_marketo_opps.reconcile.warehouse_file import WarehouseFile
    from tap_marketo_opps.singer_writer import MessageWriter, TypedRecord
    from tap_marketo_opps.sync.stream_output import StreamOutput
    from tap_marketo_opps.sync.time_box import TimeBox

BOOKMARK_KEY = "reconcile"
"""Where a stream's bookmark has its place: one string, or null."""

_LOGGER = logging.getLogger("tap-marketo-opps")


@dataclass(frozen=True)
class ReconcileRun:
    """A run over one stream's file.

    Attributes:
        client: To read with.
        writer: Of messages.
        output: The stream.
        file: What the warehouse has of it.
        tombstones: Make records of the file's rows that are gone.
        first: Looks up all rows.
        second: Looks up again those that the first look did not find.
        leads: Adds to roles what is wanted of their leads; None if nothing is.
        counts: Of both.
        no_untold: Why it cannot be told which changes the log has not told; None if it can.
        max_concurrent_calls: How many pages are fetched ahead.
        state: The tap's, written to.
        time_box: The time that it may take.
        notes: Sentences on where it begins.
        catalog_warnings: Sentences on fields that the catalog does not have.
        missing_columns: Sentences on fields that the file does not have.
        seconds_between_logs: How often progress is logged.
    """

    client: MarketoClient
    writer: MessageWriter
    output: StreamOutput
    file: WarehouseFile
    tombstones: Tombstones
    first: FirstLook
    second: SecondLook
    leads: LeadStage | None
    counts: Counts
    no_untold: str | None
    max_concurrent_calls: int
    state: dict[str, t.Any]
    time_box: TimeBox
    notes: list[str] = field(default_factory=list)
    catalog_warnings: list[str] = field(default_factory=list)
    missing_columns: list[str] = field(default_factory=list)
    seconds_between_logs: float = SECONDS_BETWEEN_LOGS

    @property
    def warnings(self) -> list[str]:
        """Return sentences on what may be missing."""
        return [*self.catalog_warnings, *self.missing_columns]

    def pages(self) -> Iterator[tuple[str, list[TypedRecord]]]:
        """Write all there is; yields stream and records of each page that was written."""
        self._log_beginning()
        self.time_box.begin(self.output.name)
        self.output.write_schema()
        throttle = LogThrottle(time.monotonic, self.seconds_between_logs)
        reporter = ProgressReporter(self.client, self.first, [self.output], throttle)
        workers = Workers(self.max_concurrent_calls + CALLS_IN_HAND, "marketo-reconcile")
        try:
            with (
                advised_errors(self._with_advice, reporter),
                self.time_box.pausing(reporter.so_far),
            ):
                yield from self._read(workers, reporter)
        finally:
            workers.close()
        self._log_result(reporter)

    def _log_beginning(self) -> None:
        _LOGGER.info(
            "%s: comparing %s with Marketo.", self.output.name, counted(self.file.total, "row")
        )
        for warning in self.catalog_warnings:
            _LOGGER.warning("%s", warning)
        for note in self.notes:
            _LOGGER.info("%s", note)

    def _with_advice(self, error: MarketoError) -> MarketoError:
        fields = {self.output.name: self.output.fields}
        return with_advice(error, self.client, None, fields)

    def _read(
        self, workers: Workers, reporter: ProgressReporter
    ) -> Iterator[tuple[str, list[TypedRecord]]]:
        prefetcher: OrderedPrefetcher[tuple[Stage, ChunkCursor]] = OrderedPrefetcher(
            workers,
            self.max_concurrent_calls + CALLS_IN_HAND,
            self.time_box,
            reporter.log_progress,
        )
        told = self.output.state.get(BOOKMARK_KEY)
        position = began_at = told if isinstance(told, str) else None
        try:
            lookups: list[FollowingStage] = [self.second, *self._lead_stages]
            for result in Pipeline(self.first, lookups, prefetcher).results():
                assert isinstance(result, LookResult)
                records = self._records_of(result)
                position = result.encoded_position or position
                self._write(records, position)
                self._count()
                reporter.note_state()
                if position != began_at:
                    self.time_box.note_advance()
                yield self.output.name, records
        except TooManyGoneError:
            # What has been found cannot be believed, so there is nothing to go on from.
            self._write([], None)
            raise
        self._write([], None)
        self.time_box.note_advance()

    @property
    def _lead_stages(self) -> list[LeadStage]:
        return [self.leads] if self.leads else []

    def _records_of(self, result: LookResult) -> list[TypedRecord]:
        kept = [record for record in result.records if has_guid(record)]
        self.output.counts.keyless += len(result.records) - len(kept)
        records = [typed for _, typed in self.output.convert_page(kept)]
        return self.output.limited([*records, *self.tombstones.of(result.gone)])

    def _write(self, records: list[TypedRecord], position: str | None) -> None:
        self.output.state[BOOKMARK_KEY] = position
        self.writer.write(self.output.encode(records) + encode_state(self.state))

    def _count(self) -> None:
        counts, totals = self.output.counts, self.counts
        counts.alike, counts.changed = totals.alike, totals.changed
        counts.gone, counts.known_gone = totals.gone, totals.known_gone

    def _log_result(self, reporter: ProgressReporter) -> None:
        _LOGGER.info("%s", "; ".join([reporter.leaders_line(), *self._results()]))
        reporter.warn_of_records_without_key()

    def _results(self) -> list[str]:
        counts, strangers = self.counts, self.first.strangers + self.second.strangers
        rows = (
            f"{counts.alike:,} alike, {counts.changed:,} changed, {counts.gone:,} gone, "
            f"{counts.known_gone:,} known gone"
        )
        results = [rows, self._untold(), *misfits(self.output)]
        for leads in self._lead_stages:
            results += lookup_oddities(leads)
        if self.file.repeated:
            results.append(f"{counted(self.file.repeated, 'row')} with a repeated marketoGUID")
        if strangers:
            results.append(
                f"{counted(strangers, 'record')} returned for an id that was not requested"
            )
        return results

    def _untold(self) -> str:
        if self.no_untold:
            return f"changes missed by the activity log: unknown ({self.no_untold})"
        return f"{self.counts.untold:,} of the changes missed by the activity log"
