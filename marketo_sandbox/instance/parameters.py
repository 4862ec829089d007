"""What a caller asks for, read from loosely formed parameters, with Marketo's refusals."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.errors import CallRefusedError, blank, invalid, missing
from marketo_sandbox.instance.records import field_names
from marketo_sandbox.instance.values import whole

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
class Query:
    """A look-up: by which field, which values (or compound keys), what to show."""

    field: str | None
    values: list[Any]
    fields: list[str]
    batch_size: int
    page_token: str | None


@dataclass(frozen=True)
class Write:
    """A sync or a delete."""

    action: str
    by_id: bool
    records: list[dict[str, Any]]


def required(parameters: Mapping[str, Any], name: str) -> str:
    """A parameter that must be there and hold something.

    Raises:
        CallRefusedError: 1002, 701, or 1001 for what is no text or number.
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


def batch_size(parameters: Mapping[str, Any]) -> int:
    """``batchSize``: 300 unless told less.

    Raises:
        CallRefusedError: 1001 when it is no number, 1003 when out of range.
    """
    value = parameters.get("batchSize")
    if value is None or value == "":
        return MAX_RECORDS
    size = whole(value)
    if size is None:
        raise CallRefusedError("1001", f"Invalid value '{value}'. Required of type 'integer'")
    if not 1 <= size <= MAX_RECORDS:
        raise invalid(f"Invalid data: batchSize must be from 1 to {MAX_RECORDS}")
    return size


def page_token(parameters: Mapping[str, Any]) -> str | None:
    """``nextPageToken``, or None on a first page; what is no text is no token that exists."""
    return str(parameters.get("nextPageToken") or "") or None


def integers(parameters: Mapping[str, Any], name: str, most: int) -> list[int]:
    """A comma-separated list of whole numbers.

    Raises:
        CallRefusedError: 1002, 701, 1001 or 1003.
    """
    texts = split(required(parameters, name))
    if len(texts) > most:
        raise invalid(f"Invalid data: at most {most} {name}")
    try:
        return [int(text) for text in texts]
    except ValueError as error:
        message = f"Invalid value '{parameters[name]}'. Required of type 'integer'"
        raise CallRefusedError("1001", message) from error


def split(text: str) -> list[str]:
    """The members of a comma-separated list, blanks around them dropped."""
    return [part.strip() for part in text.split(",") if part.strip()]


def query(obj: ObjectType, parameters: Parameters) -> Query:
    """Read the parameters of a query.

    Raises:
        CallRefusedError: for anything that is missing, unknown or too much.
    """
    filter_type = required(parameters, "filterType")
    if filter_type == "dedupeFields" and len(obj.dedupe_fields) > 1:
        field, values = None, _compound_keys(obj, parameters)
    else:
        field = _filter_field(obj, filter_type)
        values = split(required(parameters, "filterValues"))
    if len(values) > MAX_RECORDS:
        raise invalid(f"Invalid data: at most {MAX_RECORDS} values")
    return Query(
        field=field,
        values=values,
        fields=_fields(obj, parameters, field),
        batch_size=batch_size(parameters),
        page_token=page_token(parameters),
    )


def _filter_field(obj: ObjectType, filter_type: str) -> str:
    aliases = {"idField": obj.id_field, "dedupeFields": obj.dedupe_fields[0]}
    name = aliases.get(filter_type, filter_type)
    if name in obj.searchable_alone:
        return name
    if name in obj.by_name:
        raise CallRefusedError("1011", f"Field '{name}' not supported")
    raise CallRefusedError("1006", f"Field '{name}' not found")


def _compound_keys(obj: ObjectType, parameters: Parameters) -> list[Any]:
    records = input_records(parameters)
    for record in records:
        for name in obj.dedupe_fields:
            if record.get(name) in (None, ""):
                raise missing(name)
    return records


def _fields(obj: ObjectType, parameters: Parameters, filter_field: str | None) -> list[str]:
    asked = parameters.get("fields")
    names = asked if isinstance(asked, list) else split(str(asked or ""))
    if not names:
        return obj.default_fields(filter_field)
    known = field_names(obj)
    for name in names:
        if str(name).lower() not in known:
            raise CallRefusedError("1006", f"Field '{name}' not found")
    return [known[str(name).lower()] for name in names]


def input_records(parameters: Parameters) -> list[dict[str, Any]]:
    """The ``input`` of a call.

    Raises:
        CallRefusedError: 1002, 701 or 1003.
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


def sync(parameters: Parameters) -> Write:
    """Read the body of a sync.

    Raises:
        CallRefusedError: 1003 for a mode that does not exist, or the refusals of ``input``.
    """
    action = _one_of(parameters, "action", ACTIONS)
    mode = _one_of(parameters, "dedupeBy", DEDUPE_MODES)
    # Adobe's pages disagree on the actions that heed dedupeBy; only updateOnly can use an id.
    by_id = mode == "idField" and action == "updateOnly"
    return Write(action, by_id, input_records(parameters))


def delete(parameters: Parameters) -> Write:
    """Read the body of a delete.

    Raises:
        CallRefusedError: 1003 for a mode that does not exist, or the refusals of ``input``.
    """
    mode = _one_of(parameters, "deleteBy", DEDUPE_MODES)
    return Write("delete", mode == "idField", input_records(parameters))


def _one_of(parameters: Parameters, name: str, known: tuple[str, ...]) -> str:
    value = parameters.get(name)
    if value is None:
        return known[0]
    if value not in known:
        raise invalid(f"Invalid data: {name} '{value}' is none of {', '.join(known)}")
    return str(value)
