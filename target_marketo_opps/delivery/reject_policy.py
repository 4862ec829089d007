"""Count and store rejected records, and end the run if there are more than `max_rejects`."""

from __future__ import annotations

import typing as t

from marketo_opps.wording import request_note
from target_marketo_opps.errors import RejectLimitError

if t.TYPE_CHECKING:
    from target_marketo_opps.delivery.counters import RunCounters
    from target_marketo_opps.delivery.receipts import SettledRecords
    from target_marketo_opps.delivery.rejects import Reject, RejectsFile
    from target_marketo_opps.settings import TargetSettings


class RejectPolicy:
    """Counts and stores rejected records, up to the limit `max_rejects`.

    Args:
        counters: the counters of the run.
        rejects_file: takes rejected records; None without `rejects_path`.
        settings: the target's settings.
        settled: writes a line for every record with an outcome; None without receipts and diff.
    """

    def __init__(
        self,
        counters: RunCounters,
        rejects_file: RejectsFile | None,
        settings: TargetSettings,
        settled: SettledRecords | None = None,
    ) -> None:
        self._counters = counters
        self._rejects_file = rejects_file
        self._settings = settings
        self._settled = settled
        self._last_reject: Reject | None = None

    def reject(self, stream: str, key: str, reject: Reject) -> None:
        """Count a record that Marketo or the target has rejected, and write it to files.

        Args:
            stream: the stream that the record is counted for.
            key: the key of the record, as log lines show it.
            reject: the rejected record.

        Raises:
            RejectLimitError: `max_rejects` is exceeded.
        """
        self._counters.reject(stream, key, reject.reasons)
        if self._rejects_file is not None:
            self._rejects_file.write(reject)
        if self._settled is not None:
            self._settled.take_rejected(reject)
        self._last_reject = reject
        # A dry run finds all rejects before it fails at its end.
        if not self._settings.dry_run:
            self.check_limit()

    def check_limit(self) -> None:
        """Raise an error if more records were rejected than `max_rejects` allows.

        Raises:
            RejectLimitError: `max_rejects` is exceeded.
        """
        if self._last_reject and self._settings.exceeded_by(self._counters.rejected):
            raise RejectLimitError(self._limit_message(self._last_reject))

    def exceeded_with(self, more: int) -> bool:
        """Return whether some more rejected records would exceed `max_rejects`; thread-safe."""
        return self._settings.exceeded_by(self._counters.rejected + more)

    def _limit_message(self, reject: Reject) -> str:
        last = reject.reasons[0] if reject.reasons else "no reason given"
        keep = "" if self._rejects_file else " and set rejects_path to keep rejected records"
        return (
            f"Too many rejected records: {self._counters.rejected:,} (max_rejects is "
            f"{self._settings.max_rejects:,}); last reason: {last}"
            f"{request_note(reject.request_id)}. Correct the records, "
            f"or raise max_rejects (-1: no limit){keep}."
        )
