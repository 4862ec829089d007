"""Takes a batch to Marketo and brings back a verdict on each of its records. Runs on a worker."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

from marketo_opps import (
    CrmManagedError,
    DataError,
    MarketoError,
    TooLargeError,
    decode_record,
)
from marketo_opps.errors import UnexpectedResponseError
from marketo_opps.fields import CREATED_AT
from target_marketo_opps.delivery import outcomes
from target_marketo_opps.delivery.batching import Operation
from target_marketo_opps.delivery.bisection import BAD_SALES_PERSON, BadDataError, Search
from target_marketo_opps.delivery.comparison import Comparison
from target_marketo_opps.delivery.key_lookup import Lookup
from target_marketo_opps.delivery.outcomes import Delivery, Fate, Verdict

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from marketo_opps import (
        BatchOutcome,
        MarketoClient,
        MarketoObject,
        ObjectDescription,
        Record,
        RecordResult,
    )
    from target_marketo_opps.delivery.batching import Batch
    from target_marketo_opps.settings import TargetSettings

_SALES_PERSON = "externalSalesPersonId"
_GONE_CODES = frozenset({"1004", "1013"})
_EXISTS_CODES = frozenset({"1005", "1017"})

_SKIPPED = "skipped"
_STATUS_VERDICTS = {
    "created": outcomes.CREATED,
    "updated": outcomes.UPDATED,
    "deleted": outcomes.DELETED,
}


class LimitReachedError(Exception):
    """More rejects than allowed: no call more on this batch."""


class Courier:
    """Delivers batches; every worker thread uses the same one.

    Args:
        client: makes the calls.
        settings: the target's settings.
        describe: tells an object's description; it is known by the time a batch is delivered.
        rejected_so_far: how many records of the run have been rejected.
    """

    def __init__(
        self,
        client: MarketoClient,
        settings: TargetSettings,
        *,
        describe: Callable[[MarketoObject], ObjectDescription],
        rejected_so_far: Callable[[], int],
    ) -> None:
        self._client = client
        self._settings = settings
        self._describe = describe
        self._rejected_so_far = rejected_so_far
        self._refused_persons: dict[str, BadDataError] = {}

    def deliver(self, batch: Batch) -> Delivery:
        """Bring a batch to Marketo, as far as it can be brought.

        Returns:
            A verdict on each record that has one; what ended the attempt is its `failure`.
        """
        delivery = Delivery(batch)
        try:
            self._search(delivery).deliver(self._undecided(delivery))
        except LimitReachedError:
            pass
        except MarketoError as error:
            delivery.failure = error
        return delivery

    def _search(self, delivery: Delivery) -> Search:
        return Search(
            attempt=lambda indices: self._attempt(delivery, indices),
            refuse=lambda indices, error: self._refuse(delivery, indices, error),
            sales_person=lambda index: _sales_person(delivery, index),
        )

    def _undecided(self, delivery: Delivery) -> Sequence[int]:
        """The records that have to be sent, once others have had their verdict without it."""
        if delivery.batch.lane.operation is Operation.DELETE:
            return range(len(delivery.verdicts))
        self._screen(delivery)
        if self._settings.skip_unchanged:
            self._leave_unchanged(delivery)
        return [index for index, verdict in enumerate(delivery.verdicts) if verdict is None]

    def _screen(self, delivery: Delivery) -> None:
        """Reject records of sales persons that Marketo has refused before: 718 costs the call."""
        if not self._refused_persons:
            return
        for index in range(len(delivery.verdicts)):
            error = self._refused_persons.get(_sales_person(delivery, index) or "")
            if error is not None:
                self._refuse(delivery, [index], error)

    def _leave_unchanged(self, delivery: Delivery) -> None:
        lookup = self._lookup(delivery)
        undecided = [i for i, verdict in enumerate(delivery.verdicts) if verdict is None]
        ours = {index: _decoded(delivery, index) for index in undecided}
        found = lookup.find(list(ours.values()), _fields_of(ours))
        comparison = self._comparison(delivery)
        for index, record in ours.items():
            theirs = found.get(record)
            if theirs is not None and comparison.unchanged(record, theirs):
                delivery.verdicts[index] = outcomes.UNCHANGED

    def _attempt(self, delivery: Delivery, indices: Sequence[int]) -> BadDataError | None:
        """Send these records in one call and note the outcome, or return Marketo's refusal."""
        records = [delivery.batch.records[index].body for index in indices]
        try:
            outcome = self._send(delivery.batch, records)
        except (DataError, TooLargeError) as error:
            _note_open(delivery, indices, error.possibly_applied_since)
            return error
        for index, result in zip(indices, outcome.results, strict=True):
            delivery.verdicts[index] = _verdict(delivery.batch, result, outcome.request_id)
        if outcome.ambiguous:
            _note_open(delivery, indices, outcome.first_sent_at)
        self._settle_existing(delivery, indices)
        return None

    def _send(self, batch: Batch, records: Sequence[bytes]) -> BatchOutcome:
        obj = batch.lane.obj
        if batch.lane.operation is Operation.DELETE:
            return self._client.delete(obj, records, delete_by=self._settings.dedupe_by)
        action = self._settings.action
        # With the other actions Adobe's pages disagree whether Marketo heeds it.
        dedupe_by = self._settings.dedupe_by if action == "updateOnly" else None
        return self._client.sync(obj, records, action=action, dedupe_by=dedupe_by)

    def _refuse(self, delivery: Delivery, indices: Sequence[int], error: BadDataError) -> None:
        """Note that Marketo refuses these records by refusing whole calls."""
        gone = delivery.batch.lane.operation is Operation.DELETE and error.code in _GONE_CODES
        refusal = Verdict(Fate.REJECTED, error.reasons, error.request_id)
        for index in indices:
            delivery.verdicts[index] = outcomes.DELETED if gone else refusal
        person = _sales_person(delivery, indices[0]) if error.code == BAD_SALES_PERSON else None
        if person is not None:
            self._refused_persons[person] = error
        self._settle_existing(delivery, indices)
        if self._settings.exceeded_by(self._rejected_so_far() + delivery.rejected):
            raise LimitReachedError

    def _settle_existing(self, delivery: Delivery, indices: Sequence[int]) -> None:
        """Tell what a lost call of ours created from what had been there before."""
        existing = self._perhaps_own(delivery, indices)
        if not existing:
            return
        refusals = {index: delivery.verdicts[index] for index in existing}
        ours = {index: _decoded(delivery, index) for index in existing}
        for index in existing:
            # Unsettled, should the lookup fail.
            delivery.verdicts[index] = None
        found = self._lookup(delivery).find(list(ours.values()), _fields_of(ours, CREATED_AT))
        comparison = self._comparison(delivery)
        for index, record in ours.items():
            theirs = found.get(record)
            # Within the clock's second it may be an earlier record of ours, or another's.
            is_own = (
                theirs is not None
                and _created_since(delivery.possibly_applied_since[index], theirs)
                and comparison.unchanged(record, theirs)
            )
            delivery.verdicts[index] = outcomes.CREATED if is_own else refusals[index]
            delivery.own_creations += is_own
            delivery.others_creations += theirs is not None and not is_own
            delivery.untold_creations += theirs is None

    def _perhaps_own(self, delivery: Delivery, indices: Sequence[int]) -> list[int]:
        """Those that "already exist", perhaps because a lost call has created them."""
        if self._settings.action != "createOnly":
            return []
        return [
            index
            for index in indices
            if index in delivery.possibly_applied_since and _is_refused_as_existing(delivery, index)
        ]

    def _lookup(self, delivery: Delivery) -> Lookup:
        lane = delivery.batch.lane
        by_id = self._settings.dedupe_by == "idField"
        return Lookup(self._client, lane.obj, lane.key_fields, by_id=by_id)

    def _comparison(self, delivery: Delivery) -> Comparison:
        lane = delivery.batch.lane
        return Comparison(self._describe(lane.obj), lane.key_fields)


