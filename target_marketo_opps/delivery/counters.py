"""Count what a run does, and put it into log lines."""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict

from target_marketo_opps.delivery.outcomes import Outcome

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from marketo_opps import CallCounts, Reason
    from target_marketo_opps.delivery.outcomes import BatchResult

_KEYS_PER_CODE = 5


class RunCounters:
    """Counts the outcomes of records by stream, and rejects by code.

    Attributes:
        read: records that arrived.
        rejected: rejected records of all streams; other threads may read it at any time.
        short_batches: calls that were sent before they were full.
    """

    def __init__(self) -> None:
        self.read = 0
        self.rejected = 0
        self.short_batches = 0
        self._existing_ours = 0
        self._existing_theirs = 0
        self._existing_unresolved = 0
        self._outcomes: dict[str, Counter[Outcome]] = {}
        self._merged: Counter[str] = Counter()
        self._codes: Counter[str] = Counter()
        self._messages: dict[str, str] = {}
        self._codes_of_several_messages: set[str] = set()
        self._keys: defaultdict[str, list[str]] = defaultdict(list)

    def register_stream(self, stream: str) -> None:
        """Register a stream so that it is reported even with zero records."""
        self._outcomes.setdefault(stream, Counter())

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
        code = reasons[0].code if reasons else "without a reason"
        self._codes[code] += 1
        if reasons and self._messages.setdefault(code, reasons[0].message) != reasons[0].message:
            self._codes_of_several_messages.add(code)
        if len(self._keys[code]) < _KEYS_PER_CODE:
            self._keys[code].append(key)

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
        """Return the progress line."""
        return (
            f"{self.read:,} records read, {self.settled:,} settled, {self.rejected:,} rejected, "
            f"{counts.calls:,} calls, {counts.retries:,} retries, {seconds:.0f} s."
        )

    def summary_lines(self) -> Iterator[str]:
        """Yield the lines that precede the closing line."""
        if self.short_batches:
            yield f"{self.short_batches:,} calls were sent before they were full."
        if self._existing_ours or self._existing_theirs or self._existing_unresolved:
            yield (
                f"After lost answers, {self._existing_ours:,} records that 'already exist' proved "
                f"to be created by this run, {self._existing_theirs:,} to have been there before; "
                f"of {self._existing_unresolved:,} it could not be told."
            )
        for code, count in self._codes.most_common():
            others = ", and others" if code in self._codes_of_several_messages else ""
            yield (
                f"{count:,} rejected with {code} ({self._messages.get(code, '')}{others}): "
                f"{', '.join(self._keys[code])}{', ...' if count > _KEYS_PER_CODE else ''}"
            )

    def by_stream(self) -> dict[str, dict[str, int]]:
        """Return, for each stream, how many records had each outcome, and how many were merged."""
        return {
            stream: {
                **{kind.value.replace(" ", "_"): outcomes[kind] for kind in Outcome},
                "merged": self._merged[stream],
            }
            for stream, outcomes in self._outcomes.items()
        }

    def closing_line(self, counts: CallCounts, seconds: float) -> str:
        """Return the last line: outcomes by stream, calls, retries and seconds."""
        streams = "; ".join(f"{stream}: {self._told(stream)}" for stream in self._outcomes)
        took = f"{counts.calls:,} calls, {counts.retries:,} retries, {seconds:.1f} s"
        undelivered = self.read - self.settled
        lost = f"; {undelivered:,} not delivered" if undelivered else ""
        return f"{streams or 'No records'}{lost}; {took}."

    def _told(self, stream: str) -> str:
        told = [f"{self._outcomes[stream][kind]:,} {kind.value}" for kind in Outcome]
        merged = self._merged[stream]
        return ", ".join([*told, f"{merged:,} merged"] if merged else told)
