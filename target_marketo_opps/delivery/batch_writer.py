"""Send a batch to Marketo and determine the outcome of each record; runs on worker threads."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace

from marketo_opps import (
    CrmManagedError,
    DataError,
    MarketoError,
    MarketoObject,
    TooLargeError,
    decode_record,
)
from marketo_opps.errors import UnexpectedResponseError
from marketo_opps.wording import request_note
from target_marketo_opps.delivery import outcomes
from target_marketo_opps.delivery.batches import Batch, Operation
from target_marketo_opps.delivery.bisection import BAD_SALES_PERSON, BadDataError, Refused, bisect
from target_marketo_opps.delivery.outcomes import BatchResult, Outcome, RecordOutcome
from target_marketo_opps.delivery.stored_records import StoredRecords
from target_marketo_opps.delivery.version_search import VersionSearch

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marketo_opps import (
        BatchOutcome,
        MarketoClient,
        ObjectDescription,
        RecordResult,
    )
    from target_marketo_opps.delivery.reject_policy import RejectPolicy
    from target_marketo_opps.settings import TargetSettings

_LOGGER = logging.getLogger("target-marketo-opps")

_KEY_CODES = frozenset({"1007", "1013"})
"""Codes of reasons about the key, which is the same in all versions of a record."""

_SALES_PERSON = "externalSalesPersonId"
_GONE_CODES = frozenset({"1004", "1013"})

_SKIPPED = "skipped"
_STATUS_OUTCOMES = {
    "created": outcomes.CREATED,
    "updated": outcomes.UPDATED,
    "deleted": outcomes.DELETED,
}


class BatchWriter:
    """Sends batches to Marketo; all worker threads share one `BatchWriter`.

    Args:
        client: makes the calls.
        settings: the target's settings.
        describe: returns the description of an object; makes no call, because the description is
            cached before a batch is delivered.
        rejects: tells whether more rejected records are allowed.
    """

    def __init__(
        self,
        client: MarketoClient,
        settings: TargetSettings,
        *,
        describe: Callable[[MarketoObject], ObjectDescription],
        rejects: RejectPolicy,
    ) -> None:
        self._client = client
        self._settings = settings
        self._stored = StoredRecords(client, settings, describe=describe)
        self._rejects = rejects
        self._refused_persons: dict[str, BadDataError] = {}

    def deliver(self, batch: Batch) -> BatchResult:
        """Send a batch to Marketo in as many calls as needed, and return its records' outcomes.

        Returns:
            The outcomes that are known; `failure` is the error that ended the delivery, or None.
        """
        result = BatchResult(batch)
        try:
            result.failure = self._deliver(result, self._pending(result))
            if result.failure is None:
                result.failure = self._halve_merged(result)
        except MarketoError as error:
            result.failure = error
        return result

    def _halve_merged(self, result: BatchResult) -> MarketoError | None:
        """Resend the versions in rejected merged records, so that only bad versions are rejected.

        A merged record combines several versions: updates of one key. Each call sends a part of
        every such record; a part that Marketo rejects is halved and sent again.

        Returns:
            The error that ended the delivery; None if there was none.
        """
        records = result.batch.records
        update_only = self._settings.action == "updateOnly"
        indices = _to_be_halved(result, update_only=update_only)
        found = {index: VersionSearch(records[index]) for index in indices}
        result.of_versions = {index: search.outcomes for index, search in found.items()}
        searches = list(found.values())
        while searches and not self._is_over_limit(result):
            parts = Batch(result.batch.target)
            for search in searches:
                parts.add(search.part())
            answers = BatchResult(parts)
            try:
                failure = self._deliver(answers, range(len(searches)))
            finally:
                for search, outcome in zip(searches, answers.outcomes, strict=True):
                    search.answer(outcome)
            if failure is not None:
                return failure
            searches = [search for search in searches if search.is_under_way]
        return None

    def _deliver(self, result: BatchResult, indices: Sequence[int]) -> MarketoError | None:
        """Send records in one call; if Marketo refuses the call, find the bad records by bisection.

        Returns:
            The error that ended the delivery; None if there was none, or if it stopped because of
            `max_rejects`.
        """
        if not indices or self._is_over_limit(result):
            return None
        error = self._attempt(result, indices)
        if error is None:
            return None
        if len(indices) > 1:
            _LOGGER.warning(
                "%s Splitting the batch of %d records to find the invalid ones.",
                error.summary,
                len(indices),
            )
        return self._bisect_batch(result, indices, error)

    def _bisect_batch(
        self, result: BatchResult, indices: Sequence[int], error: BadDataError
    ) -> MarketoError | None:
        persons = {index: _sales_person(result, index) for index in indices}
        steps = bisect(error, persons, result.batch.target)
        answer: BadDataError | None = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                return t.cast("MarketoError | None", end.value)
            if not isinstance(step, Refused):
                answer = self._attempt(result, step)
                continue
            answer = None
            self._refuse(result, step.indices, step.error)
            if self._is_over_limit(result):
                return None

    def _is_over_limit(self, result: BatchResult) -> bool:
        """Return whether this batch's rejects, added to the run's rejects, exceed `max_rejects`."""
        return result.rejected > 0 and self._rejects.exceeded_with(result.rejected)

    def _pending(self, result: BatchResult) -> Sequence[int]:
        """Set the outcomes of records that need not be sent; return the indices of the others.

        For example, a record is not sent if Marketo already has the same values.
        """
        if result.batch.target.operation is Operation.DELETE:
            return range(len(result.outcomes))
        self._reject_refused_persons(result)
        if self._settings.skip_unchanged:
            self._stored.skip_unchanged(result)
        return result.unresolved

    def _reject_refused_persons(self, result: BatchResult) -> None:
        """Reject each record whose sales person Marketo refused in an earlier call.

        Sending such a record again would cost the calls of a bisection.
        """
        if not self._refused_persons:
            return
        for index in range(len(result.outcomes)):
            error = self._refused_persons.get(_sales_person(result, index) or "")
            if error is not None:
                self._refuse(result, [index], error)

    def _attempt(self, result: BatchResult, indices: Sequence[int]) -> BadDataError | None:
        """Send the records of a batch with the given indices in one call, and set their outcomes.

        Returns:
            The error if Marketo refused the whole call; None otherwise.
        """
        records = [result.batch.records[index].sent_body for index in indices]
        try:
            response = self._send(result.batch, records)
        except (DataError, TooLargeError) as error:
            result.mark_ambiguous(indices, error.possibly_applied_since)
            return error
        accepted = False
        for index, each in zip(indices, response.results, strict=True):
            outcome = _record_outcome(result.batch, each, response.request_id)
            if self._settings.receipts_path is not None:
                outcome = replace(
                    outcome, marketo_guid=each.marketo_guid, request_id=response.request_id
                )
            result.outcomes[index] = outcome
            accepted = accepted or not outcome.is_rejected
        if accepted:
            result.batch.target.has_accepted = True
        if response.ambiguous:
            result.mark_ambiguous(indices, response.first_sent_at)
        self._stored.resolve_already_exists(result, indices)
        return None

    def _send(self, batch: Batch, records: Sequence[bytes]) -> BatchOutcome:
        obj = batch.target.obj
        if batch.target.operation is Operation.DELETE:
            return self._client.delete(obj, records, delete_by=self._settings.dedupe_by)
        action = self._settings.action
        # Adobe's pages disagree on whether Marketo uses dedupeBy with the other actions.
        dedupe_by = self._settings.dedupe_by if action == "updateOnly" else None
        return self._client.sync(obj, records, action=action, dedupe_by=dedupe_by)

    def _refuse(self, result: BatchResult, indices: Sequence[int], error: BadDataError) -> None:
        """Reject the records of a call that Marketo refused.

        If it refused a delete because the record does not exist, the record counts as deleted.
        """
        gone = result.batch.target.operation is Operation.DELETE and error.code in _GONE_CODES
        refusal = RecordOutcome(Outcome.REJECTED, error.reasons, error.request_id)
        deleted = replace(outcomes.DELETED, request_id=error.request_id)
        for index in indices:
            result.outcomes[index] = deleted if gone else refusal
        person = _sales_person(result, indices[0]) if error.code == BAD_SALES_PERSON else None
        if person is not None:
            self._refused_persons[person] = error
        self._stored.resolve_already_exists(result, indices)


def _to_be_halved(result: BatchResult, *, update_only: bool) -> list[int]:
    """Return the indices of rejected merged records with versions that Marketo may accept.

    A merged record combines several versions: updates of one key. If Marketo rejected the key, it
    would reject every version.

    Args:
        result: the outcomes of a batch.
        update_only: whether `action` is `updateOnly`; code 1004 (not found) then means the key.
    """
    # With 1004, the record itself or the opportunity of a role's key was not found.
    is_role = result.batch.target.obj is MarketoObject.OPPORTUNITY_ROLES
    key_codes = _KEY_CODES | ({"1004"} if is_role or update_only else set())
    return [
        index
        for index, (record, outcome) in enumerate(
            zip(result.batch.records, result.outcomes, strict=True)
        )
        if record.later_versions
        and outcome is not None
        and outcome.is_rejected
        and not any(why.code in key_codes for why in outcome.reasons)
    ]


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
    """Return the outcome for the status that Marketo gave to a record: created, for example.

    Raises:
        UnexpectedResponseError: the status is not documented.
    """
    try:
        return _STATUS_OUTCOMES[status]
    except KeyError:
        raise UnexpectedResponseError(
            f"Marketo answered with the unknown status '{status}'{request_note(request_id)}, "
            "so the outcome of a record is unknown: quote the requestId to Marketo's support."
        ) from None


def _sales_person(result: BatchResult, index: int) -> str | None:
    body = result.batch.records[index].sent_body
    return t.cast("str | None", decode_record(body).get(_SALES_PERSON))
