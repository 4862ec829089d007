"""Log lines of a reconcile: its progress, where it stops, and its result."""

from __future__ import annotations

import logging
import typing as t

from marketo_opps.wording import counted
from tap_marketo_opps.sync.closing_notes import lookup_notes, misfits
from tap_marketo_opps.sync.progress_reporter import ProgressReporter

if t.TYPE_CHECKING:
    from marketo_opps import MarketoClient
    from tap_marketo_opps.reconcile.stages import ReconcileStages
    from tap_marketo_opps.reconcile.warehouse_file import WarehouseFile
    from tap_marketo_opps.sync.progress import LogThrottle
    from tap_marketo_opps.sync.stream_output import StreamOutput

_LOGGER = logging.getLogger("tap-marketo-opps")


class ReconcileReporter(ProgressReporter):
    """Logs the progress and the result of a run with `find_by: reconcile`.

    Args:
        client: Client whose calls are counted.
        stages: Pipeline stages of the run, which count what they read.
        output: Output of the stream.
        throttle: Decides when progress is logged.
        file: The warehouse's rows of the stream.
        why_unknown: Why changes missed by the activity log cannot be counted; None if they can.
    """

    def __init__(
        self,
        client: MarketoClient,
        stages: ReconcileStages,
        output: StreamOutput,
        throttle: LogThrottle,
        *,
        file: WarehouseFile,
        why_unknown: str | None,
    ) -> None:
        super().__init__(client, stages.first, [output], throttle)
        self._stages = stages
        self._file = file
        self._why_unknown = why_unknown

    def log_result(self) -> None:
        """Log one line with the result of the run, and warnings about what it could not compare."""
        _LOGGER.info("%s", "; ".join([self.leaders_line(), *self._notes()]))
        self.warn_of_records_without_key()
        self._warn_of_unreadable_dates()

    def _notes(self) -> list[str]:
        (output,), counts = self._outputs, self._stages.counts
        rows = (
            f"{counts.alike:,} alike, {counts.changed:,} changed, {counts.gone:,} gone, "
            f"{counts.known_gone:,} known gone"
        )
        notes = [rows, self._missed_by_log(), *misfits(output.counts)]
        if self._stages.leads:
            notes += lookup_notes(self._stages.leads)
        if repeated := self._file.repeated:
            notes.append(f"{counted(repeated, 'row')} with a repeated marketoGUID")
        if unrequested := self._stages.unrequested:
            notes.append(
                f"{counted(unrequested, 'record')} returned for an id that was not requested"
            )
        return notes

    def _warn_of_unreadable_dates(self) -> None:
        if undated := self._stages.counts.undated:
            _LOGGER.warning(
                "%s: updatedAt of %s in %s is not a date-time, so the records were emitted without "
                "a comparison. Export it in the form 2026-05-07 10:11:12; spreadsheets rewrite it.",
                self._file.setting,
                counted(undated, "row"),
                self._file.path,
            )

    def _missed_by_log(self) -> str:
        if self._why_unknown:
            return f"changes missed by the activity log: unknown ({self._why_unknown})"
        return f"{self._stages.counts.untold:,} of the changes missed by the activity log"
