"""The line in which records of one ordering key wait; no I/O, no threads."""

from __future__ import annotations

import typing as t
from collections import deque

from target_marketo_opps.delivery.batches import Operation

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from target_marketo_opps.delivery.batches import BatchTarget, OutboundRecord


class Line:
    """The records of one ordering key that wait, in the order of arrival.

    Attributes:
        records: the first goes next.
        last_upserts: those that later versions are merged into, by target and key.
        deletes: how many of the records delete.
        readmitted: how many of the first records had stepped aside.
        more_parked: whether others that have stepped aside, and are not here yet, go right after
            those.
    """

    __slots__ = ("deletes", "last_upserts", "more_parked", "readmitted", "records")

    def __init__(self) -> None:
        self.records: deque[OutboundRecord] = deque()
        self.last_upserts: dict[tuple[BatchTarget, Hashable], OutboundRecord] = {}
        self.deletes = 0
        self.readmitted = 0
        self.more_parked = False

    @property
    def head(self) -> OutboundRecord | None:
        """Return the record that goes next; None if that is not here yet, or if none waits."""
        if not self.records or self.awaits_parked:
            return None
        return self.records[0]

    @property
    def awaits_parked(self) -> bool:
        """Return whether records that have stepped aside are to be put before all others."""
        return self.more_parked and not self.readmitted

    @property
    def is_impassable(self) -> bool:
        """Return whether no upsert may be merged into one that comes before this line."""
        return bool(self.deletes) or self.more_parked

    @property
    def is_over(self) -> bool:
        """Return whether nothing waits."""
        return not self.records and not self.more_parked

    def append(self, record: OutboundRecord) -> None:
        """Put a record behind all others."""
        self.records.append(record)
        if record.target.operation is Operation.DELETE:
            self.deletes += 1
            self.last_upserts.clear()
        elif record.target.merges:
            self.last_upserts[record.target, record.key] = record

    def readmit(self, records: Sequence[OutboundRecord], *, more_parked: bool) -> None:
        """Put upserts that had stepped aside before all others.

        Args:
            records: in their order.
            more_parked: whether others go right after them.
        """
        self.readmitted, self.more_parked = len(records), more_parked
        for record in reversed(records):
            self.records.appendleft(record)
            # No later version may pass one that is not here yet.
            if record.target.merges and not self.deletes and not more_parked:
                self.last_upserts.setdefault((record.target, record.key), record)

    def pop(self) -> None:
        """Take the first record out."""
        record = self.records.popleft()
        self.readmitted = max(0, self.readmitted - 1)
        if record.target.operation is Operation.DELETE:
            self.deletes -= 1
        elif self.last_upserts.get((record.target, record.key)) is record:
            del self.last_upserts[record.target, record.key]
