"""Leads that a user of Marketo merges or deletes, and what becomes of their roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketo_sandbox.instance.activity_log import DELETED, MERGE_IDS, MERGED, Event
from marketo_sandbox.instance.describe import ROLE
from marketo_sandbox.instance.records import Keys, decode, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketo_sandbox.instance.context import InstanceContext
    from marketo_sandbox.instance.storage import Row


class UnknownLeadError(ValueError):
    """Raised for a lead that does not exist.

    Args:
        ids: the ids of those that do not.
    """

    def __init__(self, ids: Sequence[int]) -> None:
        super().__init__(f"no such lead: {', '.join(map(str, ids))}")


class LeadKeeper:
    """Merge and delete leads, with their roles and the log's entries.

    Args:
        context: the storage and log to write to.
    """

    def __init__(self, context: InstanceContext) -> None:
        self._storage = context.storage
        self._log = context.log
        self._keys = Keys(exact=context.options.exact_keys)

    def merge(self, kept: int, merged: Sequence[int]) -> None:
        """Merge leads into the one that is kept, which takes their roles over.

        Only "Merge Leads" is logged, and the roles keep GUID and dates: the reading of what Adobe
        leaves open in which a client has the fewest hints.

        Raises:
            UnknownLeadError: if one of them does not exist.
            ValueError: if the lead that is kept is among those merged into it.
        """
        self._require([kept, *merged])
        if kept in merged:
            raise ValueError(f"lead {kept} cannot be merged into itself")
        taken = {role.key for role in self._roles_of([kept])}
        for role in self._roles_of(merged):
            moved = self._moved(role, kept)
            self._storage.delete("role", [role.id])
            if moved.key not in taken:
                self._storage.insert("role", [moved])
            taken.add(moved.key)
        self._storage.remove_leads(merged)
        ids = ",".join(map(str, merged))
        self._log.write([Event(MERGED, kept, kept, str(kept), {MERGE_IDS: ids})])

    def delete(self, ids: Sequence[int]) -> None:
        """Delete leads and their roles; only "Delete Lead" is logged.

        Raises:
            UnknownLeadError: if one of them does not exist.
        """
        self._require(ids)
        self._storage.delete("role", [role.id for role in self._roles_of(ids)])
        self._storage.remove_leads(ids)
        self._log.write(Event(DELETED, each, each, str(each), {}) for each in ids)

    def _require(self, ids: Sequence[int]) -> None:
        known = self._storage.existing_leads(ids)
        unknown = [each for each in ids if each not in known]
        if unknown:
            raise UnknownLeadError(unknown)

    def _roles_of(self, leads: Sequence[int]) -> list[Row]:
        return self._storage.find("role", "lead", leads)

    def _moved(self, role: Row, lead: int) -> Row:
        body = decode(role.body) | {"leadId": lead}
        return role._replace(lead=lead, key=self._keys.of(ROLE, body), body=encode(body).decode())
