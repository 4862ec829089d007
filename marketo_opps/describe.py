"""Reads describe's answers, in either of the two shapes that Adobe documents; pure.

Printed and recorded answers call an object and its fields by `name`, the OpenAPI by `apiName`.
What is not needed is not required, and what can be understood is.
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

# As documented, for an answer without them.
_DEDUPE_FIELDS = {
    MarketoObject.OPPORTUNITIES: (EXTERNAL_ID,),
    MarketoObject.OPPORTUNITY_ROLES: (EXTERNAL_ID, LEAD_ID, "role"),
}
_BOOLEANS = {"true": True, "false": False}


def read_description(obj: MarketoObject, members: t.Any) -> ObjectDescription:
    """Return what the one member of describe's `result` says of an object.

    A field listed twice is taken as it is listed first; one without a name, or with one that holds
    a comma, which separates names, is left out: it cannot be asked for.

    Raises:
        ValueError: it names no fields; the text says what it is instead.
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
    """Return what the `result` of the leads' describe says of their fields.

    A field that has no REST name is for SOAP alone and cannot be asked for: left out.

    Raises:
        ValueError: it names no fields; the text says what it is instead.
    """
    return _unique_fields("leads", list(filter(None, map(_lead_entry, result))))


def _lead_entry(entry: t.Any) -> dict[str, t.Any] | None:
    """Return a field of leads in the form of other fields; None for one without a REST name."""
    rest = entry.get("rest") if isinstance(entry, dict) else None
    if not isinstance(rest, dict) or not (name := _text(rest.get("name"))):
        return None
    return {**entry, "name": name, "updateable": not _BOOLEANS.get(_folded(rest.get("readOnly")))}


def read_searchable_lead_fields(result: Sequence[t.Any]) -> frozenset[str] | None:
    """Return what the `result` of the leads' second describe says leads are found by, or None."""
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
    """Return a text, or a number as one; nothing of anything else."""
    is_text = isinstance(value, str | int | Decimal) and not isinstance(value, bool)
    return str(value) if is_text else ""


def _length(value: t.Any) -> int | None:
    try:
        length = whole_number(value)
    except ValueError:
        return None
    return length if length > 0 else None


def _boolean(value: t.Any) -> bool:
    """Return whether a field can be updated, which it can where nothing says that it cannot."""
    return _BOOLEANS.get(_folded(value), True)


def _folded(value: t.Any) -> str:
    return str(value).strip().casefold()


def _names(value: t.Any) -> tuple[str, ...]:
    """Return a list of names; a name alone is a list of one."""
    names = value if isinstance(value, list) else [value]
    return tuple(filter(None, map(_text, names)))


def _searchable(value: t.Any) -> Iterable[tuple[str, ...]]:
    """Yield each field or compound of fields; a flat list has only the former."""
    for each in value if isinstance(value, list) else []:
        if names := _names(each):
            yield names
