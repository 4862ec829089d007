"""Keep roles whose opportunity is missing, and release them when the opportunity exists."""

from __future__ import annotations

import typing as t

from target_marketo_opps.delivery.parked_role_store import ParkedRole, ParkedRoleStore
from target_marketo_opps.mapping.record_mapping import MAX_RECORD_BYTES

if t.TYPE_CHECKING:
    from collections.abc import Hashable

    from target_marketo_opps.delivery.batches import Batch, OutboundRecord
    from target_marketo_opps.delivery.outcomes import RecordOutcome
    from target_marketo_opps.state.ledger import Ledger


class ParkedRoles:
    """Roles that Marketo skipped because their opportunity is missing.

    A parked role waits until Marketo has its opportunity. It blocks only later upserts of its key
    in the same spelling: one in another spelling may be a role of another opportunity, which exists
    and is never written again.

    Args:
        ledger: counts the parked roles, so that no STATE after them is written while they wait.

    Attributes:
        has_dismissed: whether some roles have to be rejected, because they or their opportunity
            were deleted while they waited; see `dismiss`.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.has_dismissed = False
        self._ledger = ledger
        self._roles: ParkedRoleStore | None = None

    @property
    def waiting(self) -> ParkedRoleStore | None:
        """Return the store of roles that wait for a missing opportunity; None if there are none."""
        return self._roles or None

    def park(self, record: OutboundRecord, batch: Batch, outcome: RecordOutcome) -> None:
        """Store a role that Marketo skipped as its opportunity is missing, to send it again later.

        Roles that were merged into it are stored separately.

        Args:
            record: the role.
            batch: the batch that it was sent in.
            outcome: has Marketo's reasons for skipping it.
        """
        self._roles = self._roles or ParkedRoleStore()
        for version in record.all_versions:
            number = self._ledger.park(batch)
            why = tuple(outcome.reasons), outcome.request_id
            self._roles.add(ParkedRole(version, number, *why))

    def park_behind(self, record: OutboundRecord, *, is_queued: bool) -> bool:
        """Store a role instead of sending it, if an earlier role with its very key is parked.

        Args:
            record: a role that could be sent otherwise.
            is_queued: whether the role was in a queue before.

        Returns:
            Whether the role was parked.
        """
        if not self._roles or not record.target.parks_orphans:
            return False
        first = self._roles.first_with_key_of(record)
        if first is None:
            return False
        for version in record.all_versions:
            number = self._ledger.park(record if is_queued else None)
            self._roles.add(ParkedRole(version, number, first.reasons, first.request_id))
        if is_queued:
            self._ledger.settle(record)
        return True

    def unpark(self, role: ParkedRole) -> None:
        """Unblock the STATEs that wait for a parked role, because the role was rejected."""
        self._ledger.unpark(role.checkpoint)

    def dismiss(self, delete: OutboundRecord) -> None:
        """Mark parked roles for rejection, because they or their opportunity will be deleted.

        Args:
            delete: a delete of a role or an opportunity, which is sent next.
        """
        if not self._roles:
            return
        self.has_dismissed = True
        if len(delete.target.key_fields) > 1:
            self._roles.dismiss_key(delete.key)
        else:
            self._roles.dismiss_opportunity(delete.ordering_keys[0])

    def take_dismissed(self) -> list[ParkedRole]:
        """Remove and return some parked roles that are marked for rejection; empty if none are."""
        if not self.has_dismissed or self._roles is None:
            return []
        roles = self._roles.take_dismissed()
        self.has_dismissed = bool(roles)
        return roles

    def waits_for(self, opportunity: Hashable) -> bool:
        """Return whether any parked role waits for an opportunity."""
        return self._roles is not None and self._roles.waits_for(opportunity)

    def take_roles_of(self, opportunity: Hashable, *, most_bytes: int) -> list[OutboundRecord]:
        """Remove and return the roles that waited longest for an opportunity, to queue them again.

        Roles with the same key are merged where possible.

        Args:
            opportunity: id of the opportunity, in comparable form.
            most_bytes: memory that the returned roles may take; at least one role is returned.
        """
        freed: dict[Hashable, OutboundRecord] = {}
        records: list[OutboundRecord] = []
        assert self._roles is not None
        for role in self._roles.take_of_opportunity(opportunity, most_bytes=most_bytes):
            record = freed.get(role.record.key)
            if record is None or not _merged(record, role.record):
                record = freed[role.record.key] = role.record
                records.append(record)
            self._ledger.unpark(role.checkpoint, onto=record)
        return records


def _merged(record: OutboundRecord, version: OutboundRecord) -> bool:
    room = MAX_RECORD_BYTES - 1 - record.sent_bytes
    return record.target.merges and record.merge(version, most_bytes=room)
