"""Logging of a finder's run: its progress, where it stops, and its result."""

from __future__ import annotations

import logging
import typing as t

from marketo_opps.wording import counted
from tap_marketo_opps.finding.finders import OPPORTUNITIES
from tap_marketo_opps.finding.lead_stage import LEADS
from tap_marketo_opps.sync.progress_reporter import ProgressReporter
from tap_marketo_opps.sync.stream_output import unreadable_entries

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from marketo_opps import MarketoClient
    from tap_marketo_opps.finding.finders import StagePlan
    from tap_marketo_opps.finding.late_entries import LateEntries
    from tap_marketo_opps.finding.waiting_stage import WaitingStage
    from tap_marketo_opps.sync.progress import LogThrottle
    from tap_marketo_opps.sync.stream_output import StreamOutput

_LOGGER = logging.getLogger("tap-marketo-opps")

_NAMED_BY_ROLES = {OPPORTUNITIES: "opportunity", LEADS: "lead"}


class RunReporter(ProgressReporter):
    """Logs what a run of a finder does, and what came of it.

    Args:
        client: Whose calls are counted.
        stages: Tell how far the run is.
        outputs: Of the streams that take part; the first leads.
        throttle: Says when progress is logged.
        log_span: From and to which moment the activity log is read, where it is.
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
        """Log what was done, a line for each stream."""
        leader, *others = self._outputs
        _LOGGER.info("%s", "; ".join([self.leaders_line(), *self._oddities(leader)]))
        for output in others:
            emitted = counted(output.counts.emitted, "record")
            found = f"{output.name}: {emitted}, found together with {leader.name}"
            _LOGGER.info("%s", "; ".join([found, *misfits(output), *_too_old(output)]))
        self._warn_of_late_entries()
        self.warn_of_records_without_key()
        self._warn_of_unreadable_entries()
        self._warn_if_nothing_matched()

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

    def _oddities(self, leader: StreamOutput) -> list[str]:
        oddities = [*misfits(leader), *_too_old(leader)]
        source = self._stages.source
        if source.unmatched:
            oddities.append(f"nothing found for {counted(source.unmatched, source.noun)}")
        oddities += _lateness(source.late)
        if echoes := sum(stage.echoes for stage in (source, *self._stages.lookups)):
            oddities.append(
                f"{counted(echoes, 'record')} returned for an id that was not requested (different "
                "case or blanks)"
            )
        for lookup in self._stages.lookups:
            oddities += lookup_oddities(lookup)
        return oddities


def lookup_oddities(lookup: WaitingStage) -> list[str]:
    """Return what to say of the keys that a later stage could not look up, or did not find."""
    return [*_missing_keys(lookup), *_invalid_keys(lookup), *_not_found(lookup)]


def misfits(output: StreamOutput) -> list[str]:
    """Return what to say of values that did not fit their type, if there were any."""
    if not output.counts.misfits:
        return []
    return [f"{counted(output.counts.misfits, 'value')} set to null for not matching the type"]


def _too_old(output: StreamOutput) -> list[str]:
    if not output.counts.too_old:
        return []
    return [f"{counted(output.counts.too_old, 'record')} from before start_date skipped"]


def _lateness(late: LateEntries | None) -> list[str]:
    if late is None or late.seconds is None:
        return []
    if not late.seconds:
        return ["no entry of the activity log became visible late"]
    return [f"an entry of the activity log became visible {late.seconds:,} s late or more"]


def _not_found(lookup: WaitingStage) -> list[str]:
    # A lead may have no role, and an opportunity neither; a role has its opportunity and its lead.
    noun = _NAMED_BY_ROLES.get(lookup.stream)
    if not noun or not lookup.unmatched:
        return []
    return [f"{counted(lookup.unmatched, noun)} named by roles not found"]


def _missing_keys(lookup: WaitingStage) -> list[str]:
    if not lookup.missing_key_count:
        return []
    return [f"{counted(lookup.missing_key_count, 'role')} without {lookup.naming_field}"]


def _invalid_keys(lookup: WaitingStage) -> list[str]:
    if not lookup.invalid_key_count:
        return []
    count, sample = lookup.invalid_key_count, lookup.sample_invalid_keys
    named = ", ".join(map(repr, sample))
    return [
        f"{counted(count, 'external id')} with a comma not looked up: {named}"
        + (", ..." if count > len(sample) else "")
    ]
