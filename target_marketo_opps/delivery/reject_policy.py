"""Count and keep rejected records, and end a run that has too many of them."""

from __future__ import annotations

import typing as t

from target_marketo_opps.errors import RejectLimitError

if t.TYPE_CHECKING:
    from target_marketo_opps.delivery.counters import RunCounters
    from target_marketo_opps.delivery.receipts import SettledRecords
    from target_marketo_opps.delivery.rejects import Reject, RejectsFile
    from target_marketo_opps.settings import TargetSettings


class RejectPolicy:
    """Knows how many rejected records a run may have, and keeps them.

    Args:
        counters: the run's.
        rejects_file: takes rejected records; None if the run keeps none.
        settings: the target's settings.
        settled: takes every record that is settled; None if nobody asks for that.
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
        """Count and keep a record that is rejected here or by Marketo.

        Raises:
            RejectLimitError: it is one too many.
        """
        self._counters.reject(stream, key, reject.reasons)
        if self._rejects_file is not None:
            self._rejects_file.write(reject)
        if self._settled is not None:
            self._settled.take_rejected(reject)
        self._last_reject = reject
        # A dry run is there to find them all; it fails at its end.
        if not self._settings.dry_run:
            self.check_limit()

    def check_limit(self) -> None:
        """Raise if more records are rejected than allowed.

        Raises:
            RejectLimitError: max_rejects is exceeded.
        """
        if self._last_reject and self._settings.exceeded_by(self._counters.rejected):
            raise RejectLimitError(self._limit_message(self._last_reject))

    def exceeded_with(self, more: int) -> bool:
        """Return whether so many more rejects would be too many; any thread may ask."""
        return self._settings.exceeded_by(self._counters.rejected + more)

    def flush(self) -> None:
        """Write all rejects to disk."""
        if self._rejects_file is not None:
            self._rejects_file.flush()

    def _limit_message(self, reject: Reject) -> str:
        last = reject.reasons[0] if reject.reasons else "no reason given"
        quoted = f", requestId {reject.request_id}" if reject.request_id else ""
        return (
            f"Too many rejected records: {self._counters.rejected:,} (max_rejects is "
            f"{self._settings.max_rejects:,}); last reason: {last}{quoted}. Correct the records, "
            "or raise max_rejects (-1: no limit) and set rejects_path to keep rejected records."
        )
