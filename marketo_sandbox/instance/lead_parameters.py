"""Validation of the parameters of API operations on leads and static lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.errors import CallRefusedError, invalid, missing
from marketo_sandbox.instance.lead_fields import DEFAULT_FIELDS, EMAIL, ID, LEAD
from marketo_sandbox.instance.parameters import (
    MAX_RECORDS,
    read_batch_size,
    read_choice,
    read_input,
    read_page_token,
    read_required,
    split_list,
)
from marketo_sandbox.instance.records import parse_lead_id

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAD_ACTIONS = ("createOrUpdate", "createOnly", "updateOnly", "createDuplicate")


@dataclass(frozen=True)
class LeadPageRequest:
    """The parameters that say which page of leads a call requests, and with which fields.

    Attributes:
        fields: names of the fields to return.
        batch_size: maximum number of leads on the page.
        page_token: token of the page, or None for the first page.
    """

    fields: tuple[str, ...]
    batch_size: int
    page_token: str | None


@dataclass(frozen=True)
class LeadWriteRequest:
    """The validated parameters of a sync of leads.

    Attributes:
        action: the sync action, one of ``LEAD_ACTIONS``.
        lookup_field: name of the field by which existing leads are found.
        records: the leads to write.
    """

    action: str
    lookup_field: str
    records: list[dict[str, Any]]


def read_lead_filter(parameters: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the filter field of a query of leads, and the filter values.

    Raises:
        CallRefusedError: 1003 for a field that is not searchable or for too many values.
    """
    field = _read_searchable(read_required(parameters, "filterType"), "filterType")
    values = split_list(read_required(parameters, "filterValues"))
    if len(values) > MAX_RECORDS:
        raise invalid(f"Invalid data: at most {MAX_RECORDS} values")
    return field, values


def _read_searchable(field: str, parameter: str) -> str:
    if field not in LEAD.searchable_alone:
        raise invalid(f"Invalid {parameter} '{field}'")
    return field


def read_lead_page(parameters: Mapping[str, Any]) -> LeadPageRequest:
    """Validate and return the field names, page size and page token of a call that reads leads.

    Raises:
        CallRefusedError: for an unknown field or an invalid page size.
    """
    return LeadPageRequest(
        read_lead_fields(parameters), read_batch_size(parameters), read_page_token(parameters)
    )


def read_lead_fields(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the lead fields to return; ``id`` is always one of them.

    A call without ``fields`` gets default fields.

    Raises:
        CallRefusedError: 1006 for an unknown field.
    """
    value = parameters.get("fields")
    names = value if isinstance(value, list) else split_list(str(value or ""))
    for name in names:
        if name not in LEAD.by_name:
            raise CallRefusedError("1006", f"Field '{name}' not found")
    return tuple(dict.fromkeys([ID, *names])) if names else DEFAULT_FIELDS


def read_lead_sync(parameters: dict[str, Any]) -> LeadWriteRequest:
    """Return the validated parameters of a sync of leads.

    Raises:
        CallRefusedError: 1003 for an unknown action or lookup field, or as ``read_input`` does.
    """
    action = read_choice(parameters, "action", LEAD_ACTIONS)
    field = _read_searchable(str(parameters.get("lookupField") or EMAIL), "lookupField")
    if field == ID and action != "updateOnly":
        raise invalid("Invalid data: lookupField 'id' is for updateOnly")
    return LeadWriteRequest(action, field, read_input(parameters))


def read_path_id(parameters: Mapping[str, Any], name: str) -> int:
    """Return the id that stands in the path of a call as the path parameter ``name``.

    Raises:
        CallRefusedError: 1001 if the id is not a positive integer.
    """
    number = parse_lead_id(parameters[name])
    if number is None:
        text = parameters[name]
        raise CallRefusedError("1001", f"Invalid value '{text}'. Required of type 'integer'")
    return number


def read_member_ids(parameters: Mapping[str, Any]) -> list[int]:
    """Return the ids of the leads that a call adds to, removes from or seeks on a static list.

    The ids stand in the parameter ``id`` or in the records of ``input`` in a JSON body.

    Raises:
        CallRefusedError: 1002 without any id, 1001 for an invalid id, 1003 for too many ids.
    """
    if parameters.get("input") is not None:
        texts = [each.get("id") for each in read_input(dict(parameters))]
    else:
        texts = list(split_list(str(parameters.get("id") or "")))
    if not texts:
        raise missing("id")
    if len(texts) > MAX_RECORDS:
        raise invalid(f"Invalid data: at most {MAX_RECORDS} leads")
    return [read_path_id({"id": each}, "id") for each in texts]
