"""Know every reason for which a record waits, and for how much there is room; no I/O, no threads.

A record waits because

- its batch is being filled;
- a batch that is not settled yet holds one of its ordering keys;
- an earlier record of one of its ordering keys waits;
- it is a role whose lead is not known yet;
- it is a role that has stepped aside, as its opportunity is missing: see `step_aside`.

Each waits in one order of arrival, its ordering keys' lines; all of them are accounted for in
bytes, and in the ledger. While it waits, later upserts of its key are merged into it: past other
upserts, but never past a delete that shares its key or its opportunity, nor a role past one whose
key was not known when it came.
"""

from __future__ import annotations

import typing as t
from collections import deque

from marketo_opps import MAX_BATCH_RECORDS
from target_marketo_opps.delivery.batches import Operation
from target_marketo_opps.delivery.key_queues import KeyQueues
from target_marketo_opps.delivery.open_batches import OpenBatches
from target_marketo_opps.delivery.parked_roles import ParkedRoles

if t.TYPE_CHECKING:
    from collections.abc import Hashable

    from target_marketo_opps.delivery.batches import Batch, OutboundRecord, WantedLead
    from target_marketo_opps.state.ledger import Ledger

MAX_HELD_BYTES = 36_000_000
"""Full calls to ten at a time, with the lines that their records came on, take some 35 MB."""

_PORTION_OF_ROOM = 16
"""The part of the room that roles which come back take at a time, even where there is none."""


