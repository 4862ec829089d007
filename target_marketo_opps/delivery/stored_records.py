"""Compare the records of a batch with those in Marketo; runs on worker threads."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from datetime import UTC, datetime

from marketo_opps import decode_record
from marketo_opps.fields import CREATED_AT, MARKETO_GUID
from marketo_opps.keys import lookup_text
from target_marketo_opps.delivery import outcomes
from target_marketo_opps.delivery.comparison import Comparison
from target_marketo_opps.delivery.key_lookup import KeyLookup

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from marketo_opps import MarketoClient, MarketoObject, ObjectDescription, Record
    from target_marketo_opps.delivery.outcomes import BatchResult
    from target_marketo_opps.settings import TargetSettings


class StoredRecords:
    """Looks up the records of a batch, to skip unchanged ones and to resolve "already exists".

    Args:
        client: makes the calls.
        settings: the target's settings.
        describe: returns the description of an object; makes no call, because the description is
            cached before a batch is delivered.
    """

    def __init__(
        self,
        client: MarketoClient,
        settings: TargetSettings,
        *,
        describe: Callable[[MarketoObject], ObjectDescription],
    ) -> None:
        self._client = client
        self._settings = settings
        self._describe = describe

    def skip_unchanged(self, result: BatchResult) -> None:
        """Set the outcome "unchanged" for records that Marketo already has with the same values.

        They are not sent.
        """
        ours = {index: _decoded(result, index) for index in result.unresolved}
        found = self._lookup(result).find(list(ours.values()), _fields_of(ours))
        comparison = self._comparison(result)
        for index, record in ours.items():
            theirs = found.get(record)
            if theirs is not None and comparison.is_unchanged(record, theirs):
                guid = _guid_of(theirs)
                result.outcomes[index] = replace(outcomes.UNCHANGED, marketo_guid=guid)

    def resolve_already_exists(self, result: BatchResult, indices: Sequence[int]) -> None:
        """Change the outcome of records that "already exist" to created, if this run created them.

        A call whose response was lost may have created them before it was repeated, so that Marketo
        refused them then.
        """
        existing = self._maybe_ours(result, indices)
        if not existing:
            return
        refusals = {index: result.outcomes[index] for index in existing}
        ours = {index: _decoded(result, index) for index in existing}
        for index in existing:
            # The outcome stays unknown if the lookup fails.
            result.outcomes[index] = None
        found = self._lookup(result).find(list(ours.values()), _fields_of(ours, CREATED_AT))
        comparison = self._comparison(result)
        for index, record in ours.items():
            theirs = found.get(record)
            result.outcomes[index] = refusals[index]
            if theirs is None:
                result.existing_unresolved += 1
            # Marketo reports whole seconds, so the values are compared too: another client may
            # have created the record in the same second.
            elif _created_since(
                result.possibly_applied_since[index], theirs
            ) and comparison.is_unchanged(record, theirs):
                guid = _guid_of(theirs)
                result.outcomes[index] = replace(outcomes.CREATED, marketo_guid=guid)
                result.existing_ours += 1
            else:
                result.existing_theirs += 1

    def _maybe_ours(self, result: BatchResult, indices: Sequence[int]) -> list[int]:
        """Return the indices of records that "already exist" and that this run may have created."""
        if self._settings.action != "createOnly":
            return []
        return [
            index
            for index in indices
            if index in result.possibly_applied_since and result.is_refused_as_existing(index)
        ]

    def _lookup(self, result: BatchResult) -> KeyLookup:
        target = result.batch.target
        by_id = self._settings.dedupe_by == "idField"
        return KeyLookup(self._client, target.obj, target.key_fields, by_id=by_id)

    def _comparison(self, result: BatchResult) -> Comparison:
        target = result.batch.target
        return Comparison(self._describe(target.obj), target.key_fields)


def _decoded(result: BatchResult, index: int) -> Record:
    return decode_record(result.batch.records[index].sent_body)


def _fields_of(records: Mapping[int, Record], *more: str) -> list[str]:
    return sorted({name for record in records.values() for name in record}.union(more))


def _guid_of(record: Record) -> str | None:
    """Return the marketoGUID of a record without surrounding blanks; None if it has none."""
    return lookup_text(record.get(MARKETO_GUID)) or None


def _created_since(sent_at: datetime, record: Record) -> bool:
    """Return whether a record was created in or after the second in which a call was sent."""
    try:
        created_at = datetime.fromisoformat(str(record.get(CREATED_AT)))
    except ValueError:
        return False
    if created_at.tzinfo is None:
        created_at = created_at.replace(tzinfo=UTC)
    return created_at >= sent_at.replace(microsecond=0)
