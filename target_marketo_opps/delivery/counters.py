"""Count the records and outcomes of a run, and describe them in log lines."""

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
    """Counts the outcomes of records by stream.

    Attributes:
        read: number of records read.
        rejected: number of rejected records of all streams; other threads may read it at any time.
        causes: counts rejected records by reason.
        leads: counts lead lookups; None if there are none.
    """

    def __init__(self) -> None:
        self.read = 0
        self.rejected = 0
        self.causes = RejectCauses()
        self.leads: LeadCounts | None = None
        self._existing_ours = 0
        self._existing_theirs = 0
        self._existing_unresolved = 0
        self._outcomes: dict[str, Counter[Outcome]] = {}
        self._merged: Counter[str] = Counter()

    def register_stream(self, stream: str) -> None:
        """Add a stream without records, so that log lines and reports include it in any case."""
        self._outcomes.setdefault(stream, Counter())

    def has_outcomes_of(self, streams: Iterable[str]) -> bool:
        """Return whether the outcome of any record of the given streams is known."""
        return any(self._outcomes.get(stream) for stream in streams)

    def count(self, stream: str, kind: Outcome, count: int = 1) -> None:
        """Add to the number of records of a stream that have a certain outcome, such as created.

        Args:
            stream: name of the stream.
            kind: the outcome, but not rejected: `reject` counts rejected records.
            count: number of records to add.
        """
        self._outcomes[stream][kind] += count

    def count_merged(self, stream: str) -> None:
        """Count a record of a stream that was merged into an earlier record with the same key."""
        self._merged[stream] += 1

    def reject(self, stream: str, key: str, reasons: Sequence[Reason]) -> None:
        """Count a rejected record of a stream; its first reason counts as the cause."""
        self._outcomes[stream][Outcome.REJECTED] += 1
        self.rejected += 1
        self.causes.add(key, reasons)

    def count_existing(self, result: BatchResult) -> None:
        """Count the records of a batch that Marketo refused because they "already exist".

        This is done with `createOnly` if a response was lost: the call without a response may have
        created the records before it was repeated.
        """
        self._existing_ours += result.existing_ours
        self._existing_theirs += result.existing_theirs
        self._existing_unresolved += result.existing_unresolved

    @property
    def settled(self) -> int:
        """Return the number of records whose outcome is known."""
        return sum(sum(outcomes.values()) for outcomes in self._outcomes.values())

    def progress(self, counts: CallCounts, seconds: float) -> str:
        """Return the text of a progress log line.

        Args:
            counts: numbers of calls of the run.
            seconds: seconds since the start of the run.
        """
        return (
            f"{self.settled:,} of {counted(self.read, 'record')} settled, {self.rejected:,} "
            f"rejected, {counted(counts.calls, 'call')}, {counts.calls / seconds:.1f} calls/s"
        )

    def summary_lines(self, short_batches: int) -> Iterator[str]:
        """Yield log lines about calls that were not full, and about records that "already exist".

        Marketo refused these records after a response was lost. A line is left out if all its
        numbers are zero.

        Args:
            short_batches: number of calls that were sent before they were full.
        """
        if short_batches:
            yield f"Calls sent before they were full: {short_batches:,}."
        if self._existing_ours or self._existing_theirs or self._existing_unresolved:
            yield (
                "Records that 'already exist' after lost responses: "
                f"{self._existing_ours:,} created by this run, {self._existing_theirs:,} created "
                f"before it, {self._existing_unresolved:,} unknown."
            )

    def by_stream(self) -> dict[str, dict[str, int]]:
        """Return the number of records by outcome, and of merged records, for each stream."""
        return {
            stream: {
                **{kind.identifier: outcomes[kind] for kind in Outcome},
                "merged": self._merged[stream],
            }
            for stream, outcomes in self._outcomes.items()
        }

    def closing_line(self, counts: CallCounts, seconds: float) -> str:
        """Return the last log line: outcomes by stream, numbers of calls and retries, seconds."""
        streams = "; ".join(
            f"{stream}: {self._stream_summary(stream)}" for stream in self._outcomes
        )
        took = f"{_calls(counts)}, {seconds:.1f} s"
        undelivered = self.read - self.settled
        lost = f"; {undelivered:,} not delivered" if undelivered else ""
        leads = f"; {self.leads.summary()}" if self.leads and self.leads.calls else ""
        return f"{streams or 'No records'}{lost}{leads}; {took}."

    def _stream_summary(self, stream: str) -> str:
        counts = [f"{self._outcomes[stream][kind]:,} {kind.value}" for kind in Outcome]
        merged = self._merged[stream]
        return ", ".join([*counts, f"{merged:,} merged"] if merged else counts)


def _calls(counts: CallCounts) -> str:
    return f"{counted(counts.calls, 'call')}, {counted(counts.retries, 'retry')}"
