"""Fields as JSON Schema, and records converted to the types of that schema."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketo_opps import FieldDescription, ObjectDescription
from marketo_opps.fields import json_schema, object_schema, record_reader

STRING_TYPES = ("string", "text", "email", "phone", "url", "reference", "brand_new_type")
INTEGER_TYPES = ("integer", "score", "percent")
NUMBER_TYPES = ("float", "currency")


def field(data_type, length=None, name="x"):
    return FieldDescription(name, "Shown as", data_type, length)


class TestSchema:
    @pytest.mark.parametrize(
        ("data_type", "schema"),
        [
            *((each, {"type": ["string", "null"]}) for each in STRING_TYPES),
            *((each, {"type": ["integer", "null"]}) for each in INTEGER_TYPES),
            *((each, {"type": ["number", "null"]}) for each in NUMBER_TYPES),
            ("boolean", {"type": ["boolean", "null"]}),
            ("date", {"type": ["string", "null"], "format": "date"}),
            ("datetime", {"type": ["string", "null"], "format": "date-time"}),
            *((each, {"type": ["integer", "null"]}) for each in ("Integer", " INT ", "long")),
            *((each, {"type": ["number", "null"]}) for each in ("Number", "double", "Decimal")),
            *((each, {"type": ["boolean", "null"]}) for each in ("Boolean", "bool")),
            ("Timestamp", {"type": ["string", "null"], "format": "date-time"}),
        ],
    )
    def test_each_data_type_has_its_json_schema(self, data_type, schema):
        assert json_schema(field(data_type)) == schema | {"description": "Shown as"}

    def test_a_length_is_described_for_strings_only(self):
        told = json_schema(field("string", 255))
        assert told["description"] == "Shown as (up to 255 characters)"
        assert "maxLength" not in told
        for data_type in (*INTEGER_TYPES, *NUMBER_TYPES, "boolean", "date", "datetime"):
            assert json_schema(field(data_type, 10))["description"] == "Shown as"

    def test_a_length_is_described_without_a_display_name(self):
        told = json_schema(FieldDescription("x", "", "string", 50))
        assert told["description"] == "(up to 50 characters)"

    def test_without_a_display_name_there_is_no_description(self):
        assert json_schema(FieldDescription("x", "", "string")) == {"type": ["string", "null"]}

    def test_an_objects_id_is_never_null(self):
        schema = object_schema(DESCRIPTION)
        assert list(schema["properties"]) == list(DESCRIPTION.field_names)
        assert schema["properties"]["marketoGUID"]["type"] == "string"
        assert schema["properties"]["amount"]["type"] == ["number", "null"]

    def test_a_schema_may_have_some_fields_only(self):
        schema = object_schema(DESCRIPTION, ["name", "amount"])
        assert list(schema["properties"]) == ["name", "amount"]


FIELDS = (
    FieldDescription("marketoGUID", "GUID", "string", 36, updateable=False),
    FieldDescription("name", "Name", "string", 255),
    FieldDescription("amount", "Amount", "currency"),
    FieldDescription("probability", "Probability", "integer"),
    FieldDescription("isWon", "Won", "boolean"),
    FieldDescription("closeDate", "Close date", "date"),
    FieldDescription("updatedAt", "Updated", "datetime", updateable=False),
)
DESCRIPTION = ObjectDescription(
    "opportunity",
    "marketoGUID",
    ("externalOpportunityId",),
    (("externalOpportunityId",), ("marketoGUID",)),
    FIELDS,
)


class TestRecordReader:
    @pytest.fixture
    def misfits(self):
        return []

    @pytest.fixture
    def read_record(self, misfits):
        return record_reader(
            DESCRIPTION, DESCRIPTION.field_names, lambda name, guid: misfits.append((name, guid))
        )

    def test_a_record_is_converted_in_the_order_of_fields(self, read_record, misfits):
        typed = read_record(
            {
                "seq": 3,
                "updatedAt": "2015-02-03T22:36:23+0000",
                "marketoGUID": "abc ",
                "name": "n",
                "amount": "1604.47",
                "probability": "20",
                "isWon": "false",
                "closeDate": "2010-05-07",
                "unasked": 1,
            }
        )
        assert typed == {
            "marketoGUID": "abc",
            "name": "n",
            "amount": Decimal("1604.47"),
            "probability": 20,
            "isWon": False,
            "closeDate": "2010-05-07",
            "updatedAt": "2015-02-03T22:36:23Z",
        }
        assert list(typed) == list(DESCRIPTION.field_names)
        assert misfits == []

    def test_absent_and_blank_values_are_null(self, read_record, misfits):
        assert read_record({"marketoGUID": "abc", "amount": "", "isWon": None}) == {
            "marketoGUID": "abc",
            "name": None,
            "amount": None,
            "probability": None,
            "isWon": None,
            "closeDate": None,
            "updatedAt": None,
        }
        assert misfits == []

    def test_a_value_that_does_not_fit_is_null_and_reported(self, read_record, misfits):
        typed = read_record(
            {
                "marketoGUID": "abc ",
                "name": "n",
                "amount": "a lot",
                "probability": True,
                "isWon": 1,
                "closeDate": "2010-02-30",
            }
        )
        assert typed == {
            "marketoGUID": "abc",
            "name": "n",
            "amount": None,
            "probability": None,
            "isWon": True,
            "closeDate": None,
            "updatedAt": None,
        }
        assert misfits == [("amount", "abc"), ("probability", "abc"), ("closeDate", "abc")]

    def test_a_boolean_is_not_an_integer(self, read_record, misfits):
        assert read_record({"probability": True})["probability"] is None
        assert misfits == [("probability", "")]
