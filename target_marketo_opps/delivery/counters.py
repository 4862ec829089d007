"""Count what a run does, and put it into log lines."""

from __future__ import annotations

import typing as t
from collections import Counter

from marketo_opps.wording import counted
from target_marketo_opps.delivery.outcomes import Outcome
from target_marketo_opps.delivery.reject_causes import RejectCauses

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from marketo_opps import CallCounts, Reason
    from target_marketo_opps.delivery.lead_counts import LeadCounts
    from target_marketo_opps.delivery.outcomes import BatchResult


class RunCounters:
    """Counts the outcomes of records by stream, and rejects by code.

    Attributes:
        read: records that arrived.
        rejected: rejected records of all streams; other threads may read it at any time.
        short_batches: calls that were sent before they were full.
        causes: why records were rejected.
        leads: of lookups of leads; None where there are none.
    """

    def __init__(self) -> None:
        self.read = 0
        self.rejected = 0
        self.short_batches = 0
        self.causes = RejectCauses()
        self.leads: LeadCounts | None = None
        self._existing_ours = 0
        self._existing_theirs = 0
        self._existing_unresolved = 0
        self._outcomes: dict[str, Counter[Outcome]] = {}
        self._merged: Counter[str] = Counter()

    def register_stream(self, stream: str) -> None:
        """Register a stream so that it is reported even with zero records."""
        self._outcomes.setdefault(stream, Counter())

    def have_come(self, streams: Iterable[str]) -> bool:
        """Return whether a record of one of these streams is settled."""
        return any(self._outcomes.get(stream) for stream in streams)

    def count(self, stream: str, kind: Outcome, count: int = 1) -> None:
        """Count records that were not rejected."""
        self._outcomes[stream][kind] += count

    def count_merged(self, stream: str) -> None:
        """Count a record that was merged into an earlier one, whatever became of it."""
        self._merged[stream] += 1

    def reject(self, stream: str, key: str, reasons: Sequence[Reason]) -> None:
        """Count a rejected record, under the first of its reasons."""
        self._outcomes[stream][Outcome.REJECTED] += 1
        self.rejected += 1
        self.causes.add(key, reasons)

    def count_existing(self, result: BatchResult) -> None:
        """Count records that 'already exist' after a lost response to `createOnly`."""
        self._existing_ours += result.existing_ours
        self._existing_theirs += result.existing_theirs
        self._existing_unresolved += result.existing_unresolved

    @property
    def settled(self) -> int:
        """Return how many records have an outcome."""
        return sum(sum(outcomes.values()) for outcomes in self._outcomes.values())

    def progress(self, counts: CallCounts, seconds: float) -> str:
        """Return the progress line, so many seconds after the start."""
        return (
            f"{self.settled:,} of {counted(self.read, 'record')} settled, {self.rejected:,} "
            f"rejected, {counted(counts.calls, 'call')}, {counts.calls / seconds:.1f} calls/s"
        )

    def summary_lines(self) -> Iterator[str]:
        """Yield the lines that precede the closing line."""
        if self.short_batches:
            yield f"Calls sent before they were full: {self.short_batches:,}."
        if self._existing_ours or self._existing_theirs or self._existing_unresolved:
            yield (
                "Records that 'already exist' after lost responses: "
                f"{self._existing_ours:,} created by this run, {self._existing_theirs:,} created "
                f"before it, {self._existing_unresolved:,} unknown."
            )

    def by_stream(self) -> dict[str, dict[str, int]]:
        """Return, for each stream, how many records had each outcome, and how many were merged."""
        return {
            stream: {
                **{kind.identifier: outcomes[kind] for kind in Outcome},
                "merged": self._merged[stream],
            }
            for stream, outcomes in self._outcomes.items()
        }

    def closing_line(self, counts: CallCounts, seconds: float) -> str:
        """Return the last line: outcomes by stream, calls, retries and seconds."""
        streams = "; ".join(
            f"{stream}: {self._stream_summary(stream)}" for stream in self._outcomes
        )
        took = f"{_calls(counts)}, {seconds:.1f} s"
        undelivered = self.read - self.settled
        lost = f"; {undelivered:,} not delivered" if undelivered else ""
        leads = f"; {self.leads.summary()}" if self.leads else ""
        return f"{streams or 'No records'}{lost}{leads}; {took}."

    def _stream_summary(self, stream: str) -> str:
        told = [f"{self._outcomes[stream][kind]:,} {kind.value}" for kind in Outcome]
        merged = self._merged[stream]
        return ", ".join([*told, f"{merged:,} merged"] if merged else told)


def _calls(counts: CallCounts) -> str:
    return f"{counted(counts.calls, 'call')}, {counted(counts.retries, 'retry')}"
