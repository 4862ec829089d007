"""Which records share a call, and which have to wait for others: pure, no I/O, no threads."""

from __future__ import annotations

import enum
import itertools
import typing as t
from collections import deque
from dataclasses import dataclass

from marketo_opps import MAX_BATCH_RECORDS, MAX_BODY_BYTES, SYNC_ENVELOPE_BYTES

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from marketo_opps import MarketoObject, Record
    from target_marketo_opps.state.ledger import Ledger

MAX_RECORD_BYTES = MAX_BODY_BYTES - SYNC_ENVELOPE_BYTES
"""What the records of one call and the commas between them must stay under."""

_MAX_OPEN_BATCHES = 3
"""Batches of a lane filled at a time: what is too long for one leaves room for something else."""

_TOO_FULL_BYTES = MAX_RECORD_BYTES - 2_000
"""A batch that has come so far is sent: hardly a record would still fit."""


class Operation(enum.Enum):
    """What is done with a record."""

    SYNC = "sync"
    DELETE = "delete"


class Lane:
    """One object and one operation: what may share a call; `open` are the batches being filled."""

    __slots__ = ("key_fields", "obj", "open", "operation")

    def __init__(
        self,
        obj: MarketoObject,
        operation: Operation,
        key_fields: tuple[str, ...],
    ) -> None:
        self.obj = obj
        self.operation = operation
        self.key_fields = key_fields
        self.open: list[Batch] = []


@dataclass(slots=True, eq=False)
class Outgoing:
    """One record on its way to Marketo.

    Attributes:
        stream: the stream it is counted for, named as after `stream_maps`.
        lane: where it goes.
        key: its key, in the form in which keys are compared; no two of one key share a call.
        locks: what must reach Marketo in the order of arrival; no two batches in flight share one.
        body: the record as Marketo takes it, encoded; for a delete the key alone.
        source_stream: the stream as it arrived, before `stream_maps`.
        source: the record as it arrived.
    """

    stream: str
    lane: Lane
    key: Hashable
    locks: tuple[Hashable, ...]
    body: bytes
    source_stream: str
    source: Record


class Batch:
    """The records of one call."""

    __slots__ = ("is_open", "keys", "lane", "records", "size_bytes")

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.records: list[Outgoing] = []
        self.keys: set[Hashable] = set()
        self.size_bytes = 0
        self.is_open = True

    def fits(self, body: bytes) -> bool:
        """Whether one more record of these bytes keeps the call within its limits."""
        return self.size_bytes + len(body) < MAX_RECORD_BYTES

    @property
    def is_full(self) -> bool:
        """Whether to wait for more records would be idle."""
        return len(self.records) == MAX_BATCH_RECORDS or self.size_bytes > _TOO_FULL_BYTES

    def add(self, record: Outgoing) -> None:
        """Take in a record that fits."""
        self.records.append(record)
        self.keys.add(record.key)
        self.size_bytes += len(record.body) + 1


