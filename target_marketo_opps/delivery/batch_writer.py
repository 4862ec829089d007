"""Send a batch to Marketo and collect the outcome of each record; runs on a worker thread."""

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
from target_marketo_opps.delivery.bisection import BAD_SALES_PERSON, BadDataError, BadRecordBisector
from target_marketo_opps.delivery.comparison import Comparison
from target_marketo_opps.delivery.key_lookup import KeyLookup
from target_marketo_opps.delivery.outcomes import BatchResult, Outcome, RecordOutcome

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
_STATUS_OUTCOMES = {
    "created": outcomes.CREATED,
    "updated": outcomes.UPDATED,
    "deleted": outcomes.DELETED,
}


class LimitReachedError(Exception):
    """Too many rejects: make no further call for this batch."""


class BatchWriter:
    """Delivers batches; shared by all worker threads.

    Args:
        client: makes the calls.
        settings: the target's settings.
        describe: returns an object's description; cached by the time a batch is delivered.
        rejected_so_far: returns how many records of the run have been rejected.
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

    def deliver(self, batch: Batch) -> BatchResult:
        """Send a batch to Marketo, in as many calls as it takes.

        Returns:
            The outcomes known so far; `failure` is the error that ended the attempt, if any.
        """
        result = BatchResult(batch)
        try:
            self._bisector(result).deliver(self._pending(result))
        except LimitReachedError:
            pass
        except MarketoError as error:
            result.failure = error
        return result

    def _bisector(self, result: BatchResult) -> BadRecordBisector:
        return BadRecordBisector(
            attempt=lambda indices: self._attempt(result, indices),
            reject=lambda indices, error: self._reject(result, indices, error),
            sales_person=lambda index: _sales_person(result, index),
        )

    def _pending(self, result: BatchResult) -> Sequence[int]:
        """Return the indices still to be sent after local screening."""
        if result.batch.target.operation is Operation.DELETE:
            return range(len(result.outcomes))
        self._reject_refused_persons(result)
        if self._settings.skip_unchanged:
            self._skip_unchanged(result)
        return result.unresolved

    def _reject_refused_persons(self, result: BatchResult) -> None:
        """Reject records of sales persons that Marketo has refused before: a 718 costs a call."""
        if not self._refused_persons:
            return
        for index in range(len(result.outcomes)):
            error = self._refused_persons.get(_sales_person(result, index) or "")
            if error is not None:
                self._reject(result, [index], error)

    def _skip_unchanged(self, result: BatchResult) -> None:
        ours = {index: _decoded(result, index) for index in result.unresolved}
        found = self._lookup(result).find(list(ours.values()), _fields_of(ours))
        comparison = self._comparison(result)
        for index, record in ours.items():
            theirs = found.get(record)
            if theirs is not None and comparison.is_unchanged(record, theirs):
                result.outcomes[index] = outcomes.UNCHANGED

    def _attempt(self, result: BatchResult, indices: Sequence[int]) -> BadDataError | None:
        """Send these records in one call and record the outcomes, or return Marketo's refusal."""
        records = [result.batch.records[index].body for index in indices]
        try:
            response = self._send(result.batch, records)
        except (DataError, TooLargeError) as error:
            _mark_ambiguous(result, indices, error.possibly_applied_since)
            return error
        for index, each in zip(indices, response.results, strict=True):
            result.outcomes[index] = _record_outcome(result.batch, each, response.request_id)
        if response.ambiguous:
            _mark_ambiguous(result, indices, response.first_sent_at)
        self._resolve_already_exists(result, indices)
        return None

    def _send(self, batch: Batch, records: Sequence[bytes]) -> BatchOutcome:
        obj = batch.target.obj
        if batch.target.operation is Operation.DELETE:
            return self._client.delete(obj, records, delete_by=self._settings.dedupe_by)
        action = self._settings.action
        # With the other actions Adobe's pages disagree whether Marketo heeds it.
        dedupe_by = self._settings.dedupe_by if action == "updateOnly" else None
        return self._client.sync(obj, records, action=action, dedupe_by=dedupe_by)

    def _reject(self, result: BatchResult, indices: Sequence[int], error: BadDataError) -> None:
        """Reject these records with a call-level error."""
        gone = result.batch.target.operation is Operation.DELETE and error.code in _GONE_CODES
        refusal = RecordOutcome(Outcome.REJECTED, error.reasons, error.request_id)
        for index in indices:
            result.outcomes[index] = outcomes.DELETED if gone else refusal
        person = _sales_person(result, indices[0]) if error.code == BAD_SALES_PERSON else None
        if person is not None:
            self._refused_persons[person] = error
        self._resolve_already_exists(result, indices)
        if self._settings.exceeded_by(self._rejected_so_far() + result.rejected):
            raise LimitReachedError

    def _resolve_already_exists(self, result: BatchResult, indices: Sequence[int]) -> None:
        """Find out whether "already exists" means created by a lost call of this run."""
        existing = self._maybe_ours(result, indices)
        if not existing:
            return
        refusals = {index: result.outcomes[index] for index in existing}
        ours = {index: _decoded(result, index) for index in existing}
        for index in existing:
            # Unresolved, should the lookup fail.
            result.outcomes[index] = None
        found = self._lookup(result).find(list(ours.values()), _fields_of(ours, CREATED_AT))
        comparison = self._comparison(result)
        for index, record in ours.items():
            theirs = found.get(record)
            # Within the clock's second it may be an earlier record of ours, or another's.
            is_own = (
                theirs is not None
                and _created_since(result.possibly_applied_since[index], theirs)
                and comparison.is_unchanged(record, theirs)
            )
            result.outcomes[index] = outcomes.CREATED if is_own else refusals[index]
            result.existing_ours += is_own
            result.existing_theirs += theirs is not None and not is_own
            result.existing_unresolved += theirs is None

    def _maybe_ours(self, result: BatchResult, indices: Sequence[int]) -> list[int]:
        """Return the records that "already exist", perhaps because a lost call created them."""
        if self._settings.action != "createOnly":
            return []
        return [
            index
            for index in indices
            if index in result.possibly_applied_since and _is_refused_as_existing(result, index)
        ]

    def _lookup(self, result: BatchResult) -> KeyLookup:
        target = result.batch.target
        by_id = self._settings.dedupe_by == "idField"
        return KeyLookup(self._client, target.obj, target.key_fields, by_id=by_id)

    def _comparison(self, result: BatchResult) -> Comparison:
        target = result.batch.target
        return Comparison(self._describe(target.obj), target.key_fields)


