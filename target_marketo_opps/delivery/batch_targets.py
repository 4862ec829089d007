"""The objects and operations that a run writes to, each with the batches that are being filled."""

from __future__ import annotations

import itertools
import typing as t

from marketo_opps import MarketoObject
from marketo_opps.fields import EXTERNAL_ID
from target_marketo_opps.delivery.batches import BatchTarget, Operation

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_marketo_opps.delivery.batches import Batch


class BatchTargets:
    """Makes one target for each object and operation.

    Args:
        merges: whether upserts of a key that wait are merged into one.
    """

    def __init__(self, *, merges: bool) -> None:
        self._merges = merges
        self._targets: list[BatchTarget] = []

    def get(
        self, obj: MarketoObject, operation: Operation, key_fields: tuple[str, ...]
    ) -> BatchTarget:
        """Return the one target of that object and operation."""
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
            steps_aside=is_sync and is_role and EXTERNAL_ID in key_fields,
        )
        self._targets.append(target)
        return target

    def open_batches(self) -> Iterator[Batch]:
        """Return all batches that are being filled."""
        return itertools.chain.from_iterable(target.open_batches for target in self._targets)
