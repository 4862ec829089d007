"""JSON schemas of the streams, and the field types that a catalog's schema implies."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from marketo_opps import FieldDescription, ObjectDescription
from marketo_opps.fields import CREATED_AT, MARKETO_GUID, UPDATED_AT, object_schema
from tap_marketo_opps.finding.activity_log import ACTIVITY_DATE, LEAD_ID
from tap_marketo_opps.reconcile.row_types import DELETED_AT

ATTRIBUTES = "attributes"
DELETED_AT_SCHEMA = {
    "type": ["string", "null"],
    "format": "date-time",
    "description": "When find_by: reconcile found that the record no longer exists in Marketo",
}
CHANGED_FIELD = "field"

_ACTIVITY_FIELDS = {
    MARKETO_GUID: "string",
    LEAD_ID: "integer",
    ACTIVITY_DATE: "datetime",
    "activityTypeId": "integer",
    "activityType": "string",
    "campaignId": "integer",
    "primaryAttributeValueId": "integer",
    "primaryAttributeValue": "string",
}
_DEAL_FIELDS = {
    LEAD_ID: "integer",
    ACTIVITY_DATE: "datetime",
    "opportunityId": "integer",
    "opportunityName": "string",
    "role": "string",
    "isPrimary": "boolean",
}
_CHANGE_FIELDS = {
    MARKETO_GUID: "string",
    CHANGED_FIELD: "string",
    "oldValue": "string",
    "newValue": "string",
    **_DEAL_FIELDS,
}
_ROLE_CHANGE_FIELDS = {MARKETO_GUID: "string", "change": "string", **_DEAL_FIELDS}
_FIELD_FIELDS = {
    "name": "string",
    "displayName": "string",
    "description": "string",
    "dataType": "string",
    "length": "integer",
    "isHidden": "boolean",
    "isHtmlEncodingInEmail": "boolean",
    "isSensitive": "boolean",
    "isCustom": "boolean",
    "isApiCreated": "boolean",
}

_DATA_TYPES = {"integer": "integer", "number": "float", "boolean": "boolean"}
_DATA_TYPES_BY_FORMAT = {"date": "date", "date-time": "datetime"}


def with_deletion_mark(schema: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a schema with the property `_sdc_deleted_at` added."""
    properties = schema.get("properties", {})
    return {**schema, "properties": {**properties, DELETED_AT: DELETED_AT_SCHEMA}}


def activities_schema() -> dict[str, t.Any]:
    """Return the JSON schema of the stream opportunity_activities, as Marketo documents it."""
    schema = object_schema(_description(MARKETO_GUID, _ACTIVITY_FIELDS))
    schema["properties"][ATTRIBUTES] = {"type": ["object", "null"], "additionalProperties": True}
    return schema


def changes_schema() -> dict[str, t.Any]:
    """Return the JSON schema of the stream opportunity_changes.

    A record says that one field of an opportunity was changed.
    """
    schema = object_schema(_description(MARKETO_GUID, _CHANGE_FIELDS))
    schema["properties"][CHANGED_FIELD]["type"] = "string"
    return schema


def role_changes_schema() -> dict[str, t.Any]:
    """Return the JSON schema of the stream opportunity_role_changes.

    A record says that a lead was added to an opportunity, or removed from it.
    """
    return object_schema(_description(MARKETO_GUID, _ROLE_CHANGE_FIELDS))


def fields_schema() -> dict[str, t.Any]:
    """Return the JSON schema of the stream opportunity_fields, as Marketo documents it."""
    return object_schema(_description("name", _FIELD_FIELDS))


def keys_schema() -> dict[str, t.Any]:
    """Return the schema of opportunities or roles with only the key and the replication key.

    It is used for a stream that is missing in the catalog: the stream is not selected, and no
    describe call is made for it.
    """
    return object_schema(
        _description(MARKETO_GUID, {MARKETO_GUID: "string", UPDATED_AT: "datetime"})
    )


def with_timestamps(description: ObjectDescription) -> ObjectDescription:
    """Return a description with createdAt and updatedAt, which describe of roles may not list."""
    missing = tuple(
        FieldDescription(name, title, "datetime")
        for name, title in ((CREATED_AT, "Created At"), (UPDATED_AT, "Updated At"))
        if description.field(name) is None
    )
    return replace(description, fields=description.fields + missing)


def description_from_properties(properties: dict[str, t.Any]) -> ObjectDescription:
    """Return the description of an object, rebuilt from the properties of a catalog's schema."""
    data_types = {name: _data_type(schema) for name, schema in properties.items()}
    return _description(MARKETO_GUID, data_types)


def _description(key: str, data_types: dict[str, str]) -> ObjectDescription:
    """Return a description of fields only: its object has no name and cannot be searched."""
    fields = tuple(FieldDescription(field, "", kind) for field, kind in data_types.items())
    return ObjectDescription("", key, (key,), (), fields)


def _data_type(schema: dict[str, t.Any]) -> str:
    if (form := schema.get("format")) in _DATA_TYPES_BY_FORMAT:
        return _DATA_TYPES_BY_FORMAT[form]
    kinds = schema.get("type", "string")
    named = [kinds] if isinstance(kinds, str) else kinds
    return next((_DATA_TYPES[kind] for kind in named if kind in _DATA_TYPES), "string")
