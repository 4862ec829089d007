"""Account for the outcome of every record of a batch."""

from __future__ import annotations

import typing as t
from collections import Counter

from marketo_opps import decode_record
from target_marketo_opps.delivery.rejects import Reject
from target_marketo_opps.errors import RejectLimitError
from target_marketo_opps.json_lines import source_record
from target_marketo_opps.mapping.keys import display_key

if t.TYPE_CHECKING:
    from target_marketo_opps.delivery.batches import OutboundRecord
    from target_marketo_opps.delivery.counters import RunCounters
    from target_marketo_opps.delivery.outcomes import BatchResult, RecordOutcome
    from target_marketo_opps.delivery.reject_policy import RejectPolicy


class OutcomeRecorder:
    """Counts outcomes, and hands on rejects.

    Args:
        counters: the run's.
        rejects: takes rejected records.
    """

    def __init__(self, counters: RunCounters, rejects: RejectPolicy) -> None:
        self._counters = counters
        self._rejects = rejects

    def record(self, result: BatchResult) -> RejectLimitError | None:
        """Count the outcomes of a batch, and keep its rejects.

        Returns:
            The error to raise once this is done, if more records are rejected than allowed.
        """
        self._counters.count_existing(result)
        outcomes = Counter([(record.stream, outcome) for record, outcome in result.by_version()])
        has_rejects = False
        for (stream, outcome), count in outcomes.items():
            if outcome is None:
                continue
            if outcome.is_rejected:
                has_rejects = True
            else:
                self._counters.count(stream, outcome.kind, count)
        self._count_merged(result)
        return self._record_rejects(result) if has_rejects else None

    def _count_merged(self, result: BatchResult) -> None:
        for index, record in enumerate(result.batch.records):
            if record.later_versions and index not in result.stepped_aside:
                for version in record.later_versions:
                    self._counters.count_merged(version.stream)

    def _record_rejects(self, result: BatchResult) -> RejectLimitError | None:
        over_limit: RejectLimitError | None = None
        for record, outcome in result.by_version():
            if outcome is None or not outcome.is_rejected:
                continue
            try:
                self._rejects.reject(record.stream, _sent_key(record), _reject(record, outcome))
            except RejectLimitError as error:
                over_limit = over_limit or error
        return over_limit


def _reject(record: OutboundRecord, outcome: RecordOutcome) -> Reject:
    return Reject(
        stream=record.source_stream,
        obj=record.target.obj,
        record=source_record(record.source),
        reasons=tuple(outcome.reasons),
        request_id=outcome.request_id,
    )


def _sent_key(record: OutboundRecord) -> str:
    """Return the record's key as it was sent, for log lines."""
    sent = decode_record(record.body)
    return display_key(sent[field] for field in record.target.key_fields)
