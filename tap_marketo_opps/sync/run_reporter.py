"""Log lines of a run that finds records: its progress, where it stops, and its result."""

from __future__ import annotations

import logging
import typing as t

from marketo_opps.wording import counted
from tap_marketo_opps.sync.closing_notes import (
    lateness,
    lookup_notes,
    misfits,
    too_old,
    unreadable_entries,
)
from tap_marketo_opps.sync.progress_reporter import ProgressReporter

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from marketo_opps import MarketoClient
    from tap_marketo_opps.finding.stage_plan import StagePlan
    from tap_marketo_opps.sync.progress import LogThrottle
    from tap_marketo_opps.sync.stream_output import StreamOutput

_LOGGER = logging.getLogger("tap-marketo-opps")


class RunReporter(ProgressReporter):
    """Logs the progress and the result of a run that finds records.

    Args:
        client: Client whose calls are counted.
        stages: Pipeline stages of the run, which count what they read.
        outputs: Outputs of the streams that the run serves; calls are logged with the first.
        throttle: Decides when progress is logged.
        log_span: Timestamps from and to which the activity log is read; None if it is not read.
    """

    def __init__(
        self,
        client: MarketoClient,
        stages: StagePlan,
        outputs: Sequence[StreamOutput],
        throttle: LogThrottle,
        log_span: tuple[str | None, str],
    ) -> None:
        super().__init__(client, stages.source, outputs, throttle, log_span)
        self._stages = stages

    def log_result(self) -> None:
        """Log the result of the run: a line for each stream, and warnings about missing records."""
        leader, *others = self._outputs
        _LOGGER.info("%s", "; ".join([self.leaders_line(), *self._notes(leader)]))
        for output in others:
            emitted = counted(output.counts.emitted, "record")
            found = f"{output.name}: {emitted}, found together with {leader.name}"
            notes = [*misfits(output.counts), *too_old(output.counts)]
            _LOGGER.info("%s", "; ".join([found, *notes]))
        self._warn_of_late_entries()
        self.warn_of_records_without_key()
        self._warn_of_unreadable_entries()
        self._warn_if_nothing_matched()

    def _notes(self, leader: StreamOutput) -> list[str]:
        notes = [*misfits(leader.counts), *too_old(leader.counts)]
        source = self._stages.source
        if source.unmatched:
            notes.append(f"nothing found for {counted(source.unmatched, source.noun)}")
        notes += lateness(source.late)
        if echoes := sum(stage.echoes for stage in (source, *self._stages.lookups)):
            notes.append(
                f"{counted(echoes, 'record')} returned for an id that was not requested (different "
                "case or blanks)"
            )
        for lookup in self._stages.lookups:
            notes += lookup_notes(lookup)
        return notes

    def _warn_of_late_entries(self) -> None:
        late = self._stages.source.late
        if late and late.is_alarming:
            _LOGGER.warning(
                "An entry of the activity log became visible %s s after its date, which is more "
                "than half of activity_overlap_seconds: raise that setting, or entries that become "
                "visible later are missed.",
                f"{late.seconds:,}",
            )

    def _warn_of_unreadable_entries(self) -> None:
        for output in self._outputs:
            if count := output.counts.unreadable:
                _LOGGER.warning("%s", unreadable_entries(output.name, count))

    def _warn_if_nothing_matched(self) -> None:
        source = self._stages.source
        if source.unmatched and source.unmatched == source.keys_done:
            _LOGGER.warning(
                "Nothing was found for any of %s looked up: check that they belong to the field "
                "that is looked up and to this instance.",
                counted(source.unmatched, source.noun),
            )
