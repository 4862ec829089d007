"""Account for the outcome of every record: counters, rejects file and max_rejects."""

from __future__ import annotations

import typing as t
from collections import Counter

from marketo_opps import decode_record
from target_marketo_opps.delivery.rejects import Reject
from target_marketo_opps.errors import RejectLimitError
from target_marketo_opps.mapping.keys import display_key

if t.TYPE_CHECKING:
    from target_marketo_opps.delivery.batching import OutboundRecord
    from target_marketo_opps.delivery.counters import RunCounters
    from target_marketo_opps.delivery.outcomes import BatchResult, RecordOutcome
    from target_marketo_opps.delivery.rejects import RejectsFile
    from target_marketo_opps.settings import TargetSettings


class OutcomeRecorder:
    """Counts outcomes, keeps rejects, and ends a run that has too many of them.

    Args:
        counters: the run's.
        rejects_file: takes rejected records; None if the run keeps none.
        settings: the target's settings.
    """

    def __init__(
        self,
        counters: RunCounters,
        rejects_file: RejectsFile | None,
        settings: TargetSettings,
    ) -> None:
        self._counters = counters
        self._rejects_file = rejects_file
        self._settings = settings
        self._last_reject: Reject | None = None

    def reject(self, stream: str, key: str, reject: Reject) -> None:
        """Count and keep a record that is rejected here or by Marketo.

        Raises:
            RejectLimitError: it is one too many.
        """
        self._counters.reject(stream, key, reject.reasons)
        if self._rejects_file is not None:
            self._rejects_file.write(reject)
        self._last_reject = reject
        # A dry run is there to find them all; it fails at its end.
        if not self._settings.dry_run:
            self.check_limit()

    def record(self, result: BatchResult) -> RejectLimitError | None:
        """Count the outcomes of a batch, and keep its rejects.

        Returns:
            The error to raise once this is done, if more records are rejected than allowed.
        """
        self._counters.count_existing(result)
        streams = [record.stream for record in result.batch.records]
        outcomes = Counter(zip(streams, result.outcomes, strict=True))
        for (stream, outcome), count in outcomes.items():
            if outcome is not None and not outcome.is_rejected:
                self._counters.count(stream, outcome.kind, count)
        return self._record_rejects(result) if result.rejected else None

    def check_limit(self) -> None:
        """Raise if more records are rejected than allowed.

        Raises:
            RejectLimitError: max_rejects is exceeded.
        """
        if self._last_reject and self._settings.exceeded_by(self._counters.rejected):
            raise RejectLimitError(self._limit_message(self._last_reject))

    def flush(self) -> None:
        """Write all rejects to disk."""
        if self._rejects_file is not None:
            self._rejects_file.flush()

    def _record_rejects(self, result: BatchResult) -> RejectLimitError | None:
        over_limit: RejectLimitError | None = None
        for record, outcome in zip(result.batch.records, result.outcomes, strict=True):
            if outcome is None or not outcome.is_rejected:
                continue
            try:
                self.reject(record.stream, _sent_key(record), _reject(record, outcome))
            except RejectLimitError as error:
                over_limit = over_limit or error
        return over_limit

    def _limit_message(self, reject: Reject) -> str:
        last = reject.reasons[0] if reject.reasons else "no reason given"
        quoted = f", requestId {reject.request_id}" if reject.request_id else ""
        return (
            f"Rejected records: {self._counters.rejected:,}, and max_rejects is "
            f"{self._settings.max_rejects:,}; the last reason: {last}{quoted}. Correct the "
            "records, or raise max_rejects (-1: no limit) and set rejects_path to keep them."
        )


def _reject(record: OutboundRecord, outcome: RecordOutcome) -> Reject:
    return Reject(
        stream=record.source_stream,
        obj=record.target.obj,
        record=record.source,
        reasons=tuple(outcome.reasons),
        request_id=outcome.request_id,
    )


def _sent_key(record: OutboundRecord) -> str:
    """Return the record's key as it was sent, for log lines."""
    sent = decode_record(record.body)
    return display_key(sent[field] for field in record.target.key_fields)
