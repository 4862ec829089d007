"""Decide which records share a call and which have to wait for others; no I/O, no threads."""

from __future__ import annotations

import enum
import itertools
import typing as t
from collections import deque
from dataclasses import dataclass

from marketo_opps import MAX_BATCH_RECORDS
from target_marketo_opps.mapping.record_mapping import MAX_RECORD_BYTES

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from marketo_opps import MarketoObject, Record
    from target_marketo_opps.state.ledger import Ledger

_MAX_OPEN_BATCHES = 3
"""First-fit over at most so many open batches of a target."""

_NEARLY_FULL_BYTES = MAX_RECORD_BYTES - 2_000
"""A batch with more bytes is sent, for hardly another record would fit."""


class Operation(enum.Enum):
    """The kinds of call."""

    SYNC = "sync"
    DELETE = "delete"


class BatchTarget:
    """An object and an operation, whose records may share a call.

    Args:
        obj: opportunities or roles.
        operation: sync or delete.
        key_fields: the object's key fields.

    Attributes:
        open_batches: those being filled.
    """

    __slots__ = ("key_fields", "obj", "open_batches", "operation")

    def __init__(
        self,
        obj: MarketoObject,
        operation: Operation,
        key_fields: tuple[str, ...],
    ) -> None:
        self.obj = obj
        self.operation = operation
        self.key_fields = key_fields
        self.open_batches: list[Batch] = []


@dataclass(slots=True, eq=False)
class OutboundRecord:
    """One record on its way to Marketo.

    Attributes:
        stream: the stream it is counted for, named as after `stream_maps`.
        target: where it is written.
        key: in the form in which keys are compared; no two records of one key share a call.
        ordering_keys: keys whose records must reach Marketo in the order of arrival, so that no
            two batches in flight share one.
        body: the record as Marketo takes it; of a delete the key alone.
        source_stream: the stream as it arrived, before `stream_maps`.
        source: the record as it arrived.
    """

    stream: str
    target: BatchTarget
    key: Hashable
    ordering_keys: tuple[Hashable, ...]
    body: bytes
    source_stream: str
    source: Record


class Batch:
    """The records of one call; no two share a key.

    Args:
        target: where they are written.
        max_records: at most so many.
    """

    __slots__ = ("_max_records", "is_open", "keys", "records", "size_bytes", "target")

    def __init__(self, target: BatchTarget, max_records: int = MAX_BATCH_RECORDS) -> None:
        self.target = target
        self.records: list[OutboundRecord] = []
        self.keys: set[Hashable] = set()
        self.size_bytes = 0
        self.is_open = True
        self._max_records = max_records

    def fits(self, body: bytes) -> bool:
        """Return whether one more record of these bytes keeps the call within its limits."""
        return self.size_bytes + len(body) < MAX_RECORD_BYTES

    @property
    def is_full(self) -> bool:
        """Return whether it is pointless to wait for more records."""
        return len(self.records) == self._max_records or self.size_bytes > _NEARLY_FULL_BYTES

    def add(self, record: OutboundRecord) -> None:
        """Add a record that fits."""
        self.records.append(record)
        self.keys.add(record.key)
        self.size_bytes += len(record.body) + 1


