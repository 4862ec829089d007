"""Queue records that wait for earlier records with the same ordering key; no I/O, no threads.

Records that share an ordering key must reach Marketo in order of arrival. It is usually the id of
the opportunity, which an opportunity and its roles share.
"""

from __future__ import annotations

import typing as t

from marketo_opps import MarketoObject
from target_marketo_opps.delivery.batches import Operation
from target_marketo_opps.mapping.record_mapping import MAX_RECORD_BYTES

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from target_marketo_opps.delivery.batches import BatchTarget, OutboundRecord


class KeyQueue:
    """The waiting records that share an ordering key, such as an opportunity id, in order.

    Attributes:
        records: waiting records; the first is sent next.
        last_upserts: the upsert that later upserts of the same target and key are merged into.
        deletes: number of deletes among the records.
        leadless: number of upserts that arrived without a lead ID, whose complete key was unknown.
        readmitted: number of roles at the head of the queue that were parked (kept apart because
            their opportunity was missing) and were queued again.
        more_parked: whether further parked roles have to be inserted after these.
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
        """Return the record to send next; None if nothing can be sent.

        Nothing can be sent if the queue is empty, or if parked roles (kept apart because their
        opportunity was missing) must be inserted at its head first.
        """
        if not self.records or self.awaits_parked:
            return None
        return self.records[0]

    @property
    def awaits_parked(self) -> bool:
        """Return whether the queue can send nothing until parked roles are inserted at its head.

        Parked roles are kept apart from the queue because their opportunity was missing. Once it is
        accepted, they are sent before all records of the queue.
        """
        return self.more_parked and not self.readmitted

    def blocks_merge(self, record: OutboundRecord) -> bool:
        """Return whether this queue forbids merging an upsert into an earlier record with its key.

        The earlier record is in a batch already. Merging would send the upsert before the records
        of this queue, which must not happen if one of them is a delete or a parked role or, for an
        upsert of a role, a role whose lead ID was unknown.
        """
        is_role = record.target.obj is MarketoObject.OPPORTUNITY_ROLES
        return bool(self.deletes) or self.more_parked or (is_role and bool(self.leadless))

    @property
    def is_empty(self) -> bool:
        """Return whether the queue has no records, and no parked roles will be inserted into it."""
        return not self.records and not self.more_parked

    def append(self, record: OutboundRecord) -> None:
        """Add a record at the end of the queue: it is sent after all records that are in the queue.

        The records of the queue share an ordering key, usually the id of their opportunity.
        """
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
        """Insert roles at the head of the queue: they were parked until their opportunity arrived.

        Args:
            records: the roles, in order.
            more_parked: whether further parked roles have to be inserted after them.
        """
        self.readmitted, self.more_parked = len(records), more_parked
        self.records[:0] = records
        for record in reversed(records):
            # No later version may be sent before a role that is parked, or had an unknown lead.
            if record.target.merges and not self.blocks_merge(record):
                self.last_upserts.setdefault((record.target, record.key), record)

    def remove(self, record: OutboundRecord) -> None:
        """Remove the first record of the queue, or a role that arrived without a lead ID."""
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
    """The queues of waiting records by ordering key: an id by which records keep their order.

    A record is in one queue for each of its ordering keys, usually the id of its opportunity.

    It is a dictionary, so that each record of the input is checked against it quickly.
    """

    __slots__ = ()

    def must_wait(self, record: OutboundRecord) -> bool:
        """Return whether earlier records are waiting that must be sent before this one.

        They share an ordering key with it, such as the id of the opportunity.
        """
        return any(key in self for key in record.ordering_keys)

    def of(self, ordering_key: Hashable) -> KeyQueue:
        """Return the queue of an ordering key (e.g. an opportunity id); create it when needed."""
        if ordering_key not in self:
            self[ordering_key] = KeyQueue()
        return self[ordering_key]

    def head(self, ordering_key: Hashable) -> OutboundRecord | None:
        """Return the record to send next from an ordering key's queue; None if none can be sent."""
        queue = self.get(ordering_key)
        return queue.head if queue else None

    def is_first(self, record: OutboundRecord) -> bool:
        """Return whether a waiting record is the next to be sent in all queues that it is in."""
        return all(self[key].head is record for key in record.ordering_keys)

    def is_readmitted(self, record: OutboundRecord) -> bool:
        """Return whether a record is a role that was parked before it was queued again.

        Parked roles are kept apart from the queues until Marketo has their opportunity.

        Args:
            record: a record at the head of its queues.
        """
        return any(self[key].readmitted for key in record.ordering_keys)

    def merge(self, record: OutboundRecord) -> bool | None:
        """Merge an upsert into the last queued upsert with the same key, if the order allows it.

        Returns:
            True if it was merged; False if it must not be merged into any record; None if no queued
            upsert has its key, but it may be merged into a record of an open batch.
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
        """Add a record at the end of its queues, one queue for each of its ordering keys."""
        for key in record.ordering_keys:
            self.of(key).append(record)

    def remove(self, record: OutboundRecord) -> list[Hashable]:
        """Remove a record from all queues that it is in, one for each of its ordering keys.

        Returns:
            Ordering keys of queues at whose head parked roles have to be inserted now: roles that
            were kept apart because their opportunity was missing.
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
