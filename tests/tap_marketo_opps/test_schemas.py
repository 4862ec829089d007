"""JSON schemas of the streams, and the field types that a catalog implies."""

from __future__ import annotations

import pytest

from marketo_opps import FieldDescription, ObjectDescription
from tap_marketo_opps import schemas

TEXT = {"type": ["string", "null"]}
NUMBER = {"type": ["integer", "null"]}
FLAG = {"type": ["boolean", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
KEY = {"type": "string"}
OF_DEALS = {
    "leadId": NUMBER,
    "activityDate": MOMENT,
    "opportunityId": NUMBER,
    "opportunityName": TEXT,
    "role": TEXT,
    "isPrimary": FLAG,
}


@pytest.mark.parametrize(
    ("schema", "properties"),
    [
        (
            schemas.activities_schema,
            {
                "marketoGUID": KEY,
                "leadId": NUMBER,
                "activityDate": MOMENT,
                "activityTypeId": NUMBER,
                "activityType": TEXT,
                "campaignId": NUMBER,
                "primaryAttributeValueId": NUMBER,
                "primaryAttributeValue": TEXT,
                "attributes": {"type": ["object", "null"], "additionalProperties": True},
            },
        ),
        (
            schemas.changes_schema,
            {"marketoGUID": KEY, "field": KEY, "oldValue": TEXT, "newValue": TEXT, **OF_DEALS},
        ),
        (schemas.role_changes_schema, {"marketoGUID": KEY, "change": TEXT, **OF_DEALS}),
        (
            schemas.fields_schema,
            {
                "name": KEY,
                "displayName": TEXT,
                "description": TEXT,
                "dataType": TEXT,
                "length": NUMBER,
                "isHidden": FLAG,
                "isHtmlEncodingInEmail": FLAG,
                "isSensitive": FLAG,
                "isCustom": FLAG,
                "isApiCreated": FLAG,
            },
        ),
        (schemas.keys_schema, {"marketoGUID": KEY, "updatedAt": MOMENT}),
    ],
)
def test_the_schemas_that_marketo_documents(schema, properties):
    assert schema() == {"type": "object", "properties": properties}


def test_the_deletion_mark_is_added_to_a_schema():
    schema = {"type": "object", "properties": {"a": TEXT}, "x": 1}
    marked = schemas.with_deletion_mark(schema)
    assert marked["properties"] == {"a": TEXT, "_sdc_deleted_at": schemas.DELETED_AT_SCHEMA}
    assert (marked["type"], marked["x"]) == ("object", 1)
    assert [*schemas.with_deletion_mark({})["properties"]] == ["_sdc_deleted_at"]
    assert [*schema["properties"]] == ["a"]


def test_timestamps_that_describe_does_not_list_are_added():
    updated = FieldDescription("updatedAt", "Changed", "datetime")
    description = ObjectDescription("", "marketoGUID", (), (), (updated,))
    assert schemas.with_timestamps(description).fields == (
        updated,
        FieldDescription("createdAt", "Created At", "datetime"),
    )
    both = schemas.with_timestamps(ObjectDescription("", "marketoGUID", (), (), ())).fields
    assert [(each.name, each.display_name) for each in both] == [
        ("createdAt", "Created At"),
        ("updatedAt", "Updated At"),
    ]


@pytest.mark.parametrize(
    ("schema", "data_type"),
    [
        ({}, "string"),
        ({"type": "integer"}, "integer"),
        ({"type": "number"}, "float"),
        ({"type": ["boolean", "null"]}, "boolean"),
        ({"type": ["null", "number"]}, "float"),
        ({"type": ["string", "null"]}, "string"),
        ({"type": "object"}, "string"),
        ({"type": ["string", "null"], "format": "date"}, "date"),
        ({"type": ["string", "null"], "format": "date-time"}, "datetime"),
        ({"type": ["string", "null"], "format": "email"}, "string"),
        ({"format": "date"}, "date"),
    ],
)
def test_a_catalog_implies_the_type_of_a_field(schema, data_type):
    description = schemas.description_from_properties({"marketoGUID": KEY, "a": schema})
    assert [(each.name, each.data_type) for each in description.fields] == [
        ("marketoGUID", "string"),
        ("a", data_type),
    ]
    assert description.id_field == "marketoGUID"
