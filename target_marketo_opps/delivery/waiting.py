"""Keep records until they can be sent, in batches and queues; no I/O, no threads.

A record is *settled* when Marketo has accepted it or it was rejected. Records that share an
*ordering key*, usually the id of an opportunity, must reach Marketo in order of arrival. A record
that is not settled waits for one of these reasons:

- its batch is not full yet;
- an unsettled batch contains a record with one of its ordering keys;
- an earlier record with one of its ordering keys is waiting;
- it is a role whose lead ID is not known yet;
- it is parked: a role that Marketo skipped because its opportunity is missing.

All waiting records with the same ordering key wait in one queue, in order of arrival. All of them
count towards the memory limit, and the ledger holds every later STATE back. Later upserts of a
waiting record's key are merged into it. An upsert may be merged past other upserts, but not past a
delete of its key or opportunity; and an upsert of a role not past a role whose lead was not known
when the upsert arrived. Roles of an opportunity that this run deletes are not merged at all: one
that arrives before the opportunity is created again is rejected, and a later one is not.
"""

from __future__ import annotations

import typing as t
from collections import deque

from marketo_opps import MAX_BATCH_RECORDS, MarketoObject
from marketo_opps.seen_keys import KeyHashSet
from target_marketo_opps.delivery.batches import Operation
from target_marketo_opps.delivery.key_queues import KeyQueues
from target_marketo_opps.delivery.open_batches import OpenBatches
from target_marketo_opps.delivery.parked_roles import ParkedRoles

if t.TYPE_CHECKING:
    from collections.abc import Hashable

    from target_marketo_opps.delivery.batches import Batch, OutboundRecord, WantedLead
    from target_marketo_opps.state.ledger import Ledger

MAX_HELD_BYTES = 36_000_000
"""Ten full calls, with the input lines of their records, take about 35 MB."""

_PORTION_OF_ROOM = 16
"""Divides the memory limit into the portions in which parked roles are queued again."""


