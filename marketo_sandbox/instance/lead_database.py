"""The API operations on leads and static lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.errors import CallRefusedError, invalid
from marketo_sandbox.instance.lead_fields import ID, describe_fields, describe_searchable
from marketo_sandbox.instance.lead_parameters import (
    read_lead_fields,
    read_lead_filter,
    read_lead_page,
    read_lead_sync,
    read_member_ids,
    read_path_id,
)
from marketo_sandbox.instance.lead_writing import LeadWriter, find_leads
from marketo_sandbox.instance.page_tokens import query_checksum
from marketo_sandbox.instance.parameters import read_batch_size, read_page_token, split_list
from marketo_sandbox.instance.records import decode
from marketo_sandbox.instance.values import format_datetime

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from marketo_sandbox.instance.context import InstanceContext
    from marketo_sandbox.instance.lead_parameters import LeadPageRequest
    from marketo_sandbox.instance.paging import Pager
    from marketo_sandbox.instance.storage import Row, StaticList

MAX_MATCHES = 1_000

Parameters = dict[str, Any]
Envelope = dict[str, Any]


class LeadDatabase:
    """Leads and static lists as API users see them: one method for each API operation.

    Args:
        context: storage and other parts of the instance.
        pager: converts page tokens to positions in the results, and back.
        lock: the instance's lock, which guards all parts of the instance.
    """

    def __init__(self, context: InstanceContext, pager: Pager, lock: threading.RLock) -> None:
        self._context = context
        self._storage = context.storage
        self._pager = pager
        self._lock = lock

    def describe_leads(self, _parameters: Parameters) -> Envelope:
        """Return the fields of the lead object in the form of ``leads/describe.json``."""
        return {"result": describe_fields()}

    def describe_leads2(self, _parameters: Parameters) -> Envelope:
        """Return lead fields and searchable fields in the form of ``leads/describe2.json``."""
        return {"result": [describe_searchable()]}

    def query_leads(self, parameters: Parameters) -> Envelope:
        """Return a page of the leads whose filter field has one of the filter values."""
        field, values = read_lead_filter(parameters)
        page = read_lead_page(parameters)
        checksum = query_checksum("leads", field, values, page.fields, page.batch_size)
        with self._lock:
            found = find_leads(self._storage, field, values, MAX_MATCHES + 1)
            if len(found) > MAX_MATCHES:
                raise invalid("Too many results match the filter")
            return self._page(page, checksum, lambda after, _: _past(found, after))

    def lead(self, parameters: Parameters) -> Envelope:
        """Return the lead with the id in the path."""
        number, fields = read_path_id(parameters, "leadId"), read_lead_fields(parameters)
        with self._lock:
            found = find_leads(self._storage, ID, [number])
        if not found:
            raise CallRefusedError("1004", f"Lead '{number}' not found")
        return {"result": [_to_result(found[0], fields)]}

    def sync_leads(self, parameters: Parameters) -> Envelope:
        """Create or update the leads in ``input``, and return one result for each."""
        write = read_lead_sync(parameters)
        with self._lock, self._storage.transaction():
            return {"result": LeadWriter(self._context).sync(write)}

    def static_lists(self, parameters: Parameters) -> Envelope:
        """Return a page of static lists: all lists, or those with the given ids or names."""
        wanted = {name: set(split_list(str(parameters.get(name) or ""))) for name in ("id", "name")}
        size, token = read_batch_size(parameters), read_page_token(parameters)
        checksum = query_checksum("lists", sorted(wanted["id"]), sorted(wanted["name"]), size)
        with self._lock:
            after = self._pager.position(token, checksum)
            found = [each for each in self._storage.static_lists(after) if _is_wanted(each, wanted)]
        envelope: Envelope = {"result": list(map(_to_list, found[:size]))}
        reached = found[:size][-1].id if found else after
        more = len(found) > size
        return envelope | self._pager.next_page_members(
            checksum, reached, more=more, has_more_result=False
        )

    def static_list(self, parameters: Parameters) -> Envelope:
        """Return the static list with the id in the path."""
        with self._lock:
            return {"result": [_to_list(self._list(parameters))]}

    def list_members(self, parameters: Parameters) -> Envelope:
        """Return a page of the leads on the static list with the id in the path."""
        page = read_lead_page(parameters)
        with self._lock:
            number = self._list(parameters).id
            checksum = query_checksum("members", number, page.fields, page.batch_size)
            return self._page(
                page, checksum, lambda after, limit: self._storage.members(number, after, limit)
            )

    def add_members(self, parameters: Parameters) -> Envelope:
        """Add leads to the static list with the id in the path, and return one result for each."""
        return self._each_lead(parameters, self._add_member)

    def remove_members(self, parameters: Parameters) -> Envelope:
        """Remove leads from the static list with the id in the path; return one result for each."""
        return self._each_lead(parameters, self._remove_member)

    def are_members(self, parameters: Parameters) -> Envelope:
        """Return for each lead ``memberof`` if it is on the static list, else ``notmemberof``."""
        return self._each_lead(parameters, self._is_member)

    def _page(
        self,
        page: LeadPageRequest,
        checksum: str,
        find: Callable[[int, int], Sequence[Row]],
    ) -> Envelope:
        after = self._pager.position(page.page_token, checksum)
        size = self._pager.size(page.batch_size)
        rows = find(after, size + 1)
        envelope: Envelope = {"result": [_to_result(row, page.fields) for row in rows[:size]]}
        reached, more = (rows[:size][-1].id if rows else after), len(rows) > size
        return envelope | self._pager.next_page_members(
            checksum, reached, more=more, has_more_result=False
        )

    def _list(self, parameters: Parameters) -> StaticList:
        number = read_path_id(parameters, "listId")
        found = self._storage.static_lists(number - 1, 1)
        if not found or found[0].id != number:
            raise CallRefusedError("1013", f"List '{number}' not found")
        return found[0]

    def _each_lead(self, parameters: Parameters, act: Callable[[int, int], str]) -> Envelope:
        ids = read_member_ids(parameters)
        with self._lock, self._storage.transaction():
            number = self._list(parameters).id
            known = self._storage.existing_leads(ids)
            return {
                "result": [
                    {"id": lead, "status": act(number, lead)} if lead in known else _unknown(lead)
                    for lead in ids
                ]
            }

    def _add_member(self, number: int, lead: int) -> str:
        self._storage.add_list_members(number, [lead])
        return "added"

    def _remove_member(self, number: int, lead: int) -> str:
        self._storage.remove_list_member(number, lead)
        return "removed"

    def _is_member(self, number: int, lead: int) -> str:
        return "memberof" if lead in self._storage.list_members([number]) else "notmemberof"


def _past(rows: Sequence[Row], after: int) -> Sequence[Row]:
    return [row for row in rows if row.id > after]


def _to_result(row: Row, fields: Sequence[str]) -> dict[str, Any]:
    """Return a stored lead as a query shows it: the requested fields, if they have a value."""
    managed = {
        ID: row.id,
        "createdAt": format_datetime(row.created),
        "updatedAt": format_datetime(row.updated),
    }
    body = decode(row.body) | managed
    return {name: body[name] for name in fields if name in body}


def to_stored_lead(row: Row) -> dict[str, Any]:
    """Return all field values of a stored lead, with dates in seconds since 1970."""
    return {**decode(row.body), ID: row.id, "createdAt": row.created, "updatedAt": row.updated}


def _is_wanted(each: StaticList, wanted: dict[str, set[str]]) -> bool:
    return (not wanted["id"] or str(each.id) in wanted["id"]) and (
        not wanted["name"] or each.name in wanted["name"]
    )


def _to_list(each: StaticList) -> dict[str, Any]:
    moment = format_datetime(each.created)
    return {"id": each.id, "name": each.name, "createdAt": moment, "updatedAt": moment}


def _unknown(lead: int) -> dict[str, Any]:
    reason = {"code": "1004", "message": "Lead not found"}
    return {"id": lead, "status": "skipped", "reasons": [reason]}
