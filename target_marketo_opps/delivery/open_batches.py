"""Fill batches, for each object and operation that a run writes to; no I/O, no threads."""

from __future__ import annotations

import itertools
import typing as t
from collections import deque

from marketo_opps import MAX_BATCH_RECORDS, MarketoObject
from marketo_opps.fields import EXTERNAL_ID
from target_marketo_opps.delivery.batches import Batch, BatchTarget, Operation

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_marketo_opps.delivery.batches import OutboundRecord

_MAX_OPEN_BATCHES = 3
"""Batches of one target that are open at the same time; a record goes into the first with room."""


class OpenBatches:
    """Holds the batches that are being filled, and those that are ready to be sent.

    Args:
        merges: whether waiting upserts with the same key are merged into one.
        max_batch_records: maximum number of records per call.

    Attributes:
        closed: batches that are ready to be sent.
        short_batches: number of batches that were closed before they were full.
    """

    def __init__(self, *, merges: bool, max_batch_records: int = MAX_BATCH_RECORDS) -> None:
        self.closed: deque[Batch] = deque()
        self.short_batches = 0
        self._merges = merges
        self._max_batch_records = max_batch_records
        self._targets: list[BatchTarget] = []

    def target(
        self, obj: MarketoObject, operation: Operation, key_fields: tuple[str, ...]
    ) -> BatchTarget:
        """Return the `BatchTarget` of an object and operation; create it the first time.

        Each object and operation has only one, which all its batches share.
        """
        for target in self._targets:
            if target.obj is obj and target.operation is operation:
                return target
        is_sync = operation is Operation.SYNC
        is_role = obj is MarketoObject.OPPORTUNITY_ROLES
        target = BatchTarget(
            obj,
            operation,
            key_fields,
            merges=self._merges and is_sync,
            parks_orphans=is_sync and is_role and EXTERNAL_ID in key_fields,
        )
        self._targets.append(target)
        return target

    def with_room_for(self, record: OutboundRecord) -> Batch:
        """Return an open batch in which a record fits; open a new batch if there is none."""
        target = record.target
        for batch in target.open_batches:
            if batch.fits(record):
                return batch
        if len(target.open_batches) == _MAX_OPEN_BATCHES:
            self.close(max(target.open_batches, key=lambda batch: batch.size_bytes))
        target.open_batches.append(Batch(target, self._max_batch_records))
        return target.open_batches[-1]

    def close(self, batch: Batch) -> None:
        """Close an open batch: no more records are added, and it is ready to be sent."""
        batch.is_open = False
        batch.target.open_batches.remove(batch)
        self.closed.append(batch)

    def close_short(self, batch: Batch) -> None:
        """Close an open batch before it is full, and count it as short."""
        self.short_batches += 1
        self.close(batch)

    def close_all(self) -> None:
        """Close all open batches, so that they are sent without waiting for more records."""
        for batch in list(self):
            self.close(batch)

    def close_fullest(self) -> None:
        """Close the open batch that takes the most memory, so that it is sent early."""
        self.close_short(max(self, key=lambda batch: batch.held_bytes))

    def __iter__(self) -> Iterator[Batch]:
        return itertools.chain.from_iterable(target.open_batches for target in self._targets)
