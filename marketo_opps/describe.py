"""Reads responses of describe (metadata of objects), in both documented forms; pure.

Printed and recorded responses give the name of an object or field as `name`, the OpenAPI
definition as `apiName`. Members that are not needed are optional.
"""

from __future__ import annotations

import logging
import typing as t
from decimal import Decimal

from marketo_opps.field_types import whole_number
from marketo_opps.fields import EXTERNAL_ID, LEAD_ID, MARKETO_GUID
from marketo_opps.models import FieldDescription, MarketoObject, ObjectDescription

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LOGGER = logging.getLogger(__name__)

# Documented defaults for a response without dedupe fields.
_DEDUPE_FIELDS = {
    MarketoObject.OPPORTUNITIES: (EXTERNAL_ID,),
    MarketoObject.OPPORTUNITY_ROLES: (EXTERNAL_ID, LEAD_ID, "role"),
}
_BOOLEANS = {"true": True, "false": False}


def read_description(obj: MarketoObject, members: t.Any) -> ObjectDescription:
    """Return the keys and fields of opportunities or roles from an entry of describe's `result`.

    If a field is listed twice, the first entry is used. A field without a name, or with a comma in
    its name (which separates names), cannot be queried and is skipped.

    Raises:
        ValueError: describe lists no usable field.
    """
    entries = members.get("fields") if isinstance(members, dict) else None
    fields = _unique_fields(obj, entries if isinstance(entries, list) else [])
    return ObjectDescription(
        name=_name(members),
        id_field=_text(members.get("idField")) or MARKETO_GUID,
        dedupe_fields=_names(members.get("dedupeFields")) or _DEDUPE_FIELDS[obj],
        searchable_fields=tuple(_searchable(members.get("searchableFields"))),
        fields=fields,
    )


def read_lead_fields(result: Sequence[t.Any]) -> tuple[FieldDescription, ...]:
    """Return the fields of leads from the `result` of the leads' describe.

    A field without a REST name exists in SOAP only, cannot be queried, and is skipped.

    Raises:
        ValueError: describe lists no usable field.
    """
    return _unique_fields("leads", list(filter(None, map(_lead_entry, result))))


def _lead_entry(entry: t.Any) -> dict[str, t.Any] | None:
    """Convert the entry of a lead field in describe to the form that opportunity fields have.

    Return None if the field has no REST name.
    """
    rest = entry.get("rest") if isinstance(entry, dict) else None
    if not isinstance(rest, dict) or not (name := _text(rest.get("name"))):
        return None
    return {**entry, "name": name, "updateable": not _BOOLEANS.get(_folded(rest.get("readOnly")))}


def read_searchable_lead_fields(result: Sequence[t.Any]) -> frozenset[str] | None:
    """Return the names by which leads can be looked up, from the `result` of the leads' describe2.

    Returns:
        REST names; None if the result lists none.
    """
    members = result[0] if result and isinstance(result[0], dict) else {}
    fields = _searchable(members.get("searchableFields"))
    return frozenset(names[0] for names in fields if len(names) == 1) or None


def _unique_fields(of: str, entries: Sequence[t.Any]) -> tuple[FieldDescription, ...]:
    fields = list(_fields(entries))
    if not fields:
        raise ValueError("a description without fields")
    if left_out := len(entries) - len(fields):
        _LOGGER.warning(
            "Marketo's description of %s lists %d %s without a usable name: skipped.",
            of,
            left_out,
            "field" if left_out == 1 else "fields",
        )
    by_name = {field.name: field for field in reversed(fields)}
    return tuple(by_name[name] for name in dict.fromkeys(field.name for field in fields))


def _fields(entries: Iterable[t.Any]) -> Iterable[FieldDescription]:
    for entry in entries:
        if isinstance(entry, dict) and (name := _name(entry)) and "," not in name:
            yield FieldDescription(
                name=name,
                display_name=_text(entry.get("displayName")) or name,
                data_type=_text(entry.get("dataType")) or "string",
                length=_length(entry.get("length")),
                updateable=_boolean(entry.get("updateable")),
            )


def _name(members: Mapping[str, t.Any]) -> str:
    return _text(members.get("name")) or _text(members.get("apiName"))


def _text(value: t.Any) -> str:
    """Return a string or a number as a string; empty for any other value."""
    is_text = isinstance(value, str | int | Decimal) and not isinstance(value, bool)
    return str(value) if is_text else ""


def _length(value: t.Any) -> int | None:
    try:
        length = whole_number(value)
    except ValueError:
        return None
    return length if length > 0 else None


def _boolean(value: t.Any) -> bool:
    """Return the value of `updateable` in describe; True if it is absent or not a boolean."""
    return _BOOLEANS.get(_folded(value), True)


def _folded(value: t.Any) -> str:
    return str(value).strip().casefold()


def _names(value: t.Any) -> tuple[str, ...]:
    """Return the field names in a list, or a single field name, as a tuple."""
    names = value if isinstance(value, list) else [value]
    return tuple(filter(None, map(_text, names)))


def _searchable(value: t.Any) -> Iterable[tuple[str, ...]]:
    """Yield for each entry of describe's `searchableFields` a tuple of its field names.

    A compound key has several names.
    """
    for each in value if isinstance(value, list) else []:
        if names := _names(each):
            yield names
