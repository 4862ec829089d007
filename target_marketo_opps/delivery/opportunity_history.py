"""Remember which opportunities were accepted or deleted in this run, to explain rejected roles."""

from __future__ import annotations

import typing as t

from marketo_opps import MarketoObject
from marketo_opps.seen_keys import KeyHashSet
from target_marketo_opps.delivery.batches import Operation

if t.TYPE_CHECKING:
    from collections.abc import Hashable

    from target_marketo_opps.delivery.outcomes import BatchResult

_ACCEPTED = "the opportunity was accepted in this run, so the lead does not exist"
_DELETED = "the opportunity was deleted in this run"


class OpportunityHistory:
    """The ids of the opportunities that were accepted in this run, and of those deleted since."""

    def __init__(self) -> None:
        self._accepted = KeyHashSet()
        self._deleted = KeyHashSet()

    def add(self, result: BatchResult) -> list[Hashable]:
        """Remember the opportunities that Marketo has accepted or deleted in a batch.

        Returns:
            The ids (ordering keys) of the accepted opportunities; none for a delete or for roles.
        """
        target = result.batch.target
        if target.obj is not MarketoObject.OPPORTUNITIES:
            return []
        records = enumerate(result.batch.records)
        keys = [record.ordering_keys[0] for index, record in records if result.is_accepted(index)]
        if target.operation is Operation.DELETE:
            self._delete(keys)
            return []
        self._accept(keys)
        return keys

    def why_missing(self, opportunity: Hashable) -> str | None:
        """Explain why a role was skipped for a missing opportunity that this run has written.

        Returns:
            A text for the role's rejection, since it cannot succeed later in the run; None if
            Marketo has not accepted the opportunity in this run, so that it may still arrive.
        """
        name = str(opportunity)
        if name not in self._accepted:
            return None
        return _DELETED if name in self._deleted else _ACCEPTED

    def _accept(self, keys: list[Hashable]) -> None:
        for key in keys:
            self._accepted.add(str(key))
            self._deleted.discard(str(key))

    def _delete(self, keys: list[Hashable]) -> None:
        for key in keys:
            self._deleted.add(str(key))
