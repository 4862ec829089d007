"""Sync and delete of opportunities and roles, with one result for each record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.activity_log import ADDED, UPDATED
from marketo_sandbox.instance.describe import OPPORTUNITY, ROLE, ObjectType
from marketo_sandbox.instance.errors import CallRefusedError, RecordRefusedError
from marketo_sandbox.instance.records import (
    Keys,
    changed_fields,
    decode,
    fold_guid,
    merge_body,
    missing_value,
    new_guid,
    parse_lead_id,
)
from marketo_sandbox.instance.role_events import (
    Change,
    removal_events,
    role_event,
    update_events,
    value_changes,
)
from marketo_sandbox.instance.storage import Row
from marketo_sandbox.instance.values import to_stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from marketo_sandbox.instance.context import InstanceContext
    from marketo_sandbox.instance.parameters import WriteRequest

Record = dict[str, Any]
Result = dict[str, Any]


class RecordWriter:
    """Process one sync or delete request: validate each record, then write to the storage.

    Args:
        obj: the object whose records are written: opportunity or role.
        context: the parts of the instance, with the storage and activity log to write to.
    """

    def __init__(self, obj: ObjectType, context: InstanceContext) -> None:
        self._obj = obj
        self._storage = context.storage
        self._log = context.log
        self._now = int(context.clock.seconds())
        self._options = context.options
        self._keys = Keys(exact=context.options.exact_keys)
        self._next_id = context.storage.next_id(obj.table)
        self._taken: set[str] = set()
        self._existing: dict[str, list[Row]] = {}
        self._parents: dict[str, Row] = {}
        self._leads: set[int] = set()
        self._created: list[Row] = []
        self._updated: list[Row] = []
        self._deleted: list[Row] = []
        self._changes: dict[int, list[Change]] = {}

    def sync(self, write: WriteRequest) -> list[Result]:
        """Create or update the opportunities or roles of a request, and return one result for each.

        The results are in the order of the records.

        Raises:
            CallRefusedError: 718 if a record names an unknown sales person.
        """
        self._check_sales_persons(write.records)
        results = self._for_each(write, self._sync_one)
        self._storage.insert(self._obj.table, self._created)
        for row in self._updated:
            self._storage.update(self._obj.table, row)
        self._log_sync()
        return results

    def delete(self, write: WriteRequest) -> list[Result]:
        """Delete the opportunities or roles of a request; return one result for each, in order."""
        results = self._for_each(write, self._delete_one)
        self._log_delete()
        self._storage.delete(self._obj.table, [row.id for row in self._deleted])
        return results

    def _check_sales_persons(self, records: list[Record]) -> None:
        known = self._options.sales_persons
        if known is None or self._obj is ROLE:
            return
        for record in records:
            person = record.get("externalSalesPersonId")
            if isinstance(person, str) and person and person not in known:
                raise CallRefusedError("718", f"ExternalSalesPersonID {person} not found")

    def _for_each(
        self, write: WriteRequest, act: Callable[[WriteRequest, str, Record], Result]
    ) -> list[Result]:
        keys = [self._key_of(record, by_id=write.by_id) for record in write.records]
        self._look_up([key for key in keys if isinstance(key, str)], by_id=write.by_id)
        self._look_up_relations(write.records)
        results = []
        for seq, (key, record) in enumerate(zip(keys, write.records, strict=True)):
            try:
                result = act(write, self._reserve_key(key), record)
            except RecordRefusedError as refusal:
                reason = {"code": refusal.code, "message": refusal.message}
                result = {"status": "skipped", "reasons": [reason]}
            results.append({"seq": seq, **result})
        return results

    def _key_of(self, record: Record, *, by_id: bool) -> str | RecordRefusedError:
        try:
            return self._guid_in(record) if by_id else self._keys.of(self._obj, record)
        except RecordRefusedError as refusal:
            return refusal

    def _guid_in(self, record: Record) -> str:
        guid = record.get("marketoGUID")
        if isinstance(guid, str):
            guid = fold_guid(guid)
        found = to_stored(guid, self._obj.by_name["marketoGUID"], 1)
        if found is None:
            raise missing_value("marketoGUID")
        return str(found)

    def _look_up(self, keys: list[str], *, by_id: bool) -> None:
        column = "guid" if by_id else "key"
        for row in self._storage.find(self._obj.table, column, keys):
            self._existing.setdefault(row.guid if by_id else row.key, []).append(row)

    def _look_up_relations(self, records: list[Record]) -> None:
        if self._obj is OPPORTUNITY:
            return
        parents = {self._keys.fold(str(each.get("externalOpportunityId"))) for each in records}
        parents |= {row.parent or "" for rows in self._existing.values() for row in rows}
        for row in self._storage.find("opportunity", "key", sorted(parents)):
            self._parents[row.key] = row
        leads = [parse_lead_id(each.get("leadId")) for each in records]
        self._leads = self._storage.existing_leads([each for each in leads if each is not None])

    def _reserve_key(self, key: str | RecordRefusedError) -> str:
        if isinstance(key, RecordRefusedError):
            raise key
        if key in self._taken:
            raise RecordRefusedError("1036", "Duplicate object found in input")
        self._taken.add(key)
        return key

    def _sync_one(self, write: WriteRequest, key: str, record: Record) -> Result:
        row = self._find_one(key)
        if row is not None and write.action == "createOnly":
            raise RecordRefusedError("1005", f"{self._obj.display_name} already exists")
        if row is not None:
            return self._update(row, record, by_id=write.by_id)
        if write.action == "updateOnly":
            raise RecordRefusedError("1004", f"{self._obj.display_name} not found")
        return self._create(key, record)

    def _find_one(self, key: str) -> Row | None:
        rows = self._existing.get(key, [])
        if len(rows) > 1:
            raise RecordRefusedError(
                "1007", f"Multiple {self._obj.display_name} records match the lookup criteria"
            )
        return rows[0] if rows else None

    def _update(self, row: Row, record: Record, *, by_id: bool) -> Result:
        body = decode(row.body)
        keys = self._keys_in(record, body) if by_id else set(self._obj.dedupe_fields)
        changed = changed_fields(self._obj, record, keys, row.id)
        if self._obj is OPPORTUNITY and "name" in changed and changed["name"] is None:
            raise missing_value("name")
        self._changes[row.id] = value_changes(self._obj, body, changed)
        self._updated.append(row._replace(body=merge_body(body, changed), updated=self._now))
        return {"status": "updated", "marketoGUID": row.guid}

    def _keys_in(self, record: Record, body: Record) -> set[str]:
        """Return the names of a record's fields that change nothing in an update by marketoGUID.

        These are marketoGUID and the dedupe fields with unchanged values. A changed dedupe field is
        left out, so that it is refused as a field that cannot be updated.

        Args:
            record: the record as the client sent it.
            body: the field values of the stored record.
        """
        same = {
            name
            for name in self._obj.dedupe_fields
            if name in record
            and self._keys.fold(str(record[name])) == self._keys.fold(str(body.get(name)))
        }
        return {"marketoGUID", *same}

    def _create(self, key: str, record: Record) -> Result:
        number = self._next_id
        body = self._key_values(record)
        body |= changed_fields(self._obj, record, self._obj.dedupe_fields, number)
        self._require_name(body)
        parent, lead = self._relations(body)
        guid = new_guid(self._obj, number, self._options.seed)
        now = self._now
        self._created.append(Row(number, guid, key, parent, lead, merge_body(body, {}), now, now))
        self._next_id += 1
        return {"status": "created", "marketoGUID": guid}

    def _require_name(self, body: Record) -> None:
        if self._obj is ROLE or body.get("name") is not None:
            return
        if "name" in body or "nameless-inserts" not in self._options.dialects:
            raise missing_value("name")

    def _key_values(self, record: Record) -> Record:
        names = self._obj.dedupe_fields
        return {name: to_stored(record[name], self._obj.by_name[name], 1) for name in names}

    def _relations(self, body: Record) -> tuple[str | None, int | None]:
        if self._obj is OPPORTUNITY:
            return None, None
        parent = self._keys.fold(body["externalOpportunityId"])
        if parent not in self._parents:
            code = "1013" if "role-parent-1013" in self._options.dialects else "1004"
            raise RecordRefusedError(code, "Opportunity not found")
        if body["leadId"] not in self._leads:
            raise RecordRefusedError("1004", "Lead not found")
        return parent, body["leadId"]

    def _delete_one(self, write: WriteRequest, key: str, record: Record) -> Result:
        allowed = {self._obj.id_field} if write.by_id else set(self._obj.dedupe_fields)
        if set(record) != allowed:
            raise RecordRefusedError("1003", "Invalid data: only the key may be given")
        row = self._find_one(key)
        if row is None:
            raise RecordRefusedError("1013", "Object not found")
        if self._options.refuse_delete_in_use and self._has_roles(row):
            raise RecordRefusedError("1022", "Object in use")
        self._deleted.append(row)
        return {"marketoGUID": row.guid, "status": "deleted"}

    def _has_roles(self, row: Row) -> bool:
        return self._obj is OPPORTUNITY and bool(
            self._storage.find("role", "parent", [row.key], limit=1)
        )

    def _log_sync(self) -> None:
        changed = [
            row for row in self._updated if self._options.log_unchanged or self._changes[row.id]
        ]
        if self._obj is OPPORTUNITY:
            self._log.write(update_events(self._storage, self._changes, changed))
            return
        added = [role_event(ADDED, row, self._parent_of(row)) for row in self._created]
        updated = [
            role_event(UPDATED, row, self._parent_of(row), self._changes[row.id]) for row in changed
        ]
        self._log.write(added + updated)

    def _log_delete(self) -> None:
        if self._obj is ROLE:
            self._log.write(removal_events(self._deleted, self._parents))
            return
        opportunities = {row.key: row for row in self._deleted}
        roles = self._storage.find("role", "parent", list(opportunities))
        if self._options.log_deletions:
            self._log.write(removal_events(roles, opportunities))
        self._storage.delete("role", [role.id for role in roles])

    def _parent_of(self, role: Row) -> Row:
        return self._parents[role.parent or ""]