class Batcher:
    """Fills batches, and keeps records back until the ones before them are delivered.

    The batches of a target may be sent in any order and at once: no two undelivered ones share an
    ordering key. A record whose ordering key is in another batch waits until that is delivered,
    without blocking others; several records of one ordering key wait in a queue.

    Args:
        ledger: told of every batch and waiting record that a STATE has to wait for.
        max_batch_records: records a call.

    Attributes:
        closed: batches that can be sent.
        short_batches: how many were sent before they were full.
        waiting_records: records that are kept back.
        waiting_bytes: of their bodies.
    """

    def __init__(self, ledger: Ledger, *, max_batch_records: int = MAX_BATCH_RECORDS) -> None:
        self.closed: deque[Batch] = deque()
        self.short_batches = 0
        self.waiting_records = 0
        self.waiting_bytes = 0
        self._ledger = ledger
        self._max_batch_records = max_batch_records
        self._targets: list[BatchTarget] = []
        self._batch_by_key: dict[Hashable, Batch] = {}
        self._waiting_by_key: dict[Hashable, deque[OutboundRecord]] = {}

    def target(
        self,
        obj: MarketoObject,
        operation: Operation,
        key_fields: tuple[str, ...],
    ) -> BatchTarget:
        """Return the one target of that object and operation."""
        for target in self._targets:
            if target.obj is obj and target.operation is operation:
                return target
        self._targets.append(BatchTarget(obj, operation, key_fields))
        return self._targets[-1]

    def add(self, record: OutboundRecord) -> None:
        """Add a record to a batch, or to a queue; `closed` may have grown."""
        batch = self._find_batch(record)
        if batch is None:
            self._enqueue(record)
            return
        if not batch.records:
            self._ledger.hold(batch)
        self._append(batch, record)

    def release(self, batch: Batch) -> None:
        """Place the records that waited for a batch, which has been delivered."""
        for key in _ordering_keys(batch):
            self._batch_by_key.pop(key, None)
        for key in _ordering_keys(batch):
            self._promote_waiting(key)

    def close(self, batch: Batch) -> None:
        """Close an open batch although it is not full."""
        self.short_batches += 1
        self._close(batch)

    def close_all(self) -> None:
        """Close all open batches: no more records are coming."""
        for batch in list(self.open_batches()):
            self._close(batch)

    def close_fullest(self) -> None:
        """Close the open batch with the most records, for too many records wait."""
        self.close(max(self.open_batches(), key=lambda batch: len(batch.records)))

    def open_batches(self) -> Iterator[Batch]:
        """Return all batches that are being filled."""
        return itertools.chain.from_iterable(target.open_batches for target in self._targets)

    def _find_batch(self, record: OutboundRecord) -> Batch | None:
        """Return the batch that may take the record, or None when it has to wait."""
        found: Batch | None = None
        for key in record.ordering_keys:
            if key in self._waiting_by_key:
                return None
            batch = self._batch_by_key.get(key)
            if batch is None:
                continue
            if not _may_join(batch, record) or found not in (None, batch):
                return None
            found = batch
        if found is not None:
            return found if found.fits(record.body) else None
        return self._open_batch(record)

    def _open_batch(self, record: OutboundRecord) -> Batch:
        target = record.target
        for batch in target.open_batches:
            if batch.fits(record.body):
                return batch
        if len(target.open_batches) == _MAX_OPEN_BATCHES:
            self._close(max(target.open_batches, key=lambda batch: batch.size_bytes))
        target.open_batches.append(Batch(target, self._max_batch_records))
        return target.open_batches[-1]

    def _append(self, batch: Batch, record: OutboundRecord) -> None:
        batch.add(record)
        for key in record.ordering_keys:
            self._batch_by_key[key] = batch
        if batch.is_full:
            self._close(batch)

    def _close(self, batch: Batch) -> None:
        batch.is_open = False
        batch.target.open_batches.remove(batch)
        self.closed.append(batch)

    def _enqueue(self, record: OutboundRecord) -> None:
        self._ledger.hold(record)
        for key in record.ordering_keys:
            self._waiting_by_key.setdefault(key, deque()).append(record)
        self.waiting_records += 1
        self.waiting_bytes += len(record.body)

    def _promote_waiting(self, ordering_key: Hashable) -> None:
        """Place the records at the head of a key's queue, as far as possible."""
        freed = [ordering_key]
        while freed:
            queue = self._waiting_by_key.get(freed[-1])
            record = queue[0] if queue else None
            if record is None or not self._try_promote(record):
                freed.pop()
            else:
                freed.extend(key for key in record.ordering_keys if key != freed[-1])

    def _try_promote(self, record: OutboundRecord) -> bool:
        """Place a waiting record, if it heads all its queues and a batch may take it."""
        queues = {key: self._waiting_by_key.pop(key) for key in record.ordering_keys}
        heads_all = all(queue[0] is record for queue in queues.values())
        batch = self._find_batch(record) if heads_all else None
        if batch is not None:
            for queue in queues.values():
                queue.popleft()
        self._waiting_by_key.update({key: queue for key, queue in queues.items() if queue})
        if batch is None:
            return False
        self.waiting_records -= 1
        self.waiting_bytes -= len(record.body)
        self._ledger.move(record, batch)
        self._append(batch, record)
        return True


def _may_join(batch: Batch, record: OutboundRecord) -> bool:
    """Return whether a record may follow another of its ordering key in the same call."""
    return batch.is_open and batch.target is record.target and record.key not in batch.keys


def _ordering_keys(batch: Batch) -> Iterator[Hashable]:
    return itertools.chain.from_iterable(record.ordering_keys for record in batch.records)