def _verdict(batch: Batch, result: RecordResult, request_id: str | None) -> Verdict:
    if result.status != _SKIPPED:
        return _accepted(result.status, request_id)
    codes = {reason.code for reason in result.reasons}
    if codes & CrmManagedError.codes:
        raise CrmManagedError(f"a record of {batch.lane.obj.path}", result.reasons, request_id)
    if batch.lane.operation is Operation.DELETE and codes & _GONE_CODES:
        return outcomes.DELETED
    return Verdict(Fate.REJECTED, result.reasons, request_id)


def _accepted(status: str, request_id: str | None) -> Verdict:
    try:
        return _STATUS_VERDICTS[status]
    except KeyError:
        raise UnexpectedResponseError(
            f"Marketo answered with the unknown status '{status}' (requestId {request_id}), so "
            "what became of a record cannot be told: quote the requestId to Marketo's support."
        ) from None


def _note_open(delivery: Delivery, indices: Sequence[int], moment: datetime | None) -> None:
    """Remember what may have been created; of several such calls the first counts."""
    if moment is not None:
        for index in indices:
            delivery.possibly_applied_since.setdefault(index, moment)


def _is_refused_as_existing(delivery: Delivery, index: int) -> bool:
    verdict = delivery.verdicts[index]
    return verdict is not None and any(why.code in _EXISTS_CODES for why in verdict.reasons)


def _sales_person(delivery: Delivery, index: int) -> str | None:
    return t.cast("str | None", _decoded(delivery, index).get(_SALES_PERSON))


def _decoded(delivery: Delivery, index: int) -> Record:
    return decode_record(delivery.batch.records[index].body)


def _fields_of(records: Mapping[int, Record], *more: str) -> list[str]:
    return sorted({name for record in records.values() for name in record}.union(more))


def _created_since(sent_at: datetime, record: Record) -> bool:
    """Whether Marketo created the record at or after that moment; it tells whole seconds."""
    try:
        created_at = datetime.fromisoformat(str(record.get(CREATED_AT)))
    except ValueError:
        return False
    if created_at.tzinfo is None:
        created_at = created_at.replace(tzinfo=UTC)
    return created_at >= sent_at.replace(microsecond=0)
