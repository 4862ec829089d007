"""Changes that a Marketo user can make in the UI: add, merge, delete and list leads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.activity_log import (
    ADDED,
    DELETED,
    MERGE_IDS,
    MERGED,
    REMOVED,
    Event,
)
from marketo_sandbox.instance.describe import ROLE
from marketo_sandbox.instance.lead_fields import ID, LEAD
from marketo_sandbox.instance.lead_seed import lead_row, seeded_lead
from marketo_sandbox.instance.records import (
    Keys,
    changed_fields,
    decode,
    encode,
    merge_body,
    new_guid,
)
from marketo_sandbox.instance.role_events import role_event
from marketo_sandbox.instance.storage import StaticList

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from marketo_sandbox.instance.context import InstanceContext
    from marketo_sandbox.instance.storage import Row

_MAX_NAMED = 5
"""Number of leads that an error message names."""


class UnknownLeadError(ValueError):
    """Raised if leads that do not exist are to be merged, deleted or added to a static list.

    Args:
        ids: ids of the leads that do not exist.
    """

    def __init__(self, ids: Sequence[int]) -> None:
        more = f" and {len(ids) - _MAX_NAMED:,} more" if len(ids) > _MAX_NAMED else ""
        super().__init__(f"leads not found: {', '.join(map(str, ids[:_MAX_NAMED]))}{more}")


class LeadEditor:
    """Add, merge, delete and list leads; also change their roles, and log the change.

    Args:
        context: the parts of the instance, with the storage and activity log to write to.
    """

    def __init__(self, context: InstanceContext) -> None:
        self._storage = context.storage
        self._log = context.log
        self._clock = context.clock
        self._seed = context.options.seed
        self._keys = Keys(exact=context.options.exact_keys)

    def add(self, ids: Iterable[int]) -> None:
        """Add leads with the given ids and generated field values; skip ids of existing leads."""
        now = int(self._clock.seconds())
        rows = (lead_row(each, seeded_lead(each, self._seed), now) for each in ids)
        self._storage.insert("lead", rows, known="IGNORE")

    def add_records(self, records: Iterable[Mapping[str, Any]]) -> list[int]:
        """Add leads with the given field values, and return their ids.

        A record without the field ``id`` gets the next free id.

        Raises:
            ValueError: if a lead with a given id exists.
            RecordRefusedError: for a value that is invalid for its field.
        """
        return [self._add_record(each) for each in records]

    def _add_record(self, record: Mapping[str, Any]) -> int:
        number = int(record.get(ID) or self._storage.next_id("lead"))
        if self._storage.existing_leads([number]):
            raise ValueError(f"lead {number} already exists")
        body = changed_fields(LEAD, record, (ID,), number)
        self._storage.insert("lead", [lead_row(number, body, int(self._clock.seconds()))])
        return number

    def merge(self, kept: int, merged: Sequence[int], *, anew: bool) -> None:
        """Merge leads into the lead ``kept``, and move their roles to that lead.

        Adobe does not document what clients see of a merge. Without ``anew`` they see as little as
        possible: the only activity is "Merge Leads", and moved roles keep their GUIDs and dates.

        Args:
            kept: id of the lead to keep.
            merged: ids of the leads to merge into the kept lead.
            anew: True to remove the moved roles and add them again with new GUIDs, and to write
                activities for both.

        Raises:
            UnknownLeadError: if the kept lead or a merged lead does not exist.
            ValueError: if the kept lead is also one of the merged leads.
        """
        self._require_existing([kept, *merged])
        if kept in merged:
            raise ValueError(f"lead {kept} cannot be merged into itself")
        taken = {role.key for role in self._roles_of([kept])}
        for role in self._roles_of(merged):
            moved = self._moved_role(role, kept)
            self._storage.delete("role", [role.id])
            if moved.key not in taken:
                self._storage.insert("role", [self._recreate_role(role, moved) if anew else moved])
            taken.add(moved.key)
        self._fill_empty_fields(kept, merged)
        self._storage.move_list_members(merged, kept)
        self._storage.remove_leads(merged)
        ids = ",".join(map(str, merged))
        self._log.write([Event(MERGED, kept, kept, str(kept), {MERGE_IDS: ids})])

    def _fill_empty_fields(self, kept: int, merged: Sequence[int]) -> None:
        """Copy values of the merged leads to those fields of the kept lead that have no value."""
        (row,) = self._storage.find("lead", ID, [kept])
        body: dict[str, Any] = {}
        for other in self._storage.find("lead", ID, merged):
            body = decode(other.body) | body
        self._storage.update("lead", row._replace(body=merge_body(body, decode(row.body))))

    def delete(self, ids: Sequence[int]) -> None:
        """Delete leads and their roles; the only activity of each lead is "Delete Lead".

        Raises:
            UnknownLeadError: if one of the leads does not exist.
        """
        self._require_existing(ids)
        self._storage.delete("role", [role.id for role in self._roles_of(ids)])
        self._storage.remove_leads(ids)
        self._log.write(Event(DELETED, each, each, str(each), {}) for each in ids)

    def add_to_list(self, list_id: int, ids: Sequence[int]) -> None:
        """Add leads to the static list ``list_id``; create the list if it does not exist.

        Raises:
            UnknownLeadError: if one of the leads does not exist.
        """
        self._require_existing(ids)
        now = int(self._clock.seconds())
        self._storage.add_static_list(StaticList(list_id, f"List {list_id}", now))
        self._storage.add_list_members(list_id, ids)

    def _require_existing(self, ids: Sequence[int]) -> None:
        known = self._storage.existing_leads(ids)
        unknown = [each for each in ids if each not in known]
        if unknown:
            raise UnknownLeadError(unknown)

    def _roles_of(self, leads: Sequence[int]) -> list[Row]:
        return self._storage.find("role", "lead", leads)

    def _recreate_role(self, role: Row, moved: Row) -> Row:
        """Return a new role of the kept lead in place of a merged lead's role; log both changes.

        The activity log gets one activity for the removed role and one for the added role.

        Args:
            role: the role of the merged lead.
            moved: the role as it is moved to the kept lead.

        Returns:
            The moved role with a new id, GUID and dates; the caller stores it.
        """
        (opportunity, *_) = self._storage.find("opportunity", "key", [role.parent])
        events = [role_event(REMOVED, role, opportunity), role_event(ADDED, moved, opportunity)]
        self._log.write(events)
        number, now = self._storage.next_id("role"), int(self._clock.seconds())
        guid = new_guid(ROLE, number, self._seed)
        return moved._replace(id=number, guid=guid, created=now, updated=now)

    def _moved_role(self, role: Row, lead: int) -> Row:
        body = decode(role.body) | {"leadId": lead}
        return role._replace(lead=lead, key=self._keys.of(ROLE, body), body=encode(body).decode())
