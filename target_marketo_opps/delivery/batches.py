"""Records on their way to Marketo, and the batches that carry them; no I/O, no threads."""

from __future__ import annotations

import enum
import itertools
import typing as t
from dataclasses import dataclass

from marketo_opps import MAX_BATCH_RECORDS, decode_record
from marketo_opps.fields import LEAD_ID
from marketo_opps.keys import comparable_key
from target_marketo_opps.delivery.versions import MergedBody
from target_marketo_opps.mapping.record_mapping import MAX_RECORD_BYTES

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from marketo_opps import MarketoObject

RECORD_OVERHEAD_BYTES = 1_000
"""What a record takes besides its bytes: objects, and its places in dictionaries and queues."""

WANTED_OVERHEAD_BYTES = 300
"""What a role that waits for its lead takes besides: in line, and with others of its value."""

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
        merges: whether records of one key that wait are merged into one.
        parks_orphans: whether its records wait for their opportunity, where that is missing.

    Attributes:
        open_batches: those being filled.
        has_accepted: whether Marketo has accepted a record of it in this run; set by any thread.
    """

    __slots__ = (
        "has_accepted",
        "key_fields",
        "merges",
        "obj",
        "open_batches",
        "operation",
        "parks_orphans",
    )

    def __init__(
        self,
        obj: MarketoObject,
        operation: Operation,
        key_fields: tuple[str, ...],
        *,
        merges: bool = False,
        parks_orphans: bool = False,
    ) -> None:
        self.parks_orphans = parks_orphans
        self.obj = obj
        self.merges = merges
        self.operation = operation
        self.key_fields = key_fields
        self.open_batches: list[Batch] = []
        self.has_accepted = False


@dataclass(slots=True, eq=False)
class WantedLead:
    """The lead that a role names by a value of its, instead of by its id.

    Attributes:
        value: by which the lead is looked up.
        line_number: of the input, on which the role arrived.
        is_found: whether the role has the id of its lead.
    """

    value: str
    line_number: int
    is_found: bool = False


@dataclass(slots=True, eq=False)
class OutboundRecord:
    """One record on its way to Marketo; it keeps the later versions that are merged into it.

    Attributes:
        stream: the stream it is counted for, named as after `stream_maps`.
        target: where it is written.
        key: in the form in which keys are compared; no two records of one key share a call.
        ordering_keys: keys whose records must reach Marketo in the order of arrival, so that no
            two batches in flight share one.
        body: the record as Marketo takes it; of a delete the key alone.
        source_stream: the stream as it arrived, before `stream_maps`.
        source: the line on which it arrived.
        later_versions: those merged into it, in their order. It is not among them: that would
            be a cycle, whose memory is freed only when the garbage collector comes round.
        merged: if others are merged into it, what they make together.
        wanted: of a role that arrived without the id of its lead, that lead; key and body lack the
            id until it is found.
    """

    stream: str
    target: BatchTarget
    key: Hashable
    ordering_keys: tuple[Hashable, ...]
    body: bytes
    source_stream: str
    source: bytes
    later_versions: list[OutboundRecord] | None = None
    merged: MergedBody | None = None
    wanted: WantedLead | None = None

    @property
    def awaits_lead(self) -> bool:
        """Return whether it is a role whose lead is not known yet."""
        return self.wanted is not None and not self.wanted.is_found

    def take_lead(self, wanted: WantedLead, lead_id: int) -> None:
        """Put the id of the lead that it wants into its key and its body."""
        wanted.is_found = True
        at = self.target.key_fields.index(LEAD_ID)
        key = t.cast("tuple[Hashable, ...]", self.key)
        self.key = (*key[:at], comparable_key(lead_id), *key[at:])
        # A body is an object with members: the fields of its key.
        self.body = b'{"%b":%d,%b' % (LEAD_ID.encode(), lead_id, self.body[1:])

    @property
    def sent_key(self) -> dict[str, t.Any]:
        """Return its key as it is sent: key fields with their values, null for a lead not found."""
        sent = decode_record(self.body)
        return {field: sent.get(field) for field in self.target.key_fields}

    @property
    def all_versions(self) -> Sequence[OutboundRecord]:
        """Return its versions, in their order; most records have one."""
        return (self, *self.later_versions) if self.later_versions else (self,)

    @property
    def own_bytes(self) -> int:
        """Return how much memory it takes, later versions aside."""
        # msgspec keeps the buffer that it encodes into, of which up to a third is empty.
        own = len(self.body) * 3 // 2 + len(self.source) + RECORD_OVERHEAD_BYTES
        return own if self.wanted is None else own + WANTED_OVERHEAD_BYTES

    @property
    def held_bytes(self) -> int:
        """Return how much memory it takes, with later versions."""
        if self.merged is None:
            return self.own_bytes
        return sum(version.own_bytes for version in self.all_versions)

    @property
    def sent_body(self) -> bytes:
        """Return what is sent: its body, or that of all versions together."""
        return self.body if self.merged is None else self.merged.encoded()

    @property
    def sent_bytes(self) -> int:
        """Return how long that is."""
        return len(self.body) if self.merged is None else self.merged.size_bytes

    def merge(self, version: OutboundRecord, *, most_bytes: int) -> bool:
        """Merge a later version into this record, if that makes it no longer than is allowed.

        Args:
            version: of the same key.
            most_bytes: that it may add.

        Returns:
            Whether it is done.
        """
        merged = self.merged or MergedBody(self.body, self.target.key_fields)
        if not merged.add(version.body, most_bytes=most_bytes):
            return False
        self.later_versions = self.later_versions or []
        self.later_versions.append(version)
        self.merged = merged
        return True


class Batch:
    """The records of one call; no two share a key.

    Args:
        target: where they are written.
        max_records: at most so many.

    Attributes:
        records: those added so far.
        by_key: the same, by their keys.
        size_bytes: of their bodies and the commas between them.
        held_bytes: the memory that they take.
        is_open: whether more may be added.
    """

    __slots__ = (
        "_max_records",
        "by_key",
        "held_bytes",
        "is_open",
        "records",
        "size_bytes",
        "target",
    )

    def __init__(self, target: BatchTarget, max_records: int = MAX_BATCH_RECORDS) -> None:
        self.target = target
        self.records: list[OutboundRecord] = []
        self.by_key: dict[Hashable, OutboundRecord] = {}
        self.size_bytes = 0
        self.held_bytes = 0
        self.is_open = True
        self._max_records = max_records

    def fits(self, record: OutboundRecord) -> bool:
        """Return whether one more record keeps the call within its limits."""
        return self.size_bytes + record.sent_bytes < MAX_RECORD_BYTES

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
        self.by_key[record.key] = record
        self.size_bytes += record.sent_bytes + 1
        self.held_bytes += record.held_bytes

    def merge(self, version: OutboundRecord) -> bool:
        """Merge a version into the record of its key, if it fits; return whether it is done."""
        record = self.by_key[version.key]
        before = record.sent_bytes
        if not record.merge(version, most_bytes=MAX_RECORD_BYTES - 1 - self.size_bytes):
            return False
        self.size_bytes += record.sent_bytes - before
        self.held_bytes += version.own_bytes
        return True

    def may_take(self, record: OutboundRecord) -> bool:
        """Return whether a record may follow another of its ordering key in this call."""
        return self.is_open and self.target is record.target and record.key not in self.by_key
