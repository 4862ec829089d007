"""Remember which opportunities exist or were deleted in this run, to explain rejected roles."""

from __future__ import annotations

import typing as t

import msgspec

from marketo_opps import MarketoObject
from marketo_opps.fields import EXTERNAL_ID
from marketo_opps.seen_keys import KeyHashSet
from target_marketo_opps.delivery.batches import Operation

if t.TYPE_CHECKING:
    from collections.abc import Hashable

    from target_marketo_opps.delivery.batches import OutboundRecord
    from target_marketo_opps.delivery.outcomes import BatchResult

LEAD_IS_MISSING = "the opportunity exists, so the lead is missing"
"""Explains why a role was skipped although Marketo has its opportunity."""

_DELETED = "the opportunity was deleted in this run"


class OpportunityHistory:
    """The ids of opportunities that Marketo is known to have, and of those deleted since.

    Marketo has an opportunity that it has accepted in this run, or rejected as one that exists. An
    id in another spelling is another id here: Adobe does not document whether Marketo treats two
    spellings as equal, and a role must not be rejected because another opportunity exists.
    """

    def __init__(self) -> None:
        self._existing = KeyHashSet()
        self._deleted = KeyHashSet()

    def add(self, result: BatchResult) -> list[Hashable]:
        """Remember the opportunities that Marketo has, or has deleted, after a batch was sent.

        Returns:
            The ordering keys of the opportunities that it has; none for a delete or for roles.
        """
        target = result.batch.target
        if target.obj is not MarketoObject.OPPORTUNITIES:
            return []
        records = enumerate(result.batch.records)
        if target.operation is Operation.DELETE:
            for index, record in records:
                if result.is_accepted(index):
                    self._deleted.add(_sent_id(record))
            return []
        existing = [record for index, record in records if result.is_existing(index)]
        for sent_id in map(_sent_id, existing):
            self._existing.add(sent_id)
            self._deleted.discard(sent_id)
        return [record.ordering_keys[0] for record in existing]

    def why_missing(self, role: OutboundRecord) -> str | None:
        """Explain why a role was skipped for a missing opportunity that Marketo has had.

        Returns:
            A text for the role's rejection, since it cannot succeed later in the run; None if
            Marketo is not known to have had the opportunity, so that it may still arrive.
        """
        opportunity = _sent_id(role)
        if opportunity not in self._existing:
            return None
        return _DELETED if opportunity in self._deleted else LEAD_IS_MISSING


class _Sent(msgspec.Struct):
    """The only field of an opportunity or role that matters here; others are not decoded."""

    opportunity: t.Any = msgspec.field(default=None, name=EXTERNAL_ID)


_sent = msgspec.json.Decoder(_Sent).decode


def _sent_id(record: OutboundRecord) -> str:
    """Return the id of a record's opportunity as it is sent."""
    return str(_sent(record.body).opportunity)
