"""The line in which records of one ordering key wait; no I/O, no threads."""

from __future__ import annotations

import typing as t
from collections import deque

from target_marketo_opps.delivery.batches import Operation

if t.TYPE_CHECKING:
    from collections.abc import Hashable

    from target_marketo_opps.delivery.batches import BatchTarget, OutboundRecord


class Line:
    """The records of one ordering key that wait, in the order of arrival.

    Attributes:
        records: the first goes next.
        last_upserts: those that later versions are merged into, by target and key.
        deletes: how many of the records delete.
    """

    __slots__ = ("deletes", "last_upserts", "records")

    def __init__(self) -> None:
        self.records: deque[OutboundRecord] = deque()
        self.last_upserts: dict[tuple[BatchTarget, Hashable], OutboundRecord] = {}
        self.deletes = 0

    def append(self, record: OutboundRecord) -> None:
        """Put a record behind all others."""
        self.records.append(record)
        if record.target.operation is Operation.DELETE:
            self.deletes += 1
            self.last_upserts.clear()
        elif record.target.merges:
            self.last_upserts[record.target, record.key] = record

    def push(self, record: OutboundRecord) -> None:
        """Put an upsert before all others."""
        self.records.appendleft(record)
        if record.target.merges and not self.deletes:
            self.last_upserts.setdefault((record.target, record.key), record)

    def pop(self) -> None:
        """Take the first record out."""
        record = self.records.popleft()
        if record.target.operation is Operation.DELETE:
            self.deletes -= 1
        elif self.last_upserts.get((record.target, record.key)) is record:
            del self.last_upserts[record.target, record.key]
