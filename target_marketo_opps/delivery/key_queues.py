"""The queues in which records of one ordering key wait; no I/O, no threads."""

from __future__ import annotations

import typing as t

from marketo_opps import MarketoObject
from target_marketo_opps.delivery.batches import Operation
from target_marketo_opps.mapping.record_mapping import MAX_RECORD_BYTES

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from target_marketo_opps.delivery.batches import BatchTarget, OutboundRecord


class KeyQueue:
    """The records of one ordering key that wait, in the order of arrival.

    Attributes:
        records: the first goes next.
        last_upserts: those that later versions are merged into, by target and key.
        deletes: how many of the records delete.
        leadless: how many of the upserts came without the id of their lead, so that whose versions
            they are was not known.
        readmitted: how many of the first records had stepped aside.
        more_parked: whether others that have stepped aside, and are not here yet, go right after
            those.
    """

    __slots__ = ("deletes", "last_upserts", "leadless", "more_parked", "readmitted", "records")

    def __init__(self) -> None:
        self.records: list[OutboundRecord] = []
        self.last_upserts: dict[tuple[BatchTarget, Hashable], OutboundRecord] = {}
        self.deletes = 0
        self.leadless = 0
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

    def blocks_merge(self, record: OutboundRecord) -> bool:
        """Return whether an upsert may not be merged into one that comes before this queue."""
        is_role = record.target.obj is MarketoObject.OPPORTUNITY_ROLES
        return bool(self.deletes) or self.more_parked or (is_role and bool(self.leadless))

    @property
    def is_empty(self) -> bool:
        """Return whether nothing waits."""
        return not self.records and not self.more_parked

    def append(self, record: OutboundRecord) -> None:
        """Put a record behind all others."""
        self.records.append(record)
        if record.target.operation is Operation.DELETE:
            self.deletes += 1
            self.last_upserts.clear()
        elif record.wanted is not None:
            self.leadless += 1
            self._forget_upserts(record.target)
        elif record.target.merges:
            self.last_upserts[record.target, record.key] = record

    def readmit(self, records: Sequence[OutboundRecord], *, more_parked: bool) -> None:
        """Put upserts that had stepped aside before all others.

        Args:
            records: in their order.
            more_parked: whether others go right after them.
        """
        self.readmitted, self.more_parked = len(records), more_parked
        self.records[:0] = records
        for record in reversed(records):
            # No later version may pass one that is not here yet, or whose key was not known.
            if record.target.merges and not self.blocks_merge(record):
                self.last_upserts.setdefault((record.target, record.key), record)

    def remove(self, record: OutboundRecord) -> None:
        """Take a record out; a role without a lead may stand anywhere, others are the first."""
        if self.records[0] is record:
            self.readmitted = max(0, self.readmitted - 1)
        self.records.remove(record)
        if record.target.operation is Operation.DELETE:
            self.deletes -= 1
        elif record.wanted is not None:
            self.leadless -= 1
        elif self.last_upserts.get((record.target, record.key)) is record:
            del self.last_upserts[record.target, record.key]

    def _forget_upserts(self, target: BatchTarget) -> None:
        for name in [name for name in self.last_upserts if name[0] is target]:
            del self.last_upserts[name]


class KeyQueues(dict["Hashable", KeyQueue]):
    """The queues by their ordering keys; a record stands in those of all of its own.

    A dictionary, for whether there are queues at all is asked for each record.
    """

    __slots__ = ()

    def must_wait(self, record: OutboundRecord) -> bool:
        """Return whether a record that comes has to wait behind others."""
        return any(key in self for key in record.ordering_keys)

    def of(self, ordering_key: Hashable) -> KeyQueue:
        """Return the queue of a key, a new one where there is none."""
        if ordering_key not in self:
            self[ordering_key] = KeyQueue()
        return self[ordering_key]

    def head(self, ordering_key: Hashable) -> OutboundRecord | None:
        """Return the record of a key that goes next; None if that is not here yet."""
        queue = self.get(ordering_key)
        return queue.head if queue else None

    def is_first(self, record: OutboundRecord) -> bool:
        """Return whether a record that waits goes next in all its queues."""
        return all(self[key].head is record for key in record.ordering_keys)

    def is_readmitted(self, record: OutboundRecord) -> bool:
        """Return whether a record that goes next had stepped aside."""
        return any(self[key].readmitted for key in record.ordering_keys)

    def merge(self, record: OutboundRecord) -> bool | None:
        """Merge an upsert into the last one of its key that waits, if there is one it fits.

        Returns:
            Whether it is done; None where it may pass all that waits.
        """
        queues = [self.get(key) for key in record.ordering_keys]
        if not any(queues):
            return None
        name = record.target, record.key
        found = {queue.last_upserts.get(name) if queue else None for queue in queues}
        last = found.pop()
        if last is not None and not found:
            return last.merge(record, most_bytes=MAX_RECORD_BYTES - 1 - last.sent_bytes)
        is_barred = last or found or any(queue and queue.blocks_merge(record) for queue in queues)
        return False if is_barred else None

    def append(self, record: OutboundRecord) -> None:
        """Put a record at the end of its queues."""
        for key in record.ordering_keys:
            self.of(key).append(record)

    def remove(self, record: OutboundRecord) -> list[Hashable]:
        """Take a record out of its queues.

        Returns:
            The keys whose queues go on with records that have stepped aside, and are not here yet.
        """
        waiting: list[Hashable] = []
        for key in record.ordering_keys:
            queue = self[key]
            has_waited = queue.awaits_parked
            queue.remove(record)
            if queue.awaits_parked and not has_waited:
                waiting.append(key)
            if queue.is_empty:
                del self[key]
        return waiting
