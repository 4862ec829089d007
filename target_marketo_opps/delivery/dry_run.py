"""Predict the outcomes of a batch without writing to Marketo."""

from __future__ import annotations

import threading
import typing as t

from marketo_opps import MarketoError, MarketoObject, Reason, decode_record
from marketo_opps.fields import EXTERNAL_ID
from marketo_opps.keys import comparable_key
from target_marketo_opps.delivery import outcomes
from target_marketo_opps.delivery.batches import Operation
from target_marketo_opps.delivery.comparison import Comparison
from target_marketo_opps.delivery.key_lookup import KeyLookup
from target_marketo_opps.delivery.outcomes import BatchResult, Outcome, RecordOutcome
from target_marketo_opps.delivery.predicted_records import (
    PredictedRecord,
    PredictedRecords,
    Presence,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from marketo_opps import MarketoClient, ObjectDescription, Record
    from target_marketo_opps.delivery.batches import Batch, OutboundRecord
    from target_marketo_opps.settings import TargetSettings

_EXISTS = RecordOutcome(Outcome.REJECTED, (Reason("1005", "Record already exists"),))
_NOT_FOUND = RecordOutcome(Outcome.REJECTED, (Reason("1013", "Record not found"),))
_ORPHAN = RecordOutcome(Outcome.REJECTED, (Reason("1004", "Opportunity not found"),))


class DryRun:
    """Predicts the outcomes of batches by looking up their keys; used instead of `BatchWriter`.

    Args:
        client: makes the lookups.
        settings: the target's settings.
        describe: returns the description of an object; makes no call, because the description is
            cached before a batch is delivered.

    Attributes:
        calls: number of calls that a real run would have made for the batches so far.
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
        self._needs_values = settings.skip_unchanged or settings.diff_path is not None
        self._predicted = PredictedRecords()
        self._lock = threading.Lock()

    def deliver(self, batch: Batch) -> BatchResult:
        """Return the predicted outcomes of a batch's records, without writing to Marketo."""
        result = BatchResult(batch)
        try:
            if batch.target.operation is Operation.DELETE:
                self._predict_deletes(result)
            else:
                self._predict_upserts(result)
        except MarketoError as error:
            result.failure = error
        return result

    def _predict_deletes(self, result: BatchResult) -> None:
        for index, record in enumerate(result.batch.records):
            result.outcomes[index] = outcomes.DELETED
            self._predicted.put(record.target.obj, record.key, PredictedRecord(Presence.ABSENT))
        self._count(result, lookups=0)

    def _predict_upserts(self, result: BatchResult) -> None:
        batch = result.batch
        ours = [decode_record(record.sent_body) for record in batch.records]
        known = [self._predicted.get(batch.target.obj, record.key) for record in batch.records]
        before = self._before(batch, ours, known)
        parents = self._missing_parents(batch, before)
        comparison = Comparison(self._describe(batch.target.obj), batch.target.key_fields)
        for index, (record, fields) in enumerate(zip(batch.records, ours, strict=True)):
            theirs = before[index]
            is_orphan = theirs is None and record.ordering_keys[0] in parents
            result.outcomes[index] = self._outcome(fields, theirs, comparison, is_orphan=is_orphan)
            if not t.cast("RecordOutcome", result.outcomes[index]).is_rejected:
                self._remember(record, fields, known[index], is_new=theirs is None)
        self._count(result, lookups=int(self._settings.skip_unchanged))

    def _outcome(
        self,
        ours: Record,
        theirs: Record | None,
        comparison: Comparison,
        *,
        is_orphan: bool,
    ) -> RecordOutcome:
        """Return the outcome that a real run would have for a record.

        Args:
            ours: the fields to write.
            theirs: the record that Marketo would have under the key by then; None if there is none.
            comparison: compares the two.
            is_orphan: whether this is a role whose opportunity would be missing.
        """
        action = self._settings.action
        changes = comparison.changes(ours, theirs or {}) if self._needs_values else {}
        if theirs is None:
            if action == "updateOnly":
                return _NOT_FOUND
            return _ORPHAN if is_orphan else RecordOutcome(Outcome.CREATED, changes=changes)
        if self._settings.skip_unchanged and not changes:
            return outcomes.UNCHANGED
        if action == "createOnly":
            return _EXISTS
        return RecordOutcome(Outcome.UPDATED, changes=changes)

    def _before(
        self, batch: Batch, ours: Sequence[Record], known: Sequence[PredictedRecord | None]
    ) -> list[Record | None]:
        """Return the record that would exist under each key when the batch is sent.

        Args:
            batch: the batch.
            ours: the fields that each of its records writes.
            known: what this run would have written under each key before; None if nothing.

        Returns:
            A record for each record of the batch; None if Marketo would have none.
        """
        asked = [
            fields for fields, each in zip(ours, known, strict=True) if self._needs_lookup(each)
        ]
        names = sorted({name for record in asked for name in record}) if self._needs_values else []
        by_id = self._settings.dedupe_by == "idField"
        target = batch.target
        lookup = KeyLookup(self._client, target.obj, target.key_fields, by_id=by_id)
        found = lookup.find(asked, names)

        def stored(fields: Record) -> Record | None:
            return (found.get(fields) or {}) if found.holds(fields) else None

        return [
            stored(fields) if each is None else each.over(stored(fields))
            for fields, each in zip(ours, known, strict=True)
        ]

    def _needs_lookup(self, known: PredictedRecord | None) -> bool:
        """Return whether a record must be looked up in Marketo to predict its outcome.

        Args:
            known: what the run would have written under the record's key before; None if nothing.
        """
        if known is None:
            return True
        return self._needs_values and known.presence is Presence.CHANGED

    def _missing_parents(
        self, batch: Batch, before: Sequence[Record | None]
    ) -> frozenset[Hashable]:
        """Return ids of opportunities that new roles of a batch need but that would not exist."""
        if not batch.target.parks_orphans:
            return frozenset()
        named = {
            record.ordering_keys[0]: record.sent_key[EXTERNAL_ID]
            for record, theirs in zip(batch.records, before, strict=True)
            if theirs is None
        }
        opportunities = MarketoObject.OPPORTUNITIES
        known = {key: self._predicted.get(opportunities, (key,)) for key in named}
        asked = [{EXTERNAL_ID: named[key]} for key, each in known.items() if each is None]
        lookup = KeyLookup(self._client, opportunities, (EXTERNAL_ID,), by_id=False)
        found = lookup.find(asked, [])
        there = PredictedRecord(Presence.CHANGED)
        for each in filter(found.holds, asked):
            key = comparable_key(each[EXTERNAL_ID])
            self._predicted.put(opportunities, (key,), there)
            known[key] = there
        return frozenset(key for key, each in known.items() if each is None or not each.exists)

    def _remember(
        self,
        record: OutboundRecord,
        fields: Record,
        known: PredictedRecord | None,
        *,
        is_new: bool,
    ) -> None:
        before = known or PredictedRecord(Presence.ABSENT if is_new else Presence.CHANGED)
        written = fields if self._needs_values else {}
        self._predicted.put(record.target.obj, record.key, before.after(written))

    def _count(self, result: BatchResult, *, lookups: int) -> None:
        written = any(
            outcome is not None and outcome.kind is not Outcome.UNCHANGED
            for outcome in result.outcomes
        )
        with self._lock:
            self.calls += lookups + written
