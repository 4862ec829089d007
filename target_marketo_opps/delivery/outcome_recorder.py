"""Count the outcome of every record of a batch, and write rejects and receipts."""

from __future__ import annotations

import typing as t
from collections import Counter

from target_marketo_opps.delivery.rejects import Reject
from target_marketo_opps.errors import RejectLimitError
from target_marketo_opps.mapping.keys import display_key

if t.TYPE_CHECKING:
    from target_marketo_opps.delivery.counters import RunCounters
    from target_marketo_opps.delivery.outcomes import BatchResult
    from target_marketo_opps.delivery.receipts import SettledRecords
    from target_marketo_opps.delivery.reject_policy import RejectPolicy


class OutcomeRecorder:
    """Counts outcomes, and passes on accepted and rejected records to the files of the run.

    Args:
        counters: the counters of the run.
        rejects: takes rejected records.
        settled: writes a line for every record with an outcome; None without receipts and diff.
    """

    def __init__(
        self,
        counters: RunCounters,
        rejects: RejectPolicy,
        settled: SettledRecords | None = None,
    ) -> None:
        self._counters = counters
        self._rejects = rejects
        self._settled = settled

    def record(self, result: BatchResult) -> RejectLimitError | None:
        """Count the outcomes of a batch, and write its accepted and rejected records to files.

        These are the files at `rejects_path`, and at `receipts_path` or `diff_path`.

        Returns:
            The error that has to end the run if `max_rejects` is exceeded; else None.
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
        if self._settled is not None:
            for record, outcome in result.by_version():
                if outcome is not None and not outcome.is_rejected:
                    self._settled.take_accepted(record, outcome)
        return self._record_rejects(result) if has_rejects else None

    def _count_merged(self, result: BatchResult) -> None:
        for index, record in enumerate(result.batch.records):
            if record.later_versions and index not in result.parked:
                for version in record.later_versions:
                    self._counters.count_merged(version.stream)

    def _record_rejects(self, result: BatchResult) -> RejectLimitError | None:
        over_limit: RejectLimitError | None = None
        for record, outcome in result.by_version():
            if outcome is None or not outcome.is_rejected:
                continue
            try:
                reject = Reject.of(record, outcome.reasons, outcome.request_id)
                self._rejects.reject(record.stream, display_key(reject.key.values()), reject)
            except RejectLimitError as error:
                over_limit = over_limit or error
        return over_limit
