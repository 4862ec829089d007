"""Parameters of the operations on leads and static lists, validated or refused."""

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
    """The fields to return of leads, and the page."""

    fields: tuple[str, ...]
    batch_size: int
    page_token: str | None


@dataclass(frozen=True)
class LeadWriteRequest:
    """The leads of a sync, and how to treat them."""

    action: str
    lookup_field: str
    records: list[dict[str, Any]]


def read_lead_filter(parameters: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the field that leads are found by, and its values.

    Raises:
        CallRefusedError: 1003 for a field that leads cannot be found by, or too many values.
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
    """Return what is asked of leads, whichever they are.

    Raises:
        CallRefusedError: for a field that does not exist, or an impossible page.
    """
    return LeadPageRequest(
        read_lead_fields(parameters), read_batch_size(parameters), read_page_token(parameters)
    )


def read_lead_fields(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields to return; the id is always one of them.

    Raises:
        CallRefusedError: 1006 for one that does not exist.
    """
    value = parameters.get("fields")
    names = value if isinstance(value, list) else split_list(str(value or ""))
    for name in names:
        if name not in LEAD.by_name:
            raise CallRefusedError("1006", f"Field '{name}' not found")
    return tuple(dict.fromkeys([ID, *names])) if names else DEFAULT_FIELDS


def read_lead_sync(parameters: dict[str, Any]) -> LeadWriteRequest:
    """Return the parameters of a sync of leads.

    Raises:
        CallRefusedError: 1003 for an unknown action or lookup field, or as ``read_input`` does.
    """
    action = read_choice(parameters, "action", LEAD_ACTIONS)
    field = _read_searchable(str(parameters.get("lookupField") or EMAIL), "lookupField")
    if field == ID and action != "updateOnly":
        raise invalid("Invalid data: lookupField 'id' is for updateOnly")
    return LeadWriteRequest(action, field, read_input(parameters))


def read_path_id(parameters: Mapping[str, Any], name: str) -> int:
    """Return an id that stands in the path.

    Raises:
        CallRefusedError: 1001 if it is not an integer.
    """
    number = parse_lead_id(parameters[name])
    if number is None:
        text = parameters[name]
        raise CallRefusedError("1001", f"Invalid value '{text}'. Required of type 'integer'")
    return number


def read_member_ids(parameters: Mapping[str, Any]) -> list[int]:
    """Return the leads of a call on a static list: in ``id``, or in ``input`` of a JSON body.

    Raises:
        CallRefusedError: 1002 if there are none, 1001 or 1003 for what cannot be ids of leads.
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