class WaitingRecords:
    """Fills batches, and keeps a record back while earlier ones with its ordering key are sent.

    The batches of a target can be sent in any order and concurrently, because two unsettled batches
    never share an ordering key. A record whose ordering key is in another batch waits in a queue
    until that batch is settled; records with other keys do not wait for it.

    Args:
        ledger: holds each STATE back until all batches and records before it are settled.
        merges: whether later upserts with the same key are merged into a waiting upsert.
        max_batch_records: maximum number of records per call.
        max_held_bytes: memory that all unsettled records may take together.

    Attributes:
        batches: batches that are being filled, and batches that are ready to be sent.
        closed: the batches that are ready to be sent.
        parked_roles: roles that wait for their opportunity.
        held_bytes: memory in bytes that all unsettled records take, except parked roles.
        max_held_bytes: limit of `held_bytes`.
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
        self._to_readmit: deque[Hashable] = deque()
        self._deleted = KeyHashSet()

    @property
    def is_crowded(self) -> bool:
        """Return whether the memory limit is exceeded, so that no record should be added."""
        return self.held_bytes > self.max_held_bytes

    def add(self, record: OutboundRecord) -> None:
        """Merge a record into a waiting one with its key, or put it into a batch or into queues."""
        if (
            record.target.parks_orphans
            and self.parked_roles.waiting
            and record.ordering_keys[0] not in self._queues
            and self._park_behind(record, is_queued=False)
        ):
            return
        self.held_bytes += record.own_bytes
        if (
            record.target.merges
            and record.ordering_keys[0] in self._holders
            and self._may_merge(record)
            and self._merge(record)
        ):
            return
        must_wait = self._queues and self._queues.must_wait(record)
        batch = None if must_wait else self._find_batch(record)
        if batch is None:
            self._enqueue(record)
            return
        if not batch.records:
            self._ledger.hold(batch)
        self._append(batch, record)

    def await_lead(self, record: OutboundRecord) -> None:
        """Queue a role without a lead ID until `place` sets the ID, or `drop` removes the role."""
        self.held_bytes += record.own_bytes
        self._enqueue(record)

    def place(self, record: OutboundRecord, wanted: WantedLead, lead_id: int) -> None:
        """Set the lead ID of a queued role; move it and the records behind it to batches."""
        before = record.own_bytes
        record.take_lead(wanted, lead_id)
        self.held_bytes += record.own_bytes - before
        self._advance(record.ordering_keys[0])

    def drop(self, record: OutboundRecord) -> None:
        """Remove a role from its queue, because it was rejected for lack of a lead."""
        self._take_out(record)
        self.held_bytes -= record.held_bytes
        self._ledger.settle(record)
        self._advance(record.ordering_keys[0])

    def readmit(self, opportunity: Hashable) -> None:
        """Prepare to send roles that waited for an opportunity, because it has just been accepted.

        `release` puts them at the head of the opportunity's queue, as far as the memory limit
        allows, after each settled batch.
        """
        if self.parked_roles.waits_for(opportunity):
            self._queues.of(opportunity).more_parked = True
            self._to_readmit.append(opportunity)

    def is_busy(self, ordering_key: Hashable) -> bool:
        """Return whether an unsettled batch or a queue has any record with an ordering key."""
        return ordering_key in self._holders or ordering_key in self._queues

    def release(self, batch: Batch) -> None:
        """Remove a batch whose outcomes are known; move records that waited for it to batches."""
        self.held_bytes -= batch.held_bytes
        for key in batch.ordering_keys:
            self._holders.pop(key, None)
        if self._queues:
            for key in batch.ordering_keys:
                self._advance(key)
        if self._to_readmit:
            self._readmit_while_room()

    def _park_behind(self, record: OutboundRecord, *, is_queued: bool) -> bool:
        """Park a record if it is a role whose key is parked; return whether it was parked."""
        batch = self._holders.get(record.ordering_keys[0])
        # A batch has the key only in another spelling, whose role may be parked next.
        is_in_batch = batch is not None and record.key in batch.by_key
        return not is_in_batch and self.parked_roles.park_behind(record, is_queued=is_queued)

    def _note_delete(self, record: OutboundRecord) -> None:
        if record.target.obj is MarketoObject.OPPORTUNITIES:
            self._deleted.add(str(record.ordering_keys[0]))

    def _may_merge(self, record: OutboundRecord) -> bool:
        """Return whether an upsert may be merged into a waiting upsert with its key.

        It may not if it is a role whose opportunity this run deletes.
        """
        is_role = record.target.parks_orphans
        return not (is_role and self._deleted and str(record.ordering_keys[0]) in self._deleted)

    def _merge(self, record: OutboundRecord) -> bool:
        """Try to merge an upsert into the last waiting one with its key; return True on success."""
        is_merged = self._queues.merge(record)
        return self._merge_into_batch(record) is not None if is_merged is None else is_merged

    def _merge_into_batch(self, record: OutboundRecord) -> Batch | None:
        """Merge an upsert into the record with the same key in an open batch, if there is one.

        Returns:
            That batch, or None if the record cannot be merged.
        """
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
        """Return an open batch for a record; None if it must wait until a batch is settled."""
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
            self._note_delete(record)
        for key in record.ordering_keys:
            self._holders[key] = batch
        if batch.is_full:
            self.batches.close(batch)

    def _enqueue(self, record: OutboundRecord) -> None:
        self._ledger.hold(record)
        if record.target.operation is Operation.DELETE:
            self._note_delete(record)
        self._queues.append(record)

    def _take_out(self, record: OutboundRecord) -> None:
        """Remove a record from all queues that it is in, one for each of its ordering keys."""
        self._to_readmit.extend(self._queues.remove(record))

    def _advance(self, ordering_key: Hashable) -> None:
        """Move records from the head of an ordering key's queue to batches, until one must wait."""
        freed = [ordering_key]
        while freed:
            record = self._queues.head(freed[-1])
            if record is None or not self._try_place(record):
                freed.pop()
            else:
                freed.extend(key for key in record.ordering_keys if key != freed[-1])

    def _readmit_while_room(self) -> None:
        portion = self.max_held_bytes // _PORTION_OF_ROOM
        room = self.max_held_bytes - self.held_bytes
        if not self._holders:
            # No unsettled batch will free memory, so one portion may exceed the limit.
            room = max(room, portion)
        while self._to_readmit and room > 0:
            room -= self._readmit_some(self._to_readmit.popleft(), most_bytes=min(room, portion))

    def _readmit_some(self, opportunity: Hashable, *, most_bytes: int) -> int:
        """Queue some roles whose opportunity is no longer missing; return their memory in bytes."""
        records = self.parked_roles.take_roles_of(opportunity, most_bytes=most_bytes)
        held_bytes = sum(record.held_bytes for record in records)
        self.held_bytes += held_bytes
        more_parked = self.parked_roles.waits_for(opportunity)
        self._queues.of(opportunity).readmit(records, more_parked=more_parked)
        self._advance(opportunity)
        return held_bytes

    def _try_place(self, record: OutboundRecord) -> bool:
        """Move a queued record to an open batch, if it is the next to be sent in all its queues.

        A role joins the parked roles instead if one with its key waits for its missing opportunity.

        Returns:
            Whether the record left its queues.
        """
        if record.awaits_lead or not self._queues.is_first(record):
            return False
        if not self._queues.is_readmitted(record) and self._park_behind(record, is_queued=True):
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
        """Merge a queued upsert into the record with the same key in an open batch, if possible.

        Returns:
            Whether the record was merged and left its queues.
        """
        # It was queued because a role between the two had a lead that was not known.
        if not record.target.merges or record.later_versions or not self._may_merge(record):
            return False
        batch = self._merge_into_batch(record)
        if batch is None:
            return False
        self._take_out(record)
        self._ledger.move(record, batch)
        return True