class Batcher:
    """Fills batches, and keeps records back until their predecessors have been settled.

    The batches of a lane may be sent in any order and at once: no two unsettled ones share a
    lock. A record whose lock is held by another batch waits for it, without being in the way
    of others; several records of one lock wait in line.

    Args:
        ledger: told of every batch and waiting record that a STATE has to wait for.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.closed: deque[Batch] = deque()
        self.short_batches = 0
        self._ledger = ledger
        self._lanes: list[Lane] = []
        self._holders: dict[Hashable, Batch] = {}
        self._lines: dict[Hashable, deque[Outgoing]] = {}
        self.waiting_records = 0
        self.waiting_bytes = 0

    def lane(
        self,
        obj: MarketoObject,
        operation: Operation,
        key_fields: tuple[str, ...],
    ) -> Lane:
        """The one lane of that object and operation."""
        for lane in self._lanes:
            if lane.obj is obj and lane.operation is operation:
                return lane
        self._lanes.append(Lane(obj, operation, key_fields))
        return self._lanes[-1]

    def add(self, record: Outgoing) -> None:
        """Put a record into a batch, or in line; `closed` then tells what can be sent."""
        batch = self._berth(record)
        if batch is None:
            self._wait(record)
            return
        if not batch.records:
            self._ledger.hold(batch)
        self._board(batch, record)

    def settle(self, batch: Batch) -> None:
        """Take note that a batch has reached Marketo, and place whatever waited for it."""
        for lock in _locks(batch):
            self._holders.pop(lock, None)
        for lock in _locks(batch):
            self._call_up(lock)

    def close(self, batch: Batch) -> None:
        """Send an open batch although it is not full."""
        self.short_batches += 1
        self._close(batch)

    def close_all(self) -> None:
        """Send whatever is in a batch: no more is coming."""
        for batch in list(self.open_batches()):
            self._close(batch)

    def close_fullest(self) -> None:
        """Send the open batch with the most records short: too many wait."""
        self.close(max(self.open_batches(), key=lambda batch: len(batch.records)))

    def open_batches(self) -> Iterator[Batch]:
        """All batches that are still being filled."""
        return itertools.chain.from_iterable(lane.open for lane in self._lanes)

    def _berth(self, record: Outgoing) -> Batch | None:
        """The batch that may take the record, or None when it has to wait."""
        holder: Batch | None = None
        for lock in record.locks:
            if lock in self._lines:
                return None
            batch = self._holders.get(lock)
            if batch is None:
                continue
            if not _may_join(batch, record) or holder not in (None, batch):
                return None
            holder = batch
        if holder is not None:
            return holder if holder.fits(record.body) else None
        return self._open_batch(record)

    def _open_batch(self, record: Outgoing) -> Batch:
        lane = record.lane
        for batch in lane.open:
            if batch.fits(record.body):
                return batch
        if len(lane.open) == _MAX_OPEN_BATCHES:
            self._close(max(lane.open, key=lambda batch: batch.size_bytes))
        lane.open.append(Batch(lane))
        return lane.open[-1]

    def _board(self, batch: Batch, record: Outgoing) -> None:
        batch.add(record)
        for lock in record.locks:
            self._holders[lock] = batch
        if batch.is_full:
            self._close(batch)

    def _close(self, batch: Batch) -> None:
        batch.is_open = False
        batch.lane.open.remove(batch)
        self.closed.append(batch)

    def _wait(self, record: Outgoing) -> None:
        self._ledger.hold(record)
        for lock in record.locks:
            self._lines.setdefault(lock, deque()).append(record)
        self.waiting_records += 1
        self.waiting_bytes += len(record.body)

    def _call_up(self, lock: Hashable) -> None:
        """Place the records at the head of a lock's line, as far as they may go."""
        freed = [lock]
        while freed:
            line = self._lines.get(freed[-1])
            record = line[0] if line else None
            if record is None or not self._leave_line(record):
                freed.pop()
            else:
                freed.extend(other for other in record.locks if other != freed[-1])

    def _leave_line(self, record: Outgoing) -> bool:
        """Place a waiting record, if it heads all its lines and a batch may take it."""
        lines = {lock: self._lines.pop(lock) for lock in record.locks}
        heads_all = all(line[0] is record for line in lines.values())
        batch = self._berth(record) if heads_all else None
        if batch is not None:
            for line in lines.values():
                line.popleft()
        self._lines.update({lock: line for lock, line in lines.items() if line})
        if batch is None:
            return False
        self.waiting_records -= 1
        self.waiting_bytes -= len(record.body)
        self._ledger.move(record, batch)
        self._board(batch, record)
        return True


def _may_join(batch: Batch, record: Outgoing) -> bool:
    """Whether a record may follow another of its lock in the same call."""
    return batch.is_open and batch.lane is record.lane and record.key not in batch.keys


def _locks(batch: Batch) -> Iterator[Hashable]:
    return itertools.chain.from_iterable(record.locks for record in batch.records)
