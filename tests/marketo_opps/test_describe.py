"""Describe's responses, in both documented forms and in unusual ones."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketo_opps import FieldDescription, MarketoObject
from marketo_opps.describe import (
    read_description,
    read_lead_fields,
    read_searchable_lead_fields,
)
from marketo_opps.field_types import is_known_type

OPPORTUNITIES, ROLES = MarketoObject.OPPORTUNITIES, MarketoObject.OPPORTUNITY_ROLES

# Adobe's OpenAPI, "ObjectMetaData".
BY_API_NAME = {
    "apiName": "opportunity",
    "pluralName": "Opportunities",
    "description": "What is sold",
    "relationships": [{"field": "x", "relatedTo": {"name": "Lead"}, "type": "child"}],
    "idField": "marketoGUID",
    "dedupeFields": ["externalOpportunityId"],
    "searchableFields": [["externalOpportunityId"], ["marketoGUID"]],
    "fields": [{"name": "amount", "displayName": "Amount", "dataType": "currency"}],
    "state": "approved",
    "version": "approved",
}


def described(obj=OPPORTUNITIES, **members):
    return read_description(obj, {"fields": [{"name": "amount"}], **members})


def field(**members):
    (read,) = described(fields=[{"name": "amount", **members}]).fields
    return read


def test_the_form_of_the_openapi_definition_is_read():
    by_name = {**BY_API_NAME, "name": "opportunity"}
    del by_name["apiName"]
    read = read_description(OPPORTUNITIES, BY_API_NAME)
    assert read == read_description(OPPORTUNITIES, by_name)
    assert read.name == "opportunity"
    assert read.fields == (FieldDescription("amount", "Amount", "currency"),)


def test_a_field_may_be_named_by_api_name():
    assert described(fields=[{"apiName": "amount"}]).field_names == ("amount",)


@pytest.mark.parametrize(
    ("obj", "keys"),
    [
        (OPPORTUNITIES, ("externalOpportunityId",)),
        (ROLES, ("externalOpportunityId", "leadId", "role")),
    ],
)
def test_missing_dedupe_fields_are_the_documented_ones(obj, keys):
    read = described(obj)
    assert (read.name, read.id_field, read.dedupe_fields) == ("", "marketoGUID", keys)
    assert read.searchable_fields == ()


def test_describe_tells_the_id_field():
    assert described(idField="guid").id_field == "guid"


@pytest.mark.parametrize("searchable", [["a", "b"], [["a"], ["b"]], [["a"], "b", [], None, [None]]])
def test_searchable_fields_may_be_a_flat_list(searchable):
    assert described(searchableFields=searchable).searchable_fields == (("a",), ("b",))


@pytest.mark.parametrize("searchable", [None, "a", 5, {"a": 1}])
def test_searchable_fields_of_another_form_are_empty(searchable):
    assert described(searchableFields=searchable).searchable_fields == ()


def test_a_single_dedupe_field_is_a_list_of_one():
    assert described(dedupeFields="externalKey").dedupe_fields == ("externalKey",)


def test_of_a_field_listed_twice_the_first_entry_is_used():
    read = described(
        fields=[
            {"name": "a", "dataType": "integer"},
            {"name": "b"},
            {"name": "a", "dataType": "string"},
        ]
    )
    assert read.field_names == ("a", "b")
    assert read.fields[0].data_type == "integer"


@pytest.mark.parametrize("name", ["amount due", "a.b", "\u00dcbertrag", "a/b", "$a", "1", "name'"])
def test_an_unusual_field_name_is_kept(name):
    assert described(fields=[{"name": name}]).field_names == (name,)


@pytest.mark.parametrize("odd", [{}, {"name": ""}, {"name": None}, {"name": "a,b"}, 5, None, "a"])
def test_a_field_that_cannot_be_queried_is_skipped_and_logged(odd, caplog):
    assert described(fields=[{"name": "a"}, odd]).field_names == ("a",)
    assert "opportunities lists 1 field without a usable name" in caplog.text


@pytest.mark.parametrize(
    ("told", "read"),
    [("Amount", "Amount"), (5, "5"), (None, "amount"), ("", "amount"), ([], "amount")],
)
def test_a_display_name_may_be_a_number_or_missing(told, read):
    assert field(displayName=told).display_name == read


@pytest.mark.parametrize(
    ("told", "read"),
    [
        *((each, 255) for each in (255, "255", " 255 ", Decimal("255.0"))),
        (1, 1),
        *((each, None) for each in (None, "", "long", "2_5", "\u0662", 0, True, [], "9" * 5000)),
    ],
)
def test_a_length_may_be_text(told, read):
    assert field(length=told).length == read


@pytest.mark.parametrize(
    ("told", "read"),
    [(False, False), ("false", False), ("False ", False), (True, True), (None, True), ("no", True)],
)
def test_a_field_is_updateable_unless_describe_denies_it(told, read):
    assert field(updateable=told).updateable is read


@pytest.mark.parametrize(
    ("told", "read"), [("Integer", "Integer"), (None, "string"), ("", "string"), ({}, "string")]
)
def test_a_missing_data_type_is_a_string_others_are_kept(told, read):
    assert field(dataType=told).data_type == read
    assert is_known_type(field(dataType=told).data_type)


@pytest.mark.parametrize(
    "odd", [{}, 5, None, "a", {"rest": {}}, {"rest": "email"}, {"soap": {"name": "Email"}}]
)
def test_a_lead_field_without_a_rest_name_is_skipped(odd, caplog):
    fields = read_lead_fields([odd, {"rest": {"name": "email"}}])
    assert fields == (FieldDescription("email", "email", "string"),)
    assert not caplog.text


@pytest.mark.parametrize(("told", "read"), [(True, False), ("true", False), (None, True)])
def test_a_lead_field_that_is_read_only_cannot_be_updated(told, read):
    (field,) = read_lead_fields([{"rest": {"name": "email", "readOnly": told}}])
    assert field.updateable is read


@pytest.mark.parametrize(
    "result", [[], [5], [{}], [{"searchableFields": "email"}], [{"searchableFields": [["a", "b"]]}]]
)
def test_searchable_lead_fields_of_another_form_are_unknown(result):
    assert read_searchable_lead_fields(result) is None
