"""Predict the outcomes of a batch without writing it."""

from __future__ import annotations

import threading
import typing as t

from marketo_opps import MarketoError, Reason, decode_record
from target_marketo_opps.delivery import outcomes
from target_marketo_opps.delivery.batches import Operation
from target_marketo_opps.delivery.comparison import Comparison
from target_marketo_opps.delivery.key_lookup import KeyLookup
from target_marketo_opps.delivery.outcomes import BatchResult, Outcome, RecordOutcome

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from marketo_opps import MarketoClient, MarketoObject, ObjectDescription, Record
    from target_marketo_opps.delivery.batches import Batch, OutboundRecord
    from target_marketo_opps.delivery.key_lookup import KeyIndex
    from target_marketo_opps.settings import TargetSettings

_EXISTS = RecordOutcome(Outcome.REJECTED, (Reason("1005", "Record already exists"),))
_NOT_FOUND = RecordOutcome(Outcome.REJECTED, (Reason("1013", "Record not found"),))


class DryRun:
    """Predicts the outcomes of batches by looking their keys up; takes the place of BatchWriter.

    Args:
        client: makes the lookups.
        settings: the target's settings.
        describe: returns an object's description; cached by the time a batch comes.

    Attributes:
        calls: how many calls a real run would make for the batches so far.
    """

    def __init__(
        self,
        client: MarketoClient,
        settings: TargetSettings,
        *,
        describe: Callable[[MarketoObject], ObjectDescription],
    ) -> None:
        self.calls = 0
        self._client = client
        self._settings = settings
        self._describe = describe
        # Whether the run would have left a record under a key; by hash, for a key is not small.
        self._predicted: dict[int, bool] = {}
        self._lock = threading.Lock()

    def deliver(self, batch: Batch) -> BatchResult:
        """Return the predicted outcomes of a batch."""
        result = BatchResult(batch)
        try:
            self._predict(result)
        except MarketoError as error:
            result.failure = error
        return result

    def _predict(self, result: BatchResult) -> None:
        batch = result.batch
        if batch.target.operation is Operation.DELETE:
            result.outcomes[:] = [outcomes.DELETED] * len(batch.records)
            self._predicted.update((_digest(record), False) for record in batch.records)
            self._count(result, lookups=0)
            return
        ours = [decode_record(record.sent_body) for record in batch.records]
        found = self._find(batch, ours)
        comparison = Comparison(self._describe(batch.target.obj), batch.target.key_fields)
        for index, (record, fields) in enumerate(zip(batch.records, ours, strict=True)):
            exists = self._predicted.get(_digest(record))
            # What the run has written to by then is no longer as Marketo has it now.
            theirs = found.get(fields) if self._settings.skip_unchanged and exists is None else None
            if theirs is not None and comparison.is_unchanged(fields, theirs):
                result.outcomes[index] = outcomes.UNCHANGED
                continue
            outcome = self._outcome(found.holds(fields) if exists is None else exists)
            result.outcomes[index] = outcome
            if not outcome.is_rejected:
                self._predicted[_digest(record)] = True
        self._count(result, lookups=int(self._settings.skip_unchanged))

    def _find(self, batch: Batch, ours: list[Record]) -> KeyIndex:
        target = batch.target
        by_id = self._settings.dedupe_by == "idField"
        fields = sorted({name for record in ours for name in record})
        lookup = KeyLookup(self._client, target.obj, target.key_fields, by_id=by_id)
        return lookup.find(ours, fields if self._settings.skip_unchanged else [])

    def _outcome(self, exists: bool) -> RecordOutcome:  # noqa: FBT001 - the one thing it depends on
        if exists:
            return _EXISTS if self._settings.action == "createOnly" else outcomes.UPDATED
        return _NOT_FOUND if self._settings.action == "updateOnly" else outcomes.CREATED

    def _count(self, result: BatchResult, *, lookups: int) -> None:
        written = any(outcome is not outcomes.UNCHANGED for outcome in result.outcomes)
        with self._lock:
            self.calls += lookups + written


def _digest(record: OutboundRecord) -> int:
    return hash((record.target.obj.value, record.key))
