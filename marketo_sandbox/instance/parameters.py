"""Validation of the parameters of API calls; invalid ones are refused with Marketo's codes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.errors import CallRefusedError, blank, invalid, missing
from marketo_sandbox.instance.records import field_names
from marketo_sandbox.instance.values import parse_integer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketo_sandbox.instance.describe import ObjectType

MAX_RECORDS = 300
MAX_ACTIVITY_TYPES = 10
MAX_LEADS = 30
ACTIONS = ("createOrUpdate", "createOnly", "updateOnly")
DEDUPE_MODES = ("dedupeFields", "idField")

Parameters = dict[str, Any]


@dataclass(frozen=True)
class QueryRequest:
    """The validated parameters of a query of opportunities or roles.

    Attributes:
        field: name of the filter field, or None to filter by the compound key.
        values: filter values as strings, or one mapping for each compound key.
        fields: names of the fields to return.
        batch_size: maximum number of records on the page.
        page_token: token of the page, or None for the first page.
    """

    field: str | None
    values: list[Any]
    fields: list[str]
    batch_size: int
    page_token: str | None


@dataclass(frozen=True)
class WriteRequest:
    """The validated parameters of a sync or delete of opportunities or roles.

    Attributes:
        action: the sync action, or "delete".
        by_id: True if records are identified by marketoGUID, False by their dedupe fields.
        records: the records to write or delete.
    """

    action: str
    by_id: bool
    records: list[dict[str, Any]]


def read_required(parameters: Mapping[str, Any], name: str) -> str:
    """Return the value of a required parameter as a string.

    Raises:
        CallRefusedError: 1002 if it is missing, 701 if blank, 1001 if neither string nor number.
    """
    value = parameters.get(name)
    if value is None:
        raise missing(name)
    text = _text(value)
    if not text.strip():
        raise blank(name)
    return text


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise CallRefusedError("1001", f"Invalid value '{value}'. Required of type 'string'")
    return str(value)


def read_batch_size(parameters: Mapping[str, Any]) -> int:
    """Return the value of the parameter ``batchSize``, or 300 if it is missing.

    Raises:
        CallRefusedError: 1001 if it is not an integer, 1003 if it is out of range.
    """
    value = parameters.get("batchSize")
    if value is None or value == "":
        return MAX_RECORDS
    size = parse_integer(value)
    if size is None:
        raise CallRefusedError("1001", f"Invalid value '{value}'. Required of type 'integer'")
    if not 1 <= size <= MAX_RECORDS:
        raise invalid(f"Invalid data: batchSize must be from 1 to {MAX_RECORDS}")
    return size


def read_page_token(parameters: Mapping[str, Any]) -> str | None:
    """Return the parameter ``nextPageToken``, or None if the first page is requested."""
    return str(parameters.get("nextPageToken") or "") or None


def read_integers(parameters: Mapping[str, Any], name: str, most: int) -> list[int]:
    """Return the integers in a required parameter, which is a comma-separated list.

    Args:
        parameters: parameters of the call.
        name: name of the parameter.
        most: maximum number of integers.

    Raises:
        CallRefusedError: 1002 if it is missing, 701 if blank, 1001 if not integers, 1003 if too
            many.
    """
    texts = split_list(read_required(parameters, name))
    if len(texts) > most:
        raise invalid(f"Invalid data: at most {most} {name}")
    try:
        return [int(text) for text in texts]
    except ValueError as error:
        message = f"Invalid value '{parameters[name]}'. Required of type 'integer'"
        raise CallRefusedError("1001", message) from error


def read_optional_integers(parameters: Mapping[str, Any], name: str, most: int) -> list[int] | None:
    """Return the integers in a comma-separated parameter, or None if the parameter is missing.

    Args:
        parameters: parameters of the call.
        name: name of the parameter.
        most: maximum number of integers.

    Raises:
        CallRefusedError: 1001 if it is not a list of integers, 1003 if it has too many.
    """
    return read_integers(parameters, name, most) if parameters.get(name) else None


def split_list(text: str) -> list[str]:
    """Return the elements of a comma-separated list, stripped and without empty elements."""
    return [part.strip() for part in text.split(",") if part.strip()]


def read_query(obj: ObjectType, parameters: Parameters) -> QueryRequest:
    """Validate the parameters of a query of opportunities or roles, and return them.

    Raises:
        CallRefusedError: for a parameter that is missing, invalid or over a limit.
    """
    filter_type = read_required(parameters, "filterType")
    if filter_type == "dedupeFields" and len(obj.dedupe_fields) > 1:
        field, values = None, _read_compound_keys(obj, parameters)
    else:
        field = _read_filter_field(obj, filter_type)
        values = split_list(read_required(parameters, "filterValues"))
    if len(values) > MAX_RECORDS:
        raise invalid(f"Invalid data: at most {MAX_RECORDS} values")
    return QueryRequest(
        field=field,
        values=values,
        fields=_read_fields(obj, parameters, field),
        batch_size=read_batch_size(parameters),
        page_token=read_page_token(parameters),
    )


def _read_filter_field(obj: ObjectType, filter_type: str) -> str:
    aliases = {"idField": obj.id_field, "dedupeFields": obj.dedupe_fields[0]}
    name = aliases.get(filter_type, filter_type)
    if name in obj.searchable_alone:
        return name
    if name in obj.by_name:
        raise CallRefusedError("1011", f"Field '{name}' not supported")
    raise CallRefusedError("1006", f"Field '{name}' not found")


def _read_compound_keys(obj: ObjectType, parameters: Parameters) -> list[Any]:
    records = read_input(parameters)
    for record in records:
        for name in obj.dedupe_fields:
            if record.get(name) in (None, ""):
                raise missing(name)
    return records


def _read_fields(obj: ObjectType, parameters: Parameters, filter_field: str | None) -> list[str]:
    value = parameters.get("fields")
    names = value if isinstance(value, list) else split_list(str(value or ""))
    if not names:
        return obj.default_fields(filter_field)
    known = field_names(obj)
    for name in names:
        if str(name).lower() not in known:
            raise CallRefusedError("1006", f"Field '{name}' not found")
    asked = [known[str(name).lower()] for name in names]
    # Recorded responses contain the keys even if a query does not request them.
    return list(dict.fromkeys([obj.id_field, *obj.dedupe_fields, *asked]))


def read_input(parameters: Parameters) -> list[dict[str, Any]]:
    """Validate and return the list of records in the parameter ``input`` of a call.

    Raises:
        CallRefusedError: 1002 if it is missing, 701 if empty, 1003 if malformed or too long.
    """
    records = parameters.get("input")
    if records is None:
        raise missing("input")
    if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
        raise invalid("Invalid data: input must be an array of objects")
    if not records:
        raise blank("input")
    if len(records) > MAX_RECORDS:
        raise invalid(f"Invalid data: at most {MAX_RECORDS} records")
    return records


def read_sync(parameters: Parameters) -> WriteRequest:
    """Validate the parameters of a sync of opportunities or roles, and return them.

    Raises:
        CallRefusedError: 1003 for an unknown ``action`` or ``dedupeBy``; see ``read_input`` too.
    """
    action = read_choice(parameters, "action", ACTIONS)
    mode = read_choice(parameters, "dedupeBy", DEDUPE_MODES)
    # Adobe's pages disagree on the actions that respect dedupeBy; only updateOnly can use an id.
    by_id = mode == "idField" and action == "updateOnly"
    return WriteRequest(action, by_id, read_input(parameters))


def read_delete(parameters: Parameters) -> WriteRequest:
    """Validate the parameters of a delete of opportunities or roles, and return them.

    Raises:
        CallRefusedError: 1003 for an unknown ``deleteBy``; see ``read_input`` too.
    """
    mode = read_choice(parameters, "deleteBy", DEDUPE_MODES)
    return WriteRequest("delete", mode == "idField", read_input(parameters))


def read_choice(parameters: Parameters, name: str, known: tuple[str, ...]) -> str:
    """Return the value of a parameter that must be one of ``known``, the first by default.

    Raises:
        CallRefusedError: 1003 for a value that is not one of the known values.
    """
    value = parameters.get(name)
    if value is None:
        return known[0]
    if value not in known:
        raise invalid(f"Invalid data: {name} '{value}' is none of {', '.join(known)}")
    return str(value)
