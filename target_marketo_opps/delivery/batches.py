"""Represent the records to send to Marketo, and batches of records; no I/O, no threads."""

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
"""Memory of a record besides its bytes: Python objects, dictionary and queue entries."""

WANTED_OVERHEAD_BYTES = 300
"""Additional memory of a role that waits for its lead: queue and lookup entries."""

_NEARLY_FULL_BYTES = MAX_RECORD_BYTES - 2_000
"""A batch with more bytes than this is sent, because few records would still fit."""


class Operation(enum.Enum):
    """The kind of call that sends a batch: sync (create or update) or delete."""

    SYNC = "sync"
    DELETE = "delete"


class BatchTarget:
    """A Marketo object and an operation; only records with the same target can share a call.

    Args:
        obj: opportunities or roles.
        operation: sync or delete.
        key_fields: fields that identify a record of the object.
        merges: whether waiting records with the same key are merged into one.
        parks_orphans: whether roles that Marketo skips because their opportunity is missing are
            kept until Marketo has it, instead of being rejected.

    Attributes:
        open_batches: batches of this target that records can be added to.
        has_accepted: whether Marketo has accepted a record of this target in the run; set by any
            thread.
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
    """The lead that a role refers to by a lookup value instead of a lead ID.

    Attributes:
        value: value by which the lead is looked up.
        line_number: line of the input on which the role arrived.
        is_found: whether the lead ID was found and added to the role.
    """

    value: str
    line_number: int
    is_found: bool = False


@dataclass(slots=True, eq=False)
class OutboundRecord:
    """A record to send to Marketo, and the later versions that were merged into it.

    Attributes:
        stream: the stream that the record is counted for, named as after `stream_maps`.
        target: object and operation.
        key: key in comparable form; two records with the same key never share a call.
        ordering_keys: ids that decide which records keep their order: records that share one are
            sent in order of arrival, and never in two batches at once. Usually the id of the
            opportunity, which an opportunity and its roles share.
        body: the JSON that is sent; for a delete, the key only.
        source_stream: name of the stream in the input, before `stream_maps`.
        source: line of the input on which the record arrived.
        later_versions: versions merged into this record, in order. The record itself is not
            included: that would be a reference cycle, freed only when the garbage collector runs.
        merged: the combined body of all versions, if others were merged into this record.
        wanted: the lead to look up, for a role that arrived without a lead ID. Key and body lack
            the ID until the lead is found.
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
        """Return whether this is a role whose lead ID is not known yet."""
        return self.wanted is not None and not self.wanted.is_found

    def take_lead(self, wanted: WantedLead, lead_id: int) -> None:
        """Add the lead ID that a lookup found to the key and the body of this role."""
        wanted.is_found = True
        at = self.target.key_fields.index(LEAD_ID)
        key = t.cast("tuple[Hashable, ...]", self.key)
        self.key = (*key[:at], comparable_key(lead_id), *key[at:])
        # A body is a JSON object that is not empty: it has at least the other key fields.
        self.body = b'{"%b":%d,%b' % (LEAD_ID.encode(), lead_id, self.body[1:])

    @property
    def sent_key(self) -> dict[str, t.Any]:
        """Return the key fields with the values that are sent; null for an unknown lead ID."""
        sent = decode_record(self.body)
        return {field: sent.get(field) for field in self.target.key_fields}

    @property
    def all_versions(self) -> Sequence[OutboundRecord]:
        """Return this record and later records with its key that were merged into it, in order."""
        return (self, *self.later_versions) if self.later_versions else (self,)

    @property
    def own_bytes(self) -> int:
        """Return the memory in bytes that this record takes, without records merged into it."""
        # msgspec keeps the buffer that it encodes into; up to a third of the buffer is empty.
        own = len(self.body) * 3 // 2 + len(self.source) + RECORD_OVERHEAD_BYTES
        return own if self.wanted is None else own + WANTED_OVERHEAD_BYTES

    @property
    def held_bytes(self) -> int:
        """Return the memory in bytes that this record and the records merged into it take."""
        if self.merged is None:
            return self.own_bytes
        return sum(version.own_bytes for version in self.all_versions)

    @property
    def sent_body(self) -> bytes:
        """Return the JSON body to send: the record's own, or that of all versions combined."""
        return self.body if self.merged is None else self.merged.encoded()

    @property
    def sent_bytes(self) -> int:
        """Return the length of the body to send, in bytes."""
        return len(self.body) if self.merged is None else self.merged.size_bytes

    def merge(self, version: OutboundRecord, *, most_bytes: int) -> bool:
        """Merge a later record with the same key into this one, unless the body gets too long.

        Args:
            version: the record, which arrived after this one.
            most_bytes: maximum number of bytes that the body may grow by.

        Returns:
            Whether the version was merged.
        """
        merged = self.merged or MergedBody(self.body, self.target.key_fields)
        if not merged.add(version.body, most_bytes=most_bytes):
            return False
        self.later_versions = self.later_versions or []
        self.later_versions.append(version)
        self.merged = merged
        return True


class Batch:
    """The records to send in one call; no two have the same key.

    Args:
        target: object and operation.
        max_records: maximum number of records.

    Attributes:
        records: records added so far.
        by_key: the records by key.
        size_bytes: length of the records' bodies and of the commas between them.
        held_bytes: memory that the records take, in bytes.
        is_open: whether records can be added.
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
        """Return whether the call stays within Marketo's size limit if a record is added."""
        return self.size_bytes + record.sent_bytes < MAX_RECORD_BYTES

    @property
    def is_full(self) -> bool:
        """Return whether the batch has the maximum number of records, or almost that of bytes."""
        return len(self.records) == self._max_records or self.size_bytes > _NEARLY_FULL_BYTES

    @property
    def ordering_keys(self) -> Iterator[Hashable]:
        """Return the ordering keys of the batch's records: ids by which they keep their order."""
        return itertools.chain.from_iterable(record.ordering_keys for record in self.records)

    def add(self, record: OutboundRecord) -> None:
        """Add a record to the batch; the caller has checked with `fits` that there is room."""
        self.records.append(record)
        self.by_key[record.key] = record
        self.size_bytes += record.sent_bytes + 1
        self.held_bytes += record.held_bytes

    def merge(self, version: OutboundRecord) -> bool:
        """Merge a record into the one in this batch with its key, within the size limit of a call.

        Args:
            version: a record that arrived later than the one in the batch.

        Returns:
            Whether the version was merged.
        """
        record = self.by_key[version.key]
        before = record.sent_bytes
        if not record.merge(version, most_bytes=MAX_RECORD_BYTES - 1 - self.size_bytes):
            return False
        self.size_bytes += record.sent_bytes - before
        self.held_bytes += version.own_bytes
        return True

    def may_take(self, record: OutboundRecord) -> bool:
        """Return whether a record may join this batch although both have the same ordering key.

        An ordering key is an id by which records keep their order, usually that of the opportunity.
        The record may join if the batch is open, has the same object and operation, and has no
        record with the same key.
        """
        return self.is_open and self.target is record.target and record.key not in self.by_key
