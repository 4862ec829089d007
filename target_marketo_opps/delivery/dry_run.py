"""A dry run's side of delivery: what would become of a batch, without writing it."""

from __future__ import annotations

import threading
import typing as t

from marketo_opps import MarketoError, Reason, decode_record
from target_marketo_opps.delivery import outcomes
from target_marketo_opps.delivery.batching import Operation
from target_marketo_opps.delivery.comparison import Comparison
from target_marketo_opps.delivery.key_lookup import Lookup
from target_marketo_opps.delivery.outcomes import Delivery, Fate, Verdict

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from marketo_opps import MarketoClient, MarketoObject, ObjectDescription, Record
    from target_marketo_opps.delivery.batching import Batch, Outgoing
    from target_marketo_opps.delivery.key_lookup import Found
    from target_marketo_opps.settings import TargetSettings

_EXISTS = Verdict(Fate.REJECTED, (Reason("1005", "Record already exists"),))
_NOT_FOUND = Verdict(Fate.REJECTED, (Reason("1013", "Record not found"),))


class Rehearsal:
    """Tells what a courier would bring about, as far as looking keys up can tell.

    Args:
        client: makes the look-ups.
        settings: the target's settings.
        describe: tells an object's description; it is known by the time a batch comes.

    Attributes:
        calls: what the real run would make of calls for these batches.
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
        # What the run itself would have made of a key by now: a hash is small, a key is not.
        self._made: dict[int, bool] = {}
        self._lock = threading.Lock()

    def deliver(self, batch: Batch) -> Delivery:
        """Say what would become of a batch."""
        delivery = Delivery(batch)
        try:
            self._foretell(delivery)
        except MarketoError as error:
            delivery.failure = error
        return delivery

    def _foretell(self, delivery: Delivery) -> None:
        batch = delivery.batch
        if batch.lane.operation is Operation.DELETE:
            delivery.verdicts[:] = [outcomes.DELETED] * len(batch.records)
            self._made.update((_digest(record), False) for record in batch.records)
            self._count(delivery, lookups=0)
            return
        ours = [decode_record(record.body) for record in batch.records]
        found = self._find(batch, ours)
        comparison = Comparison(self._describe(batch.lane.obj), batch.lane.key_fields)
        for index, (record, fields) in enumerate(zip(batch.records, ours, strict=True)):
            made = self._made.get(_digest(record))
            # What the run has written to by then is no longer as Marketo has it now.
            theirs = found.get(fields) if self._settings.skip_unchanged and made is None else None
            if theirs is not None and comparison.unchanged(fields, theirs):
                delivery.verdicts[index] = outcomes.UNCHANGED
                continue
            verdict = self._verdict(found.holds(fields) if made is None else made)
            delivery.verdicts[index] = verdict
            if verdict.fate is not Fate.REJECTED:
                self._made[_digest(record)] = True
        self._count(delivery, lookups=int(self._settings.skip_unchanged))

    def _find(self, batch: Batch, ours: list[Record]) -> Found:
        lane = batch.lane
        by_id = self._settings.dedupe_by == "idField"
        fields = sorted({name for record in ours for name in record})
        lookup = Lookup(self._client, lane.obj, lane.key_fields, by_id=by_id)
        return lookup.find(ours, fields if self._settings.skip_unchanged else [])

    def _verdict(self, exists: bool) -> Verdict:  # noqa: FBT001 - the one thing it depends on
        if exists:
            return _EXISTS if self._settings.action == "createOnly" else outcomes.UPDATED
        return _NOT_FOUND if self._settings.action == "updateOnly" else outcomes.CREATED

    def _count(self, delivery: Delivery, *, lookups: int) -> None:
        written = any(verdict is not outcomes.UNCHANGED for verdict in delivery.verdicts)
        with self._lock:
            self.calls += lookups + written


def _digest(record: Outgoing) -> int:
    return hash((record.lane.obj.value, record.key))
