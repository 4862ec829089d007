"""Find the bad versions of a merged record that Marketo rejected, by halving; no I/O."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from target_marketo_opps.delivery.outcomes import spread
from target_marketo_opps.delivery.versions import merged_body

if t.TYPE_CHECKING:
    from target_marketo_opps.delivery.batches import OutboundRecord
    from target_marketo_opps.delivery.outcomes import RecordOutcome


class VersionSearch:
    """The search for bad versions in a merged record, which consists of several versions.

    Args:
        record: a merged record that Marketo rejected as a whole.

    Attributes:
        outcomes: the outcome of each version; None if it is not known.
        is_under_way: whether there are versions to send next.
    """

    def __init__(self, record: OutboundRecord) -> None:
        self._record = record
        self._versions = record.all_versions
        self._steps = halved(range(len(self._versions)))
        self._sent = next(self._steps)
        self.outcomes: list[RecordOutcome | None] = [None] * len(self._versions)
        self.is_under_way = True

    def part(self) -> OutboundRecord:
        """Return the record to send next: some versions of the merged record, merged into one."""
        bodies = (self._versions[index].body for index in self._sent)
        return replace(self._record, body=merged_body(bodies), later_versions=None, merged=None)

    def answer(self, outcome: RecordOutcome | None) -> None:
        """Store the outcome of the record from `part`, and choose the versions to send next.

        None means that the outcome is unknown, and ends the search.
        """
        if outcome is None:
            self.is_under_way = False
            return
        if not outcome.is_rejected or len(self._sent) == 1:
            outcomes = spread(outcome, len(self._sent))
            self.outcomes[self._sent.start : self._sent.stop] = outcomes
        try:
            self._sent = self._steps.send(not outcome.is_rejected)
        except StopIteration:
            self.is_under_way = False


def halved(versions: range) -> t.Generator[range, bool, None]:
    """Find the bad versions of a rejected merged record by sending ever smaller halves of them.

    A merged record combines several versions: updates of one key, in order of arrival. If Marketo
    rejects a half of the versions, that half is divided again. That takes about 2 log2 n calls for
    each bad version.

    Args:
        versions: indices of the versions.

    Yields:
        Indices to merge and send, for which the caller sends back whether Marketo accepted them. A
        single version that is not accepted is bad.
    """
    if len(versions) == 1:
        return
    middle = len(versions) // 2
    left, right = versions[:middle], versions[middle:]
    left_passed = yield left
    if not left_passed:
        yield from halved(left)
    # If the left half passes, the right half must be bad. A single version is sent all the same,
    # to learn its own reasons.
    right_passed = False if left_passed and len(right) > 1 else (yield right)
    if not right_passed:
        yield from halved(right)
