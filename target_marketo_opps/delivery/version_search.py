"""Find the bad versions of a merged record that Marketo rejects; pure."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from target_marketo_opps.delivery.outcomes import spread
from target_marketo_opps.delivery.versions import merged_body

if t.TYPE_CHECKING:
    from target_marketo_opps.delivery.batches import OutboundRecord
    from target_marketo_opps.delivery.outcomes import RecordOutcome


class VersionSearch:
    """The search in one record: which versions to send next, and what became of each.

    Args:
        record: of several versions, rejected as a whole.

    Attributes:
        outcomes: one for each version; None where it is not known.
        is_under_way: whether there is more to send.
    """

    def __init__(self, record: OutboundRecord) -> None:
        self._record = record
        self._versions = record.all_versions
        self._steps = halved(range(len(self._versions)))
        self._sent = next(self._steps)
        self.outcomes: list[RecordOutcome | None] = [None] * len(self._versions)
        self.is_under_way = True

    def part(self) -> OutboundRecord:
        """Return the versions to send next, as one record."""
        bodies = (self._versions[index].body for index in self._sent)
        return replace(self._record, body=merged_body(bodies), later_versions=None, merged=None)

    def answer(self, outcome: RecordOutcome | None) -> None:
        """Take what became of that record; None ends the search."""
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
    """Search the bad ones of versions that were refused when merged.

    The halves go one after the other, in the order of the versions. That costs about 2 log2 n
    calls for each bad one.

    Args:
        versions: their indices.

    Yields:
        Indices to merge and send, to be answered with whether that was accepted. A single version
        that is not accepted is a bad one.
    """
    if len(versions) == 1:
        return
    middle = len(versions) // 2
    left, right = versions[:middle], versions[middle:]
    left_passed = yield left
    if not left_passed:
        yield from halved(left)
    # What made the whole fail is in the right half then. A single version is asked all the same,
    # for its own reasons.
    right_passed = False if left_passed and len(right) > 1 else (yield right)
    if not right_passed:
        yield from halved(right)
