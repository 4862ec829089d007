"""A reconcile run, which compares one stream's warehouse file with Marketo."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import dataclass

from marketo_opps.wording import counted
from tap_marketo_opps.errors import TooManyGoneError
from tap_marketo_opps.finding.page_result import has_guid
from tap_marketo_opps.finding.pipeline import Pipeline
from tap_marketo_opps.reconcile.reporter import ReconcileReporter
from tap_marketo_opps.reconcile.row_lookup import PassResult
from tap_marketo_opps.sync.error_advice import with_advice

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from marketo_opps import MarketoError
    from tap_marketo_opps.finding.page_result import PageResult
    from tap_marketo_opps.reconcile.stages import ReconcileStages
    from tap_marketo_opps.reconcile.tombstones import Tombstones
    from tap_marketo_opps.reconcile.warehouse_file import WarehouseFile
    from tap_marketo_opps.singer_writer import TypedRecord
    from tap_marketo_opps.sync.run_context import RunContext
    from tap_marketo_opps.sync.stream_output import StreamOutput

BOOKMARK_KEY = "reconcile"
"""Member of a stream's bookmark that contains the position of a reconcile: a string, or null."""

_LOGGER = logging.getLogger("tap-marketo-opps")


@dataclass(frozen=True)
class ReconcileRun:
    """A run with `find_by: reconcile`: emits the records that differ in the warehouse.

    It writes a STATE after each page.

    Attributes:
        context: Objects that all runs of the tap share.
        output: Output of the stream.
        outputs: Outputs of all streams of the reconcile, in the order of their runs.
        file: The warehouse's rows of the stream.
        stages: Pipeline stages that look up the rows.
        tombstones: Creates records for rows that no longer exist in Marketo.
        why_unknown: Why changes missed by the activity log cannot be counted; None if they can.
        notes: Sentences on where the run begins.
        catalog_warnings: Sentences on fields that the catalog does not have.
    """

    context: RunContext
    output: StreamOutput
    outputs: list[StreamOutput]
    file: WarehouseFile
    stages: ReconcileStages
    tombstones: Tombstones
    why_unknown: str | None
    notes: list[str]
    catalog_warnings: list[str]

    @property
    def warnings(self) -> list[str]:
        """Return warnings to log, about fields that may be missing in the records."""
        return [*self.catalog_warnings, *self.tombstones.warnings]

    def pages(self) -> Iterator[tuple[str, list[TypedRecord]]]:
        """Write all records page by page; yield stream name and records of each written page."""
        self._log_beginning()
        self.context.begin([self.output])
        reporter = ReconcileReporter(
            self.context.client,
            self.stages,
            self.output,
            self.context.throttle(),
            file=self.file,
            why_unknown=self.why_unknown,
        )
        with self.context.reading(reporter, self._with_advice) as prefetcher:
            pipeline = Pipeline(self.stages.first, self.stages.lookups, prefetcher)
            yield from self._written(pipeline.results(), reporter)
        reporter.log_result()

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
        return with_advice(error, self.context.client, None, fields)

    def _written(
        self, results: Iterable[PageResult], reporter: ReconcileReporter
    ) -> Iterator[tuple[str, list[TypedRecord]]]:
        """Write the records of each page that the passes have read, with a STATE after each page.

        Yield the name of the stream and the records, for each page written.
        """
        saved = self.output.state.get(BOOKMARK_KEY)
        position = began_at = saved if isinstance(saved, str) else None
        try:
            for result in results:
                assert isinstance(result, PassResult)
                records = self._records_of(result)
                position = result.encoded_position or position
                self._write(records, position)
                self._count_rows()
                reporter.note_state()
                if position != began_at:
                    self.context.time_box.note_advance()
                yield self.output.name, records
        except TooManyGoneError:
            # The rows found so far are not plausible, so a later run must not resume from here.
            self._write([], None)
            raise
        self._write_end(position)

    def _write_end(self, position: str | None) -> None:
        """Write the STATE after the last row.

        The position stays in it until the last stream of the reconcile is finished, so that a later
        run continues with the other streams if this one ends before.
        """
        if self.output.name != self.outputs[-1].name:
            self._write([], position)
            return
        for output in self.outputs:
            output.state[BOOKMARK_KEY] = None
        self._write([], None)
        self.context.time_box.note_advance()

    def _records_of(self, result: PassResult) -> list[TypedRecord]:
        kept = [record for record in result.records if has_guid(record)]
        self.output.counts.keyless += len(result.records) - len(kept)
        records = [typed for _, typed in self.output.convert_page(kept)]
        return self.output.limited([*records, *self.tombstones.of(result.gone)])

    def _write(self, records: list[TypedRecord], position: str | None) -> None:
        self.output.state[BOOKMARK_KEY] = position
        self.context.write_page(self.output.encode(records))

    def _count_rows(self) -> None:
        counts, totals = self.output.counts, self.stages.counts
        counts.alike, counts.changed = totals.alike, totals.changed
        counts.gone, counts.known_gone = totals.gone, totals.known_gone
