"""Creation and update of leads by the API's sync operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.activity_log import NEW_LEAD, SOURCE_TYPE, Event
from marketo_sandbox.instance.errors import RecordRefusedError
from marketo_sandbox.instance.lead_fields import EMAIL, ID, LEAD
from marketo_sandbox.instance.lead_seed import lead_row
from marketo_sandbox.instance.records import (
    changed_fields,
    decode,
    merge_body,
    missing_value,
    parse_lead_id,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketo_sandbox.instance.context import InstanceContext
    from marketo_sandbox.instance.lead_parameters import LeadWriteRequest
    from marketo_sandbox.instance.storage import Row, Storage

Record = dict[str, Any]


def find_leads(storage: Storage, field: str, values: Sequence[Any], limit: int = -1) -> list[Row]:
    """Return stored leads that have one of the given values in a field, in order of their ids.

    Args:
        storage: the storage with the leads.
        field: name of a searchable field.
        values: filter values.
        limit: maximum number of leads; -1 for all.
    """
    if field == ID:
        ids = [number for each in values if (number := parse_lead_id(each)) is not None]
        return storage.find(LEAD.table, ID, ids, limit=limit)
    expression = storage.search_expression(LEAD.table, field)
    return storage.find(LEAD.table, expression, [str(each) for each in values], limit=limit)


class LeadWriter:
    """Create and update leads, one record at a time.

    Args:
        context: the parts of the instance, with the storage and activity log to write to.
    """

    def __init__(self, context: InstanceContext) -> None:
        self._storage = context.storage
        self._log = context.log
        self._now = int(context.clock.seconds())

    def sync(self, write: LeadWriteRequest) -> list[Record]:
        """Create or update the leads of a sync request; return one result for each, in order."""
        return [self._sync_one(write, record) for record in write.records]

    def _sync_one(self, write: LeadWriteRequest, record: Record) -> Record:
        try:
            found = self._find_one(write, record)
            if found is None:
                return self._create(record)
            return self._update(found, record)
        except RecordRefusedError as refusal:
            reason = {"code": refusal.code, "message": refusal.message}
            return {"status": "skipped", "reasons": [reason]}

    def _find_one(self, write: LeadWriteRequest, record: Record) -> Row | None:
        """Return the existing lead that a record updates, or None if it creates a new lead.

        Raises:
            RecordRefusedError: if the record has no lookup value, matches several leads, or the
                sync action forbids to create or to update.
        """
        if write.action == "createDuplicate":
            return None
        value = record.get(write.lookup_field)
        if value in (None, ""):
            raise missing_value(write.lookup_field)
        found = find_leads(self._storage, write.lookup_field, [value], 2)
        if len(found) > 1:
            raise RecordRefusedError("1007", "Multiple lead match lookup criteria")
        if found and write.action == "createOnly":
            raise RecordRefusedError("1005", "Lead already exists")
        if not found and write.action == "updateOnly":
            raise RecordRefusedError("1004", "Lead not found")
        return found[0] if found else None

    def _create(self, record: Record) -> Record:
        number = self._storage.next_id(LEAD.table)
        body = changed_fields(LEAD, record, (), number)
        self._storage.insert(LEAD.table, [lead_row(number, body, self._now)])
        label = str(body.get(EMAIL) or number)
        self._log.write([Event(NEW_LEAD, number, number, label, {SOURCE_TYPE: "Web service API"})])
        return {"id": number, "status": "created"}

    def _update(self, row: Row, record: Record) -> Record:
        changed = changed_fields(LEAD, record, (ID,), row.id)
        body = merge_body(decode(row.body), changed)
        self._storage.update(LEAD.table, row._replace(body=body, updated=self._now))
        return {"id": row.id, "status": "updated"}
