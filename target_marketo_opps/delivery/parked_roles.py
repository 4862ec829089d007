"""Have roles step aside for their opportunity, and send them again when it has come."""

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
    """Roles that have stepped aside; each blocks upserts of its own key alone.

    Args:
        ledger: counts them, so that no STATE passes them.

    Attributes:
        has_dismissed: whether some do not wait any longer, because a delete of theirs or of their
            opportunity came; they are to be rejected.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.has_dismissed = False
        self._ledger = ledger
        self._roles: ParkedRoleStore | None = None

    @property
    def waiting(self) -> ParkedRoleStore | None:
        """Return the roles that wait; None where there are none."""
        return self._roles or None

    def park(self, record: OutboundRecord, batch: Batch, outcome: RecordOutcome) -> None:
        """Take a role that Marketo has skipped in a batch, with all its versions."""
        self._roles = self._roles or ParkedRoleStore()
        for version in record.all_versions:
            number = self._ledger.park(batch)
            why = tuple(outcome.reasons), outcome.request_id
            self._roles.add(ParkedRole(version, number, *why))

    def park_behind(self, record: OutboundRecord, *, is_queued: bool) -> bool:
        """Park a role whose turn it is behind one of its key that waits, if there is one."""
        if not self._roles or not record.target.parks_orphans:
            return False
        first = self._roles.first_of_key(record.key)
        if first is None:
            return False
        for version in record.all_versions:
            number = self._ledger.park(record if is_queued else None)
            self._roles.add(ParkedRole(version, number, first.reasons, first.request_id))
        if is_queued:
            self._ledger.settle(record)
        return True

    def unpark(self, role: ParkedRole) -> None:
        """Note that a role that does not wait any longer is settled."""
        self._ledger.unpark(role.checkpoint)

    def dismiss(self, delete: OutboundRecord) -> None:
        """End the waiting of roles that a delete whose turn it is concerns."""
        if not self._roles:
            return
        self.has_dismissed = True
        if len(delete.target.key_fields) > 1:
            self._roles.dismiss_key(delete.key)
        else:
            self._roles.dismiss_opportunity(delete.ordering_keys[0])

    def take_dismissed(self) -> list[ParkedRole]:
        """Return some of the roles that a delete has dismissed; none if there are no more."""
        if not self.has_dismissed or self._roles is None:
            return []
        roles = self._roles.take_dismissed()
        self.has_dismissed = bool(roles)
        return roles

    def waits_for(self, opportunity: Hashable) -> bool:
        """Return whether roles of an opportunity wait."""
        return self._roles is not None and self._roles.waits_for(opportunity)

    def freed_by(self, opportunity: Hashable, *, most_bytes: int) -> list[OutboundRecord]:
        """Return the first roles of an accepted opportunity, merged where they may be.

        Args:
            opportunity: the ordering key of its records.
            most_bytes: that they may hold; one role is returned in any case.
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