class WaitingRecords:
    """Fills batches, and keeps records back until the ones before them are settled.

    The batches of a target may be sent in any order and at once: no two unsettled ones share an
    ordering key. A record whose ordering key is in another batch waits until that is settled,
    without blocking others; several records of one ordering key wait in a line.

    Args:
        ledger: told of every batch and waiting record that a STATE has to wait for.
        merges: whether later upserts of a key are merged into one that waits.
        max_batch_records: records a call.
        max_held_bytes: how much memory all records together may take, until they are settled.

    Attributes:
        closed: batches that can be sent.
        short_batches: how many were sent before they were full.
        aside: roles that have stepped aside.
        held_bytes: the memory that all others together take, those in flight as well.
        max_held_bytes: how much that may be.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        merges: bool = False,
        max_batch_records: int = MAX_BATCH_RECORDS,
        max_held_bytes: int = MAX_HELD_BYTES,
    ) -> None:
        self.batches = OpenBatches(merges=merges, max_batch_records=max_batch_records)
        self.closed = self.batches.closed
        self.held_bytes = 0
        self.max_held_bytes = max_held_bytes
        self.parked_roles = ParkedRoles(ledger)
        self._ledger = ledger
        self._holders: dict[Hashable, Batch] = {}
        self._queues = KeyQueues()
        self._freed: deque[Hashable] = deque()

    @property
    def is_crowded(self) -> bool:
        """Return whether some records have to be settled before another is added."""
        return self.held_bytes > self.max_held_bytes

    def add(self, record: OutboundRecord) -> None:
        """Merge a record, or add it to a batch or to its lines; `closed` may have grown."""
        if (
            record.target.parks_orphans
            and self.parked_roles.waiting
            and record.ordering_keys[0] not in self._queues
            and self.parked_roles.park_behind(record, is_queued=False)
        ):
            return
        self.held_bytes += record.own_bytes
        if (
            record.target.merges
            and record.ordering_keys[0] in self._holders
            and self._merge(record)
        ):
            return
        batch = (
            None if self._queues and self._queues.must_wait(record) else self._find_batch(record)
        )
        if batch is None:
            self._enqueue(record)
            return
        if not batch.records:
            self._ledger.hold(batch)
        self._append(batch, record)

    def await_lead(self, record: OutboundRecord) -> None:
        """Have a role wait in line until its lead is known: see `place` and `drop`."""
        self.held_bytes += record.own_bytes
        self._enqueue(record)

    def place(self, record: OutboundRecord, wanted: WantedLead, lead_id: int) -> None:
        """Place a role that has waited for its lead, and those behind it, as far as possible."""
        before = record.own_bytes
        record.take_lead(wanted, lead_id)
        self.held_bytes += record.own_bytes - before
        self._advance(record.ordering_keys[0])

    def drop(self, record: OutboundRecord) -> None:
        """Take a role without a lead out of its line: it is settled."""
        self._take_out(record)
        self.held_bytes -= record.held_bytes
        self._ledger.settle(record)
        self._advance(record.ordering_keys[0])

    def readmit(self, opportunity: Hashable) -> None:
        """Have the roles that wait for an opportunity go before all else that waits for its batch.

        They come back as far as there is room for them, now and whenever a batch is settled.
        """
        if self.parked_roles.waits_for(opportunity):
            self._queues.of(opportunity).more_parked = True
            self._freed.append(opportunity)

    def is_busy(self, ordering_key: Hashable) -> bool:
        """Return whether a record of a key is in a batch that is not settled, or waits for one."""
        return ordering_key in self._holders or ordering_key in self._queues

    def release(self, batch: Batch) -> None:
        """Place the records that waited for a batch, which is settled."""
        self.held_bytes -= batch.held_bytes
        for key in batch.ordering_keys:
            self._holders.pop(key, None)
        if self._queues:
            for key in batch.ordering_keys:
                self._advance(key)
        if self._freed:
            self._readmit_freed()

    def _merge(self, record: OutboundRecord) -> bool:
        """Merge a record into the last upsert of its key that waits, if there is one it fits."""
        is_merged = self._queues.merge(record)
        return self._merge_into_batch(record) is not None if is_merged is None else is_merged

    def _merge_into_batch(self, record: OutboundRecord) -> Batch | None:
        """Merge a record into one of its key in an open batch; return that batch if it is done."""
        batches = {self._holders.get(key) for key in record.ordering_keys}
        batch = batches.pop()
        if batch is None or batches or not batch.is_open or batch.target is not record.target:
            return None
        if record.key not in batch.by_key or not batch.merge(record):
            return None
        if batch.is_full:
            self.batches.close(batch)
        return batch

    def _find_batch(self, record: OutboundRecord) -> Batch | None:
        """Return the batch that may take a record which is behind no other, or None."""
        found: Batch | None = None
        for key in record.ordering_keys:
            batch = self._holders.get(key)
            if batch is None:
                continue
            if not batch.may_take(record) or found not in (None, batch):
                return None
            found = batch
        if found is not None:
            return found if found.fits(record) else None
        return self.batches.with_room_for(record)

    def _append(self, batch: Batch, record: OutboundRecord) -> None:
        batch.add(record)
        if record.target.operation is Operation.DELETE:
            self.parked_roles.dismiss(record)
        for key in record.ordering_keys:
            self._holders[key] = batch
        if batch.is_full:
            self.batches.close(batch)

    def _enqueue(self, record: OutboundRecord) -> None:
        self._ledger.hold(record)
        self._queues.append(record)

    def _take_out(self, record: OutboundRecord) -> None:
        """Take a record out of its lines."""
        self._freed.extend(self._queues.remove(record))

    def _advance(self, ordering_key: Hashable) -> None:
        """Place the records at the head of a key's line, as far as possible."""
        freed = [ordering_key]
        while freed:
            record = self._queues.head(freed[-1])
            if record is None or not self._try_place(record):
                freed.pop()
            else:
                freed.extend(key for key in record.ordering_keys if key != freed[-1])

    def _readmit_freed(self) -> None:
        portion = self.max_held_bytes // _PORTION_OF_ROOM
        room = self.max_held_bytes - self.held_bytes
        if not self._holders:
            # No batch will be settled, and so make room, before these have gone.
            room = max(room, portion)
        while self._freed and room > 0:
            room -= self._readmit_some(self._freed.popleft(), most_bytes=min(room, portion))

    def _readmit_some(self, opportunity: Hashable, *, most_bytes: int) -> int:
        """Put some roles of an opportunity before all else that waits for its batch."""
        records = self.parked_roles.freed_by(opportunity, most_bytes=most_bytes)
        held_bytes = sum(record.held_bytes for record in records)
        self.held_bytes += held_bytes
        more_parked = self.parked_roles.waits_for(opportunity)
        self._queues.of(opportunity).readmit(records, more_parked=more_parked)
        self._advance(opportunity)
        return held_bytes

    def _try_place(self, record: OutboundRecord) -> bool:
        """Place a waiting record, if it heads all its lines and a batch may take it."""
        if record.awaits_lead or not self._queues.is_first(record):
            return False
        if not self._queues.is_readmitted(record) and self.parked_roles.park_behind(
            record, is_queued=True
        ):
            self._take_out(record)
            self.held_bytes -= record.held_bytes
            return True
        batch = self._find_batch(record)
        if batch is not None:
            self._take_out(record)
            self._ledger.move(record, batch)
            self._append(batch, record)
            return True
        return self._place_as_version(record)

    def _place_as_version(self, record: OutboundRecord) -> bool:
        """Merge a waiting record into one of its key in an open batch, if it may be."""
        # When it came, one whose key was not known stood between the two.
        if not record.target.merges or record.later_versions:
            return False
        batch = self._merge_into_batch(record)
        if batch is None:
            return False
        self._take_out(record)
        self._ledger.move(record, batch)
        return True
