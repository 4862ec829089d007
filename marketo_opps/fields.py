"""Fields as JSON Schema, and records converted to the types of that schema; pure."""

from __future__ import annotations

import typing as t

from marketo_opps.field_types import field_type

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marketo_opps.field_types import Reader
    from marketo_opps.models import FieldDescription, ObjectDescription, Record

MARKETO_GUID = "marketoGUID"
EXTERNAL_ID = "externalOpportunityId"
CREATED_AT = "createdAt"
UPDATED_AT = "updatedAt"
LEAD_ID = "leadId"


def object_schema(
    description: ObjectDescription,
    field_names: Sequence[str] | None = None,
) -> dict[str, t.Any]:
    """Return the JSON Schema of an object's records.

    Args:
        description: the object's keys and fields, from describe.
        field_names: the fields to include, in this order; all of them by default.

    Returns:
        An object schema; every property but the id may be null.
    """
    names = field_names or description.field_names
    fields = {field.name: field for field in description.fields}
    properties = {name: json_schema(fields[name]) for name in names}
    if description.id_field in properties:
        properties[description.id_field]["type"] = "string"
    return {"type": "object", "properties": properties}


def json_schema(field: FieldDescription) -> dict[str, t.Any]:
    """Return the JSON Schema of a field's values, which may be null.

    Fields of type email, phone and url get no `format`, because Marketo does not validate them and
    a loader that does would reject the record. Nor is there a `maxLength`, because a longer value
    would stop a loader that validates: the length from describe is part of the description.
    """
    kind = field_type(field)
    schema: dict[str, t.Any] = {"type": [kind.json_type, "null"]}
    if kind.format:
        schema["format"] = kind.format
    if description := _description(field, is_text=kind.json_type == "string" and not kind.format):
        schema["description"] = description
    return schema


def _description(field: FieldDescription, *, is_text: bool) -> str:
    if not field.length or not is_text:
        return field.display_name
    return f"{field.display_name} (up to {field.length} characters)".lstrip()


def record_reader(
    description: ObjectDescription,
    field_names: Sequence[str],
    on_misfit: Callable[[str, str], None],
) -> Callable[[Record], Record]:
    """Return a function that converts a record from Marketo to the types in its `object_schema`.

    Args:
        description: the object's keys and fields, from describe.
        field_names: the requested fields, in the order of the result.
        on_misfit: called with field name and GUID for every value that does not fit its type.

    Returns:
        A function. In its result, absent fields and values that do not fit are null.
    """
    fields = {field.name: field for field in description.fields}
    plan = {name: (_class_as_is(fields[name]), reader(fields[name])) for name in field_names}
    nulls: Record = dict.fromkeys(field_names)

    def read(record: Record) -> Record:
        typed = nulls.copy()
        for name, value in record.items():
            if value is None or name not in plan:
                continue
            # Most values need no conversion, and calling a function is the most expensive step.
            as_is, convert = plan[name]
            try:
                typed[name] = value if value.__class__ is as_is else convert(value)
            except ValueError:
                on_misfit(name, str(record.get(MARKETO_GUID, "")).rstrip())
        return typed

    return read


def _class_as_is(field: FieldDescription) -> type | None:
    return None if field.name == MARKETO_GUID else field_type(field).as_is


def reader(field: FieldDescription) -> Reader:
    """Return a function that converts a non-null value from Marketo to the type of a field.

    It raises `ValueError` if a value does not fit. Dates are returned as `2010-05-07`, date-times
    in UTC as `2015-02-03T22:36:23Z`, numbers with a fraction as `Decimal`.
    """
    if field.name == MARKETO_GUID:
        return _read_guid
    return field_type(field).read


def _read_guid(value: t.Any) -> str:
    return str(value).rstrip()