def _record_outcome(batch: Batch, result: RecordResult, request_id: str | None) -> RecordOutcome:
    if result.status != _SKIPPED:
        return accepted_outcome(result.status, request_id)
    codes = {reason.code for reason in result.reasons}
    if codes & CrmManagedError.codes:
        raise CrmManagedError(f"a record of {batch.target.obj.path}", result.reasons, request_id)
    if batch.target.operation is Operation.DELETE and codes & _GONE_CODES:
        return outcomes.DELETED
    return RecordOutcome(Outcome.REJECTED, result.reasons, request_id)


def accepted_outcome(status: str, request_id: str | None) -> RecordOutcome:
    """Return the outcome that a status other than "skipped" stands for.

    Raises:
        UnexpectedResponseError: the status is not documented.
    """
    try:
        return _STATUS_OUTCOMES[status]
    except KeyError:
        raise UnexpectedResponseError(
            f"Marketo answered with the unknown status '{status}' (requestId {request_id}), so "
            "what became of a record cannot be told: quote the requestId to Marketo's support."
        ) from None


def _mark_ambiguous(result: BatchResult, indices: Sequence[int], moment: datetime | None) -> None:
    """Remember the earliest ambiguous send of each record."""
    if moment is not None:
        for index in indices:
            result.possibly_applied_since.setdefault(index, moment)


def _is_refused_as_existing(result: BatchResult, index: int) -> bool:
    outcome = result.outcomes[index]
    return outcome is not None and any(why.code in _EXISTS_CODES for why in outcome.reasons)


def _sales_person(result: BatchResult, index: int) -> str | None:
    return t.cast("str | None", _decoded(result, index).get(_SALES_PERSON))


def _decoded(result: BatchResult, index: int) -> Record:
    return decode_record(result.batch.records[index].body)


def _fields_of(records: Mapping[int, Record], *more: str) -> list[str]:
    return sorted({name for record in records.values() for name in record}.union(more))


def _created_since(sent_at: datetime, record: Record) -> bool:
    """Return whether Marketo, which reports whole seconds, created the record since then."""
    try:
        created_at = datetime.fromisoformat(str(record.get(CREATED_AT)))
    except ValueError:
        return False
    if created_at.tzinfo is None:
        created_at = created_at.replace(tzinfo=UTC)
    return created_at >= sent_at.replace(microsecond=0)
