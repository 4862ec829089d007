"""Records on their way to Marketo, and the batches that carry them; no I/O, no threads."""

from __future__ import annotations

import enum
import itertools
import typing as t
from dataclasses import dataclass

from marketo_opps import MAX_BATCH_RECORDS
from target_marketo_opps.mapping.record_mapping import MAX_RECORD_BYTES

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from marketo_opps import MarketoObject

RECORD_OVERHEAD_BYTES = 1_000
"""What a record takes besides its bytes: objects, and its places in dictionaries and queues."""

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
        has_accepted: whether Marketo has accepted a record of it in this run; set by any thread.
    """

    __slots__ = ("has_accepted", "key_fields", "obj", "open_batches", "operation")

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
        self.has_accepted = False


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
        source: the line on which it arrived.
    """

    stream: str
    target: BatchTarget
    key: Hashable
    ordering_keys: tuple[Hashable, ...]
    body: bytes
    source_stream: str
    source: bytes

    @property
    def held_bytes(self) -> int:
        """Return how much memory it takes."""
        return len(self.body) + len(self.source) + RECORD_OVERHEAD_BYTES


class Batch:
    """The records of one call; no two share a key.

    Args:
        target: where they are written.
        max_records: at most so many.

    Attributes:
        records: those added so far.
        keys: theirs.
        size_bytes: of their bodies and the commas between them.
        held_bytes: the memory that they take.
        is_open: whether more may be added.
    """

    __slots__ = ("_max_records", "held_bytes", "is_open", "keys", "records", "size_bytes", "target")

    def __init__(self, target: BatchTarget, max_records: int = MAX_BATCH_RECORDS) -> None:
        self.target = target
        self.records: list[OutboundRecord] = []
        self.keys: set[Hashable] = set()
        self.size_bytes = 0
        self.held_bytes = 0
        self.is_open = True
        self._max_records = max_records

    def fits(self, body: bytes) -> bool:
        """Return whether one more record of these bytes keeps the call within its limits."""
        return self.size_bytes + len(body) < MAX_RECORD_BYTES

    @property
    def is_full(self) -> bool:
        """Return whether it is pointless to wait for more records."""
        return len(self.records) == self._max_records or self.size_bytes > _NEARLY_FULL_BYTES

    @property
    def ordering_keys(self) -> Iterator[Hashable]:
        """Return the ordering keys of all records, some of them several times."""
        return itertools.chain.from_iterable(record.ordering_keys for record in self.records)

    def add(self, record: OutboundRecord) -> None:
        """Add a record that fits."""
        self.records.append(record)
        self.keys.add(record.key)
        self.size_bytes += len(record.body) + 1
        self.held_bytes += record.held_bytes

    def may_take(self, record: OutboundRecord) -> bool:
        """Return whether a record may follow another of its ordering key in this call."""
        return self.is_open and self.target is record.target and record.key not in self.keys
